"""Question -> answer, exact for whole numbers and certified."""
