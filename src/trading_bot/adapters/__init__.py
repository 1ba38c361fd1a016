"""Everything vendor-shaped."""
