"""The page of a compiled model: one self-contained HTML file, evaluated by the exported JavaScript of its formulas."""
