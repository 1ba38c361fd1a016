"""What decides: pure functions and small objects over integers, without a clock and without I/O."""
