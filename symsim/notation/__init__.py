"""Formula -> text, mathematics and programs."""
