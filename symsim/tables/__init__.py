"""Measured figures: tables, and how a look-up answers."""
