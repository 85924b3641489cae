"""Texts become numbers: here as weighted counts of n-grams, a sparse matrix; token_ids.py has rows of ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minnet.data.token_ids import TokenIds
from minnet.data.tokens import check_texts, normalise, pack, split_words, unpack, watched

SPELLING = "one spelling"  # what the bars say
COUNTING = {"words": "n-grams of words", "characters": "n-grams of characters"}


class Ngrams:
    """A text as the n-grams that it holds, each weighted by how rare it is: CSR float32 (N, features).

    `words` and `characters` give the shortest and longest n-gram of each kind, None for none of that kind;
    characters never reach across a space. An n-gram counts if at least `min_count` texts of `fit` have it;
    `max_features` keeps the most frequent of each kind. `negation` marks the words after a negator. With a `lexicon`
    (a rating for each of many words, as `data.load_lexicon` gives it) a third kind counts these, see `rated`.

    The value of n-gram j in text i is (1 + ln count_ij) * (1 + ln((1 + N) / (1 + n_j))) with n_j of the N fitted
    texts having it; then each kind's part of a row is brought to equal length, and the row to length 1.
    A text without any known n-gram is a row of zeros. Fitted with labels, the weights also tell how differently
    the classes use an n-gram (see `contrast`).
    """

    def __init__(
        self,
        words: tuple[int, int] | None = (1, 2),
        characters: tuple[int, int] | None = (2, 5),
        min_count: int = 2,
        max_features: int | None = None,
        negation: bool = False,
        lexicon: Mapping[str, float] | None = None,
    ) -> None:
        if words is None and characters is None:
            raise ValueError("Ngrams needs words or characters, for example words=(1, 2)")
        for name, span in (("words", words), ("characters", characters)):
            if span is not None and not (len(span) == 2 and 1 <= span[0] <= span[1]):
                raise ValueError(f"Ngrams: {name} must be the shortest and longest n-gram, as in (1, 2), got {span!r}")
        for name, least in (("min_count", min_count), ("max_features", 1 if max_features is None else max_features)):
            if least < 1:
                raise ValueError(f"Ngrams: {name} must be at least 1, got {least!r}")
        self.words = tuple(words) if words else None
        self.characters = tuple(characters) if characters else None
        self.min_count = min_count
        self.max_features = max_features
        self.negation = negation
        self.lexicon = None if lexicon is None else {word: float(np.float32(r)) for word, r in lexicon.items()}
        self._parts: dict[str, Part] = {}

    def fit(self, texts: Sequence[str], labels: np.ndarray | None = None) -> Ngrams:
        """Learns which n-grams there are, and how rare and (with labels) how telling each is; returns itself."""
        self.fit_transform(texts, labels)
        return self

    def fit_transform(self, texts: Sequence[str], labels: np.ndarray | None = None) -> Any:
        """`fit` and `transform` of the same texts, in little more than half the time of both."""
        check_texts(texts)
        if labels is not None and len(labels) != len(texts):
            raise ValueError(f"Ngrams.fit got {len(texts):,} texts but {len(labels):,} labels")
        if not len(texts):
            raise ValueError("Ngrams.fit needs at least one text")
        if labels is not None and len(np.unique(labels)) < 2:
            raise ValueError("Ngrams.fit got labels of one class, which nothing tells apart: leave the labels out")
        normalised = [normalise(text) for text in watched(texts, SPELLING)]
        parts, counts = {}, []
        for kind in self._kinds():
            counter = self._counter(kind, min_df=min(self.min_count, len(texts)), max_features=self.max_features)
            try:
                count = counter.fit_transform(watched(normalised, COUNTING[kind]))
            except ValueError:  # scikit-learn's word for "nothing left to count"
                continue
            frequency = np.bincount(count.indices, minlength=count.shape[1])
            weights = (1 + np.log((1 + len(texts)) / (1 + frequency))).astype(np.float32)
            if labels is not None:
                weights *= np.sqrt(contrast(count, labels))
            parts[kind] = self._part(kind, list(counter.get_feature_names_out()), weights)
            counts.append(parts[kind].weigh(count))
        if not counts:
            raise ValueError(
                f"Ngrams.fit found no n-gram that {self.min_count} of the {len(texts):,} texts share: "
                "give it more text, or a smaller min_count"
            )
        self._parts = parts
        return self._joined(counts, normalised)

    def transform(self, texts: Sequence[str]) -> Any:
        """The texts as CSR float32 (N, features), columns in the order of `features`."""
        check_texts(texts)
        if not self._parts:
            raise ValueError("Ngrams.transform before fit: call fit(texts) with the training texts first")
        normalised = [normalise(text) for text in watched(texts, SPELLING)]
        if not normalised:
            from scipy.sparse import csr_matrix

            return csr_matrix((0, len(self)), dtype=np.float32)
        counts = [
            part.weigh(part.counter.transform(watched(normalised, COUNTING[kind])))
            for kind, part in self._parts.items()
        ]
        return self._joined(counts, normalised)

    def _joined(self, counts: list[Any], normalised: Sequence[str]) -> Any:
        """The kinds side by side, each row brought to length 1 again."""
        parts = counts if self.lexicon is None else [*counts, rated(normalised, self.lexicon)]
        if len(parts) == 1:
            return parts[0]
        from scipy.sparse import hstack
        from sklearn.preprocessing import normalize

        return normalize(hstack(parts, format="csr", dtype=np.float32), copy=False)

    @property
    def features(self) -> list[str]:
        """The n-gram of each column; those of characters are written with their spaces, between bars: "| no|". The
        columns of a lexicon come last, between angles."""
        names = []
        for kind, part in self._parts.items():
            names += part.terms if kind == "words" else [f"|{term}|" for term in part.terms]
        return names if self.lexicon is None else [*names, *RATED]

    def __len__(self) -> int:
        return sum(len(part.terms) for part in self._parts.values()) + (0 if self.lexicon is None else len(RATED))

    def config(self) -> dict[str, Any]:
        """What `vectorizer_from` needs beside `arrays()`, as JSON can hold it."""
        names = ("words", "characters", "min_count", "max_features", "negation")
        return {"vectorizer": "Ngrams", **{name: getattr(self, name) for name in names}}

    def arrays(self) -> dict[str, np.ndarray]:
        """The fitted state: for each kind its n-grams as bytes and their weights float32; the lexicon likewise."""
        saved = {}
        if self.lexicon is not None:
            saved["lexicon"] = pack(self.lexicon)
            saved["lexicon_ratings"] = np.array(list(self.lexicon.values()), np.float32)
        for kind, part in self._parts.items():
            saved[kind] = pack(part.terms)
            saved[kind + "_weights"] = part.weights
        return saved

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        if "lexicon" in arrays:
            words, ratings = unpack(arrays["lexicon"]), np.asarray(arrays["lexicon_ratings"], np.float32)
            if ratings.shape != (len(words),):
                raise ValueError(f"the saved lexicon is damaged: {len(words):,} words, ratings {ratings.shape}")
            self.lexicon = dict(zip(words, ratings.tolist(), strict=True))  # float32 already: they are as they were
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


PRIOR = 3.0
BLOCK = 2**20  # numbers that `contrast` holds densely at once


def contrast(counts: Any, labels: np.ndarray) -> np.ndarray:
    """How differently the classes use each n-gram, float32 (features,): 0 where all use it equally often.

    It is the standard deviation over the classes of log r_jk, the logarithm of the share of class k's texts that
    have n-gram j: after the log-count ratio of Wang and Manning (Baselines and Bigrams, 2012), with shares of texts and
    for more than two classes. PRIOR imagined texts that have it, spread over the classes like the real ones, keep
    rare n-grams from telling too much.
    """
    from scipy.sparse import csr_array

    classes, numbered = np.unique(labels, return_inverse=True)
    rows = csr_array((np.ones(len(labels), np.float32), (numbered, np.arange(len(labels)))))  # (K, N)
    having = (rows @ (counts != 0).astype(np.float32)).tocsc()  # (K, features) texts of class k with n-gram j
    sizes = np.bincount(numbered, minlength=len(classes))[:, None] / len(labels)
    spread = np.empty(counts.shape[1], np.float32)
    step = -(-BLOCK // len(classes))
    for start in range(0, len(spread), step):  # most n-grams are in few classes: the zeros of all would fill memory
        block = having[:, start : start + step].toarray(order="C")
        ratios = np.log((block + PRIOR * sizes) / ((len(labels) + PRIOR) * sizes))
        spread[start : start + step] = ratios.std(axis=0)
    return spread


RATED = ("<positive>", "<negative>", "<not positive>", "<not negative>")


def rated(normalised: Sequence[str], lexicon: Mapping[str, float]) -> Any:
    """In what proportion the words of each text please and displease, CSR float32 (N, 4).

    The columns are the sum of the ratings above 0 and of those below, and both again of words that a negator stands
    before, whose ratings tell something else; a row is brought to length 1 (0: no rated word), as n-grams' are. A
    hashtag has the rating of its word, whatever stands before it. An n-gram has to be met in training to mean
    something; these four mean the same in texts about anything.
    """
    from scipy.sparse import csr_matrix
    from sklearn.preprocessing import normalize

    sums = np.zeros((len(normalised), len(RATED)), np.float32)
    for row, text in zip(sums, watched(normalised, "words with a rating"), strict=True):
        for token in split_words(text, negation=True):
            word = token.removeprefix("not_")
            rating = lexicon.get(word.removeprefix("#"), 0.0)
            row[2 * (word != token) + (rating < 0)] += abs(rating)
    return normalize(csr_matrix(sums), copy=False)


VECTORIZERS = {"Ngrams": Ngrams, "TokenIds": TokenIds}


def vectorizer_from(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Ngrams | TokenIds:
    """The vectorizer that `config()` and `arrays()` describe; it transforms exactly as the saved one did.

    Raises ValueError when the description is of no known vectorizer or does not fit the arrays.
    """
    settings = dict(config)
    name = settings.pop("vectorizer", None)
    if name not in VECTORIZERS:
        raise ValueError(f"unknown vectorizer {str(name)[:40]!r}: known are {', '.join(VECTORIZERS)}")
    try:
        vectorizer = VECTORIZERS[name](**settings)
        vectorizer._restore(arrays)
    except (TypeError, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot rebuild {name} from {str(config)[:200]}: {error}") from None
    return vectorizer
