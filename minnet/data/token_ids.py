"""A text as a row of token ids, for an embedding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from minnet.data.tokens import check_texts, pack, tokenize, unpack, watched


class TokenIds:
    """A text as a row of token ids, padded with 0 on the right: int32 (N, max_length).

    With `size`, the most frequent tokens of `fit` get the ids 2 to size - 1, in falling frequency, and every other
    token the id 1. With `buckets` (a power of two) nothing is learned: a token's id is 1 + its hash modulo the
    buckets, and tokens that collide share an id. `words` gives the shortest and longest n-gram; all n-grams of
    one length come before those of the next. `rows` is how many rows an embedding of these ids needs.
    """

    def __init__(
        self,
        max_length: int = 64,
        size: int | None = 20_000,
        buckets: int | None = None,
        words: tuple[int, int] = (1, 1),
        min_count: int = 1,
        negation: bool = False,
    ) -> None:
        if max_length < 1:
            raise ValueError(f"TokenIds: max_length must be at least 1, got {max_length!r}")
        if buckets is not None and (buckets < 2 or buckets & (buckets - 1)):
            raise ValueError(f"TokenIds: buckets must be a power of two such as 2**18, got {buckets!r}")
        if buckets is None and (size is None or size < 3):
            raise ValueError(f"TokenIds needs a vocabulary of at least 3 ids, or buckets; got size={size!r}")
        if not (len(words) == 2 and 1 <= words[0] <= words[1]):
            raise ValueError(f"TokenIds: words must be the shortest and longest n-gram, as in (1, 2), got {words!r}")
        self.max_length = max_length
        self.size = size if buckets is None else None
        self.buckets = buckets
        self.words = tuple(words)
        self.min_count = min_count
        self.negation = negation
        self._index: dict[str, int] = {}

    def fit(self, texts: Sequence[str], labels: Any = None) -> TokenIds:
        """Learns the vocabulary (with buckets there is none to learn; labels never matter); returns itself."""
        check_texts(texts)
        if self.buckets is None:
            self.fit_transform(texts)
        return self

    def fit_transform(self, texts: Sequence[str], labels: Any = None) -> np.ndarray:
        """`fit` and `transform` of the same texts, in little more than half the time of both."""
        check_texts(texts)
        if self.buckets is not None:
            return self.transform(texts)
        place: dict[str, int] = {}  # of each token, in the order in which they are met: an id before ids are known
        rows = [
            [place.setdefault(token, len(place)) for token in self._tokens(text)]
            for text in watched(texts, "token ids")
        ]
        counts = Counter(chain.from_iterable(rows))
        frequent = [(-counts[at], token) for token, at in place.items() if counts[at] >= self.min_count]
        if not frequent:
            raise ValueError(f"TokenIds.fit found no token that occurs {self.min_count} times in {len(texts):,} texts")
        self._set_vocabulary([token for _, token in sorted(frequent)[: (self.size or 0) - 2]])
        ids = [self._id(token) for token in place]
        return self._padded(len(texts), ([ids[at] for at in row[: self.max_length]] for row in rows))

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """The ids of the texts, int32 (N, max_length); what is longer is cut, an empty text is a row of zeros."""
        check_texts(texts)
        if self.buckets is None and not self._index:
            raise ValueError("TokenIds.transform before fit: call fit(texts) with the training texts first")
        tokens = (self._tokens(text)[: self.max_length] for text in watched(texts, "token ids"))
        return self._padded(len(texts), (list(map(self._id, row)) for row in tokens))

    def _padded(self, count: int, rows: Iterable[list[int]]) -> np.ndarray:
        """So many rows of ids as one array, int32 (N, max_length)."""
        ids = np.zeros((count, self.max_length), np.int32)
        for row, found in zip(ids, rows, strict=True):
            row[: len(found)] = found
        return ids

    def cut(self, texts: Sequence[str], ids: np.ndarray) -> np.ndarray:
        """Which of the texts have words that the `ids` which `transform` made of them leave out, bool (N,)."""
        most = self.max_length + self.words[0] - 1  # words; the shortest n-grams come first
        pairs = zip(texts, ids[:, -1] != 0, strict=True)  # only a row that is full may have left something out
        return np.array([full and len(tokenize(text, self.negation)) > most for text, full in pairs], bool)

    @property
    def rows(self) -> int:
        """The largest id there can be, plus one."""
        return self.buckets + 1 if self.buckets is not None else len(self._index) + 2

    @property
    def vocabulary(self) -> list[str]:
        """The token of each id from 2 on; empty with buckets."""
        return list(self._index)

    def config(self) -> dict[str, Any]:
        """What `vectorizer_from` needs beside `arrays()`, as JSON can hold it."""
        names = ("max_length", "size", "buckets", "words", "min_count", "negation")
        return {"vectorizer": "TokenIds", **{name: getattr(self, name) for name in names}}

    def arrays(self) -> dict[str, np.ndarray]:
        """The fitted state: the vocabulary as bytes; nothing with buckets."""
        return {"vocabulary": pack(self._index)} if self._index else {}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        if "vocabulary" in arrays:
            self._set_vocabulary(unpack(arrays["vocabulary"]))

    def _set_vocabulary(self, tokens: list[str]) -> None:
        self._index = {token: position for position, token in enumerate(tokens, 2)}

    def _tokens(self, text: str) -> list[str]:
        tokens = tokenize(text, self.negation)
        shortest, longest = self.words
        grams = tokens if shortest == 1 else []
        for length in range(max(shortest, 2), longest + 1):
            grams = grams + [" ".join(gram) for gram in zip(*(tokens[start:] for start in range(length)), strict=False)]
        return grams

    def _id(self, token: str) -> int:
        if self.buckets is None:
            return self._index.get(token, 1)
        from sklearn.utils import murmurhash3_32

        return 1 + murmurhash3_32(token.encode("utf-8", "surrogatepass"), positive=True) % self.buckets

    def __repr__(self) -> str:
        ids = f"buckets={self.buckets}" if self.buckets else f"size={self.size}"
        return f"TokenIds(max_length={self.max_length}, {ids}, words={self.words}; {self.rows:,} rows)"
