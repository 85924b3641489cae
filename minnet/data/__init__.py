"""Everything between a file on the disk and a batch: datasets, text to numbers, augmentation, your own data."""

from minnet.data.dataset import Dataset, Split
from minnet.data.loading import load
from minnet.data.text import Ngrams, TokenIds, vectorizer_from
from minnet.data.tokens import tokenize

__all__ = ["Dataset", "Ngrams", "Split", "TokenIds", "load", "tokenize", "vectorizer_from"]
