"""Operator graph -> FLOPs, bytes, time and memory; metrics as derivations of named steps."""
