def markdown_text(x): return str(x)
