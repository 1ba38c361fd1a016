"""Research: whole runs by seed with every invariant watched. Imports wiring and everything below it."""
