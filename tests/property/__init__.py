"""Property tests and what they share."""
