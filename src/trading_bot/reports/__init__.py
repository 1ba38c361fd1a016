"""Reports and exports from the log."""
