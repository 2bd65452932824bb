"""Exact maths that knows nothing of LLMs: units, symbols, directions, normal forms, code."""
