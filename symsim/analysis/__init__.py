"""What binds where, what an input is worth, what differs between two models."""
