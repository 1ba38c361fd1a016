"""The dead man: a process of its own that closes what a dead or frozen bot has left (docs/deadman.md)."""
