"""Config + graph text -> the operator graph of a model."""
