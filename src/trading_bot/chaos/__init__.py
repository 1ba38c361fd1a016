"""The chaos lab: a real bot against a gateway that fails on purpose, and what must hold afterwards (docs/chaos.md)."""
