"""Everything between a file on the disk and a batch: datasets, text to numbers, augmentation, your own data."""

from minnet.data.dataset import Dataset, Split
from minnet.data.loading import load

__all__ = ["Dataset", "Split", "load"]
