"""Everything between a file on the disk and a batch: datasets, text to numbers, augmentation, your own data."""

from minnet.data.dataset import Dataset, Split
from minnet.data.images import Augment, channel_statistics, over_views, read_image, test_views
from minnet.data.loading import load, load_lexicon
from minnet.data.own import load_csv, load_images
from minnet.data.text import Ngrams, TokenIds, vectorizer_from
from minnet.data.tokens import tokenize

__all__ = [
    "Augment", "Dataset", "Ngrams", "Split", "TokenIds", "channel_statistics", "load", "load_csv", "load_images",
    "load_lexicon", "over_views", "read_image", "test_views", "tokenize", "vectorizer_from",
]  # fmt: skip
