"""Benchmarks: scripts that compare minnet with others on the machine at hand. See README.md."""

import minnet  # noqa: F401  before NumPy, as in train.py: it tells OpenBLAS when its threads shall sleep
