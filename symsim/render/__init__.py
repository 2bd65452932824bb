"""Results -> pictures and tables."""
