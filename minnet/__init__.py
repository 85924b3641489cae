"""minnet: neural networks from scratch in NumPy, readable in an afternoon."""

