"""minnet: neural networks from scratch in NumPy, readable in an afternoon.

Import what you use from where it stands: `from minnet.layers import Linear`, `from minnet.training import Trainer`.
"""

__version__ = "0.1.0"
