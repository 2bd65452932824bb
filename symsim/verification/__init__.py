"""Whether a formula in LaTeX equals the derived one."""
