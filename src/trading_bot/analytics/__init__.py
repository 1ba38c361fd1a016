"""The numbers of trades: what the logs say, counted, compared and taken apart."""
