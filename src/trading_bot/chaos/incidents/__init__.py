"""What is known to go wrong at this broker, one table a module."""
