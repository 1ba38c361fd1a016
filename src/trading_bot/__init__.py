"""Event-sourced, low-latency scalper for CME micro futures."""

__version__ = "0.1.0"
