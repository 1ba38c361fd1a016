"""adapters/ibkr"""
