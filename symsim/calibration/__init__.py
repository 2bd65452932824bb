"""Calibrated forms of kernel time: their coefficients, how they are fitted, and single kernels by them."""

from symsim.calibration.kernels import kernel_seconds

__all__ = ["kernel_seconds"]
