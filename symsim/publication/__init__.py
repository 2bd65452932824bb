"""A section of a paper."""
