"""`trading-bot doctor`: what the machine offers, and whether the bot can trade on it. It looks and changes nothing."""
