"""Readers of the files that datasets come in: bytes on the disk become arrays, and every defect is named."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np

from minnet.data.dataset import Split
from minnet.data.tokens import normalise, tokenize

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_TRAIN = tuple(f"data_batch_{index}.bin" for index in range(1, 6))
CIFAR10_RECORD = 1 + 3 * 32 * 32  # one label byte, then the red, the green and the blue plane, row by row
SENTIMENTS = ("negative", "neutral", "positive")
VADER_DOMAINS = {
    "tweets": "tweets_GroundTruth.txt",
    "movies": "movieReviewSnippets_GroundTruth.txt",
    "amazon": "amazonReviewSnippets_GroundTruth.txt",
    "nyt": "nytEditorialSnippets_GroundTruth.txt",
}
VADER_LEXICON = "vader_sentiment_lexicon.txt"


def read_cifar10_batch(path: Path) -> Split:
    """One batch file of CIFAR-10's binary layout as uint8 (N, 32, 32, 3) and labels (N,)."""
    content = np.fromfile(path, np.uint8)
    if content.size == 0 or content.size % CIFAR10_RECORD:
        raise ValueError(
            f"{path} has {content.size:,} bytes, which is no multiple of {CIFAR10_RECORD:,} (a label and 3 x 32 x 32 "
            "pixels): the file is cut short or of another kind. Delete it and fetch it again."
        )
    records = content.reshape(-1, CIFAR10_RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() > 9:
        row = int(np.argmax(labels > 9))
        raise ValueError(
            f"{path}: image {row} has label {labels[row]}, but CIFAR-10 has labels 0 to 9: the file is damaged or of "
            "another kind (CIFAR-100?). Delete it and fetch it again."
        )
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return Split(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)  # (N, 32, 32, 3)


def check_cifar10_sizes(folder: Path) -> None:
    """Raises ValueError when one batch file has the official size and another has not: half a file holds exactly
    half the images, so nothing else would show that it is cut short."""
    sizes = {name: (folder / name).stat().st_size for name in (*CIFAR10_TRAIN, "test_batch.bin")}
    official = 10_000 * CIFAR10_RECORD
    for name, size in sizes.items():
        if size != official and official in sizes.values():
            raise ValueError(
                f"{folder / name} has {size:,} bytes instead of {official:,}: it is cut short or of another kind. "
                "Delete it and fetch it again."
            )


def read_cifar10(folder: Path, batches: tuple[str, ...] = CIFAR10_TRAIN) -> Split:
    """Several batch files of CIFAR-10 as one split, in their order."""
    parts = [read_cifar10_batch(folder / name) for name in batches]
    return Split(np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts]))


def read_digits() -> Split:
    """scikit-learn's digits as uint8 (1797, 8, 8, 1); their sixteen steps of grey are stretched to 0..255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8)
    return Split(pixels[..., None], digits.target.astype(np.int64))


def read_text(path: Path, encoding: str = "utf-8-sig") -> str:
    """A file's text; raises ValueError with the place of the first byte that is not UTF-8."""
    try:
        return path.read_bytes().decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text: byte {error.start:,} is {error.object[error.start]:#04x}"
        ) from None


def read_lines(path: Path, encoding: str = "utf-8-sig") -> list[str]:
    """The lines of a text file. Only a line feed ends a line: tweets hold other characters that Python counts."""
    lines = [line.removesuffix("\r") for line in read_text(path, encoding).split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def read_tweeteval(folder: Path, part: str) -> Split:
    """One part ("train", "val" or "test") of a folder in TweetEval's layout."""
    text_path, label_path = folder / f"{part}_text.txt", folder / f"{part}_labels.txt"
    texts, labels = read_lines(text_path), read_lines(label_path)
    if len(texts) != len(labels):
        raise ValueError(
            f"{text_path} has {len(texts):,} lines and {label_path.name} has {len(labels):,}: each text needs one "
            "label. Fetch both again."
        )
    if not texts:
        raise ValueError(f"{text_path} is empty")
    return Split(texts, labels_of(labels, ("0", "1", "2"), label_path))


def labels_of(values: list[str], known: tuple[str, ...], path: Path, first_line: int = 1) -> np.ndarray:
    """The position of each value in `known`, as int64 (N,); raises ValueError with the line of a stranger."""
    index = {name: position for position, name in enumerate(known)}
    found = [index.get(value.strip(), -1) for value in values]
    if -1 in found:
        row = found.index(-1)
        raise ValueError(f"{path}, line {row + first_line}: label {values[row][:40]!r} is none of {', '.join(known)}")
    return np.array(found, np.int64)


def read_vader(folder: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The pooled sentences of VADER's four domains: texts, mean ratings float64 (N,), domains (N,) as positions
    in VADER_DOMAINS. Each line holds id, mean rating in [-4, 4] and text, separated by tabs."""
    texts: list[str] = []
    ratings: list[float] = []
    domains: list[int] = []
    for domain, name in enumerate(VADER_DOMAINS.values()):
        path = folder / name
        for number, line in enumerate(read_lines(path), 1):
            fields = line.split("\t")
            if len(fields) != 3:
                raise ValueError(
                    f"{path}, line {number}: expected id, rating and text separated by tabs, got {line[:60]!r}"
                )
            ratings.append(rating_of(fields[1], path, number))
            texts.append(fields[2])
            domains.append(domain)
    if not texts:
        raise ValueError(f"{folder} holds no sentences")
    return texts, np.array(ratings), np.array(domains, np.int64)


def read_lexicon(folder: Path) -> dict[str, float]:
    """VADER's lexicon: the mean rating in [-4, 4] of each word or emoticon that is one token to us.

    Each line holds term, mean rating and more, separated by tabs. Of terms that are one to us (:P and :p) the mean
    counts. The file is Latin-1.
    """
    path = folder / VADER_LEXICON
    ratings: dict[str, list[float]] = {}
    for number, line in enumerate(read_lines(path, "latin-1"), 1):
        term, *others = line.split("\t")
        if not others:
            raise ValueError(f"{path}, line {number}: expected term and rating separated by tabs, got {line[:60]!r}")
        rating = rating_of(others[0], path, number)
        if tokenize(term) == [word := normalise(term)]:
            ratings.setdefault(word, []).append(rating)
    return {word: sum(values) / len(values) for word, values in ratings.items()}


def rating_of(field: str, path: Path, line: int) -> float:
    """A mean of VADER's ratings, from -4 to 4; raises ValueError with the place of what is none."""
    try:
        rating = float(field)
    except ValueError:
        rating = math.nan
    if not -4 <= rating <= 4:
        raise ValueError(f"{path}, line {line}: expected a rating in [-4, 4], got {field[:40]!r}")
    return rating


def sentiment_of(ratings: np.ndarray) -> np.ndarray:
    """Three classes from mean ratings: negative up to -0.5, positive from 0.5 on, both borders included."""
    return np.where(ratings >= 0.5, 2, np.where(ratings <= -0.5, 0, 1)).astype(np.int64)


def read_comments(path: Path) -> dict[str, Split]:
    """The bundled comments by split; the file has the columns id, split, label, topic, text."""
    rows = list(csv.DictReader(io.StringIO(read_text(path), newline="")))
    columns = set(rows[0]) if rows else set()
    if not {"split", "label", "text"} <= columns:
        raise ValueError(f"{path} needs the columns split, label and text and at least one row")
    labels = labels_of([row["label"] or "" for row in rows], SENTIMENTS, path, first_line=2)
    parts = np.array([row["split"] for row in rows])
    found = {}
    for part in ("train", "validation", "test"):
        chosen = np.flatnonzero(parts == part)
        if not len(chosen):
            raise ValueError(f"{path} has no row of the split {part!r}")
        found[part] = Split([rows[index]["text"] for index in chosen], labels[chosen])
    return found
