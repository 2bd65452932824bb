"""Text -> tree -> values: the languages of graphs and of questions."""
