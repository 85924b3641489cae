"""Texts become numbers: weighted n-gram counts as a sparse matrix, or rows of token ids for an embedding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minnet.data.tokens import normalise, split_words, tokenize

SEPARATOR = "\0"  # stands in no normalised text


def pack(words: Iterable[str]) -> np.ndarray:
    """Strings as one uint8 array, which can be saved without pickle."""
    return np.frombuffer(SEPARATOR.join(words).encode("utf-8", "surrogatepass"), np.uint8).copy()


def unpack(packed: np.ndarray) -> list[str]:
    """The strings that `pack` packed."""
    joined = np.asarray(packed, np.uint8).tobytes().decode("utf-8", "surrogatepass")
    return joined.split(SEPARATOR) if joined else []


def check_texts(texts: Any) -> None:
    """Raises ValueError unless `texts` is a list of strings."""
    if isinstance(texts, str):
        raise ValueError("expected a list of texts, got one string: a single text is a list of one, [text]")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"expected a list of texts, got {type(text).__name__} at position {row}")


class Ngrams:
    """A text as the n-grams that it holds, each weighted by how rare it is: CSR float32 (N, features).

    `words` and `characters` give the shortest and longest n-gram of each kind, None for none of that kind;
    characters never reach across a space. An n-gram counts if at least `min_count` texts of `fit` have it;
    `max_features` keeps the most frequent of each kind. `negation` marks the words after a negator.

    The value of n-gram j in text i is (1 + ln count_ij) * (1 + ln((1 + N) / (1 + n_j))) with n_j of the N fitted
    texts having it; then each kind's part of a row is brought to equal length, and the row to length 1.
    A text without any known n-gram is a row of zeros.
    """

    def __init__(
        self,
        words: tuple[int, int] | None = (1, 2),
        characters: tuple[int, int] | None = (2, 5),
        min_count: int = 2,
        max_features: int | None = None,
        negation: bool = False,
    ) -> None:
        if words is None and characters is None:
            raise ValueError("Ngrams needs words or characters, for example words=(1, 2)")
        for name, span in (("words", words), ("characters", characters)):
            if span is not None and not (len(span) == 2 and 1 <= span[0] <= span[1]):
                raise ValueError(f"Ngrams: {name} must be the shortest and longest n-gram, as in (1, 2), got {span!r}")
        self.words = tuple(words) if words else None
        self.characters = tuple(characters) if characters else None
        self.min_count = min_count
        self.max_features = max_features
        self.negation = negation
        self._parts: dict[str, Part] = {}

    def fit(self, texts: Sequence[str]) -> Ngrams:
        """Learns which n-grams there are, and how rare each is; returns itself."""
        self.fit_transform(texts)
        return self

    def fit_transform(self, texts: Sequence[str]) -> Any:
        """`fit` and `transform` of the same texts, in little more than half the time of both."""
        check_texts(texts)
        if not len(texts):
            raise ValueError("Ngrams.fit needs at least one text")
        normalised = [normalise(text) for text in texts]
        self._parts, counts = {}, []
        for kind in self._kinds():
            counter = self._counter(kind, min_df=min(self.min_count, len(texts)), max_features=self.max_features)
            try:
                count = counter.fit_transform(normalised)
            except ValueError:  # scikit-learn's word for "nothing left to count"
                continue
            frequency = np.bincount(count.indices, minlength=count.shape[1])
            weights = (1 + np.log((1 + len(texts)) / (1 + frequency))).astype(np.float32)
            self._parts[kind] = self._part(kind, list(counter.get_feature_names_out()), weights)
            counts.append(self._parts[kind].weigh(count))
        if not counts:
            raise ValueError(
                f"Ngrams.fit found no n-gram that {self.min_count} of the {len(texts):,} texts share: "
                "give it more text, or a smaller min_count"
            )
        return joined_rows(counts)

    def transform(self, texts: Sequence[str]) -> Any:
        """The texts as CSR float32 (N, features), columns in the order of `features`."""
        check_texts(texts)
        if not self._parts:
            raise ValueError("Ngrams.transform before fit: call fit(texts) with the training texts first")
        normalised = [normalise(text) for text in texts]
        if not normalised:
            from scipy.sparse import csr_matrix

            return csr_matrix((0, len(self)), dtype=np.float32)
        return joined_rows([part.weigh(part.counter.transform(normalised)) for part in self._parts.values()])

    @property
    def features(self) -> list[str]:
        """The n-gram of each column; those of characters are written with their spaces, between bars: "| no|"."""
        names = []
        for kind, part in self._parts.items():
            names += part.terms if kind == "words" else [f"|{term}|" for term in part.terms]
        return names

    def __len__(self) -> int:
        return sum(len(part.terms) for part in self._parts.values())

    def config(self) -> dict[str, Any]:
        """What `vectorizer_from` needs beside `arrays()`, as JSON can hold it."""
        names = ("words", "characters", "min_count", "max_features", "negation")
        return {"vectorizer": "Ngrams", **{name: getattr(self, name) for name in names}}

    def arrays(self) -> dict[str, np.ndarray]:
        """The fitted state: for each kind its n-grams as bytes and their weights float32."""
        saved = {}
        for kind, part in self._parts.items():
            saved[kind] = pack(part.terms)
            saved[kind + "_weights"] = part.weights
        return saved

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        for kind in self._kinds():
            if kind in arrays:
                weights = np.asarray(arrays[kind + "_weights"], np.float32)
                self._parts[kind] = self._part(kind, unpack(arrays[kind]), weights)

    def _kinds(self) -> list[str]:
        return [kind for kind in ("words", "characters") if getattr(self, kind)]

    def _part(self, kind: str, terms: list[str], weights: np.ndarray) -> Part:
        """One kind's fitted state. Raises ValueError when terms and weights do not fit each other."""
        index = {term: column for column, term in enumerate(terms)}
        if weights.shape != (len(terms),) or len(index) != len(terms):
            raise ValueError(
                f"the saved n-grams are damaged: {len(terms):,} terms, {len(index):,} of them different, "
                f"and weights of shape {weights.shape}"
            )
        return Part(terms, weights, self._counter(kind, vocabulary=index))

    def _counter(self, kind: str, **settings: Any) -> Any:
        from sklearn.feature_extraction.text import CountVectorizer

        shared = {"lowercase": False, "dtype": np.float32, "ngram_range": getattr(self, kind), **settings}
        if kind == "characters":
            return CountVectorizer(analyzer="char_wb", **shared)
        split: Callable[[str], list[str]] = partial(split_words, negation=self.negation)
        return CountVectorizer(tokenizer=split, token_pattern=None, **shared)

    def __repr__(self) -> str:
        fitted = f"{len(self):,} features" if self._parts else "not fitted"
        return f"Ngrams(words={self.words}, characters={self.characters}, min_count={self.min_count}; {fitted})"


class Part(NamedTuple):
    """One kind of n-gram: the term of each column, its weight, and scikit-learn's counter of these terms."""

    terms: list[str]
    weights: np.ndarray
    counter: Any

    def weigh(self, counts: Any) -> Any:
        """Counts, CSR (N, terms), as weighted rows of length 1 (or 0 where nothing was counted)."""
        from sklearn.preprocessing import normalize

        counts.data = (1 + np.log(counts.data)) * self.weights[counts.indices]
        return normalize(counts, copy=False)


def joined_rows(parts: list[Any]) -> Any:
    """Sparse rows side by side, brought to length 1 again."""
    if len(parts) == 1:
        return parts[0]
    from scipy.sparse import hstack
    from sklearn.preprocessing import normalize

    return normalize(hstack(parts, format="csr", dtype=np.float32), copy=False)


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

    def fit(self, texts: Sequence[str]) -> TokenIds:
        """Learns the vocabulary (with buckets there is none to learn); returns itself."""
        check_texts(texts)
        if self.buckets is not None:
            return self
        counts = Counter(token for text in texts for token in self._tokens(text))
        frequent = [(-count, token) for token, count in counts.items() if count >= self.min_count]
        if not frequent:
            raise ValueError(f"TokenIds.fit found no token that occurs {self.min_count} times in {len(texts):,} texts")
        self._set_vocabulary([token for _, token in sorted(frequent)[: (self.size or 0) - 2]])
        return self

    def fit_transform(self, texts: Sequence[str]) -> np.ndarray:
        """`fit`, then `transform` of the same texts."""
        return self.fit(texts).transform(texts)

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """The ids of the texts, int32 (N, max_length); what is longer is cut, an empty text is a row of zeros."""
        check_texts(texts)
        if self.buckets is None and not self._index:
            raise ValueError("TokenIds.transform before fit: call fit(texts) with the training texts first")
        ids = np.zeros((len(texts), self.max_length), np.int32)
        for row, text in enumerate(texts):
            found = [self._id(token) for token in self._tokens(text)[: self.max_length]]
            ids[row, : len(found)] = found
        return ids

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

        return 1 + murmurhash3_32(token, positive=True) % self.buckets

    def __repr__(self) -> str:
        ids = f"buckets={self.buckets}" if self.buckets else f"size={self.size}"
        return f"TokenIds(max_length={self.max_length}, {ids}, words={self.words}; {self.rows:,} rows)"


VECTORIZERS = {"Ngrams": Ngrams, "TokenIds": TokenIds}


def vectorizer_from(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Ngrams | TokenIds:
    """The vectorizer that `config()` and `arrays()` describe; it transforms exactly as the saved one did.

    Raises ValueError when the description is of no known vectorizer or does not fit the arrays.
    """
    settings = dict(config)
    name = settings.pop("vectorizer", None)
    if name not in VECTORIZERS:
        raise ValueError(f"unknown vectorizer {str(name)[:40]!r}: known are {', '.join(VECTORIZERS)}")
    for span in ("words", "characters"):
        if isinstance(settings.get(span), list):
            settings[span] = tuple(settings[span])
    try:
        vectorizer = VECTORIZERS[name](**settings)
        vectorizer._restore(arrays)
    except (TypeError, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot rebuild {name} from {str(config)[:200]}: {error}") from None
    return vectorizer
