"""The tests; a package, because an installed wheel (eventkit) brings a top-level `tests` that would shadow it."""
