"""The deterministic core, and the shell around it that drives it."""
