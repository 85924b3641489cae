"""From a comment as people type it to tokens: one spelling for what means the same, in every script."""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from tqdm import tqdm

LINK = re.compile(r"(?:https?://|(?<!\w)www\.)\S+", re.IGNORECASE)  # but not Ewww...gross
ELONGATED = re.compile(r"([^\W\d_]|[!?.])\1{3,}")  # a letter or mark four or more times in a row
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")  # some corpora of tweets spell characters out: \u2019
# JSON and databases spell line breaks out: great.\n\nNever again. Before a small letter it may be none (yes\no, \nabla,
# a path) unless a sentence ends there; but in a text with one that can be nothing else, all are.
BREAK = re.compile(r"\\[nrt](?![a-z])|(?<=[\w.!?][.!?])\\[nrt]")
APOSTROPHE = re.compile(r"(?<=\w)\\'(?=\w)")  # databases write don\'t
TONES = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")  # presentation selectors and skin tones of emoji
PLAIN = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\0": " "}
    | dict.fromkeys("\u00ad\u2060\ufeff")  # unseen inside words (where to hyphenate, where not to break): deleted
)

# Scripts without spaces between words (Chinese, Japanese; Thai, Lao, Burmese, Khmer) give one token a letter with its
# signs; n-grams put them together again.
UNSPACED = (
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46"
    "\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf\u1000-\u102a\u103f\u1780-\u17b3"
)
THEIR_SIGNS = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3\u17dd"
# Vowel signs and accents that stand as characters of their own, which \w leaves out.
SIGNS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0963\u0966-\u0dff\u0f00-\u0fff\u1050-\u109f"
)
NAME = rf"[\w{SIGNS}{THEIR_SIGNS}]+"
MENTION = re.compile(rf"@(?<![\w@]@){NAME}")  # which begins with what is rare
LETTER = rf"(?:[^\W_{UNSPACED}]|[{SIGNS}])"
PICTURE = "[\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff]"

TOKEN = re.compile(
    rf"""
    @user | http(?!\w)
    | \#{NAME}                                                # hashtag
    | [<>]?[:;=][-o*']?(?:[)\](\[\\}}{{@|*]|/(?!/)|[dp](?!\w))  # :) ;-( :'( =d, but not 12:dawn or app://
    | (?<!\S)[)\](\[d/\\][-o*']?[:;=](?!\w)                   # (: ]-:
    | </?3 | \^_*\^ | -_+- | (?<!\w)[t;x]_[t;x](?!\w)         # <3 ^_^ -_- t_t
    | [\U0001f1e6-\U0001f1ff]{{2}}                            # flag
    | {PICTURE}(?:\u200d{PICTURE}|[\U000e0020-\U000e007f])*   # emoji, joined ones and flags such as Wales' as one
    | [{UNSPACED}][{THEIR_SIGNS}]*
    | {LETTER}+(?:['-]{LETTER}+)*                             # word, don't, well-made
    | [!?]+ | \.{{2,}} | [.,:;()]                             # marks that carry a tone, marks that end a phrase
    | [^\w\s\u0021-\u007e\u2000-\u206f\u3000-\u303f]          # other symbols
    """,
    re.VERBOSE,
)
PHRASE_ENDS = frozenset(".,:;()")
NEGATORS = """not no never none nobody nothing nowhere neither nor cannot without hardly barely scarcely
aint dont doesnt didnt cant couldnt wont wouldnt isnt arent wasnt werent shouldnt havent hasnt hadnt"""
NEGATOR = frozenset(NEGATORS.split())


def normalise(text: str) -> str:
    """The text in one spelling: Unicode compatibility form, lower case, straight quotes, `@user` for any name,
    `http` for any link, runs of a letter, full stop, ! or ? cut to three ("sooooo" and "soooooooo": the same cry)."""
    if "&" in text:
        with suppress(ValueError):  # a number of more than 4,300 digits, which Python does not read
            text = html.unescape(text)
    if "\\" in text:
        text = APOSTROPHE.sub("'", text)
        if BREAK.search(text):
            text = re.sub(r"\\[nrt]", " ", text)
    if "\\u" in text:
        text = ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # JSON writes an emoji as a pair
    text = unicodedata.normalize("NFKC", text).translate(PLAIN)
    text = MENTION.sub("@user", LINK.sub("http", text)).lower()
    return TONES.sub("", ELONGATED.sub(r"\1\1\1", text))


def split_words(text: str, negation: bool = False) -> list[str]:
    """The tokens of a normalised text: words, hashtags, emoticons, emoji, runs of ! and ?, single letters (with their
    signs) of scripts without spaces. With `negation`, words between a negator and the end of its phrase begin with
    "not_"."""
    tokens = TOKEN.findall(text)
    if not negation:
        return [token for token in tokens if token not in PHRASE_ENDS]
    marked, negated = [], False
    for token in tokens:
        if token in PHRASE_ENDS or token[0] in "!?." or token == "but":
            negated = False
        if token not in PHRASE_ENDS:
            marked.append("not_" + token if negated and token[0].isalpha() else token)
        if token in NEGATOR or token.endswith("n't"):
            negated = True
    return marked


def tokenize(text: str, negation: bool = False) -> list[str]:
    """The tokens of any text: `normalise`, then `split_words`."""
    return split_words(normalise(text), negation)


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
    if not hasattr(texts, "__len__"):  # reading it here would use it up
        raise ValueError(f"expected a list of texts, got {type(texts).__name__}: make a list of it, list(texts)")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"expected a list of texts, got {type(text).__name__} at position {row}")


def watched(texts: Sequence[str], doing: str) -> Iterable[str]:
    """The texts one by one, under a bar once they take longer than a second; a single one, which no bar could divide,
    is not slowed down by any."""
    return tqdm(texts, doing, delay=1, leave=False, disable=len(texts) < 2 or sys.stderr is None)
