def plain_text(x): return str(x)
