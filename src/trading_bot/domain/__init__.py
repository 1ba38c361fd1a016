"""The vocabulary every layer shares: units, instruments, records, events, effects, configuration, errors, ports."""
