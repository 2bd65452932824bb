"""A derivation and the numbers behind its symbols: evaluated, compiled, broken down, followed."""
