"""The face: compile a model, ask about it, print it. Methods and functions here only delegate."""
