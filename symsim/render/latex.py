def latex_text(x): return str(x)
