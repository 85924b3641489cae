"""minnet: neural networks from scratch in NumPy, whose heart you can read in an afternoon.

Import what you use from where it stands: `from minnet.layers import Linear`, `from minnet.training import Trainer`.
"""

import os

__version__ = "0.1.0"

# After a product OpenBLAS's threads spin for 2^26 clock ticks, waiting for the next, on cores that the optimizer's
# threads need. After 2^14, a few microseconds, they go to sleep. It is read when NumPy is first imported.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "14")
