"""Tokenizer: what belongs to a word, and what unknown and missing tokens become."""

from __future__ import annotations

import re
from itertools import pairwise

from tutorials.exercises.frame import Check, Exercise, Mistake, call
from tutorials.exercises.specs.numbers import size


def truth_tokenize(text):
    """Character by character."""
    text, tokens, word = text.lower(), [], ""
    for i, c in enumerate(text):
        inside = word and word[-1].isalnum() and i + 1 < len(text) and text[i + 1].isalnum()
        same_run = bool(word) and (word[-1] in "!?") == (c in "!?")
        if c.isalnum() or c in "!?" or (c in "'-" and inside):
            if word and not same_run:
                tokens.append(word)
                word = ""
            word += c
        elif word:
            tokens.append(word)
            word = ""
    return [*tokens, word] if word else tokens


def truth_ids(texts, vocabulary, length):
    rows = []
    for text in texts:
        tokens = truth_tokenize(text)
        row = []
        for i in range(length):
            known = i < len(tokens) and tokens[i] in vocabulary
            row.append(vocabulary.index(tokens[i]) + 2 if known else int(i < len(tokens)))
        rows.append(row)
    return rows


def wrong(m):
    def tokenize(text):
        if "not-lowered" not in m:
            text = text.lower()
        if "whitespace-only" in m:
            return text.split()
        word = r"[^\W_]+" if "split-at-apostrophe" in m else r"[^\W_]+(?:['-][^\W_]+)*"
        if "apostrophe-anywhere" in m:
            word = r"[^\W_'-][^\W_]*(?:['-]+[^\W_]*)*"
        if "several-in-a-row" in m:
            word = r"[^\W_]+(?:['-]+[^\W_]+)*"
        if "apostrophe-is-a-letter" in m:
            word = r"(?:[^\W_]|['-])+"
        if "underscore-kept" in m:
            word = r"\w+(?:['-]\w+)*"
        if "curly-joins" in m:
            word = r"[^\W_]+(?:['’-][^\W_]+)*"
        if "ascii-only" in m:
            word = r"[a-zA-Z0-9]+(?:['-][a-zA-Z0-9]+)*"
        if "digits-dropped" in m:
            word = r"[^\W\d_]+(?:['-][^\W\d_]+)*"
        marks = "" if "marks-dropped" in m else "|[!?]" if "marks-single" in m else "|[!?]+"
        return re.findall(word + marks, text)

    def token_ids(texts, vocabulary, length):
        first = 0 if "ids-from-zero" in m else 1 if "ids-from-one" in m else 2
        index = {token: i for i, token in enumerate(sorted(vocabulary) if "ids-sorted" in m else vocabulary, first)}
        rows = []
        for text in texts:
            ids = [index.get(t, 0 if "unknown-is-padding" in m else 1) for t in tokenize(text)]
            if "unknown-dropped" in m:
                ids = [index[t] for t in tokenize(text) if t in index]
            ids = ids[-length:] if "cut-at-the-start" in m else ids[:length]
            fill = [] if "not-padded" in m else [0] * (length - len(ids))
            rows.append(fill + ids if "padded-at-the-start" in m else ids + fill)
        return rows

    return {"tokenize": tokenize, "token_ids": token_ids}


EXAMPLE = "Don't stop!? It's well-made, 3 times."
WORDS = [
    "great", "kept", "rock", "oil", "snow", "tale", "river", "stone", "moon", "milk", "bread", "light", "garden",
    "letter",
]  # fmt: skip
ACCENTED = ["öl", "über", "năm", "café", "niño"]


def texts(rng):
    """Texts in which every rule is met, of words, numbers and marks that are drawn; the last one is empty."""
    words = iter([str(word) for word in rng.permutation(WORDS)] * 3)

    def marks():
        return "".join(rng.choice(["!", "?"], size(rng, 2, 4)))

    def number():
        return size(rng, 2, 99)

    a, b, c = (next(words) for _ in range(3))
    pieces = [
        f"{a.capitalize()}'{b}",
        f"{b}-{c}-{a}",
        f"{next(words)}--{next(words)}",
        f"'{next(words)}'",
        f"-{next(words)}- {next(words)}",
        f"{next(words)}_{next(words)}",
        f"{next(words)}''{next(words)}",
        f"‘{next(words)}’{next(words)}’",
        f"{number()}-{number()}%",
        f"{number()} {next(words)}{number()}",
        f"Ä{next(words)} {rng.choice(ACCENTED)}",
        f"{a.upper()}{marks()} {b}{marks()}",
        f"{marks()}{next(words)}: {a}",
        f"{c}{marks()}",
    ]
    pieces = [str(piece) for piece in rng.permutation(pieces)]
    cuts = [0, *sorted(int(cut) for cut in rng.choice(range(1, len(pieces)), 5, replace=False)), len(pieces)]
    rows = [pieces[start:end] for start, end in pairwise(cuts)]
    return [str(rng.choice([" ", ", ", " (", "; "])).join(row) for row in rows] + [""]


def some(rng):
    return [call("tokenize", text) for text in [*texts(rng)[:-1], *texts(rng)]]


def ids(rng):
    """Half of the tokens are in the vocabulary, and some that no text has."""
    drawn = texts(rng)
    tokens = sorted({token for text in drawn for token in truth_tokenize(text)})
    known = rng.permutation([*rng.permutation(tokens)[: len(tokens) // 2], "good", "zebra", "?!?!?"])
    vocabulary = [str(token) for token in known]
    parts = [(drawn[:2], 3), (drawn[2:4], 8), (drawn[4:], 4), (drawn, 6)]
    return [call("token_ids", part, vocabulary, length) for part, length in parts]


EXERCISE = Exercise(
    "e13_tokenizer",
    "A tokenizer",
    25,
    "medium",
    ["tokenize", "token_ids"],
    {"tokenize": truth_tokenize, "token_ids": truth_ids},
    wrong=wrong,
    checks=[
        Check(
            "example",
            "the worked examples come out",
            2,
            lambda rng: [call("tokenize", EXAMPLE), call("token_ids", ["good, very good!", ""], ["good", "bad"], 3)],
        ),
        Check("tokens", "the tokens of any text are its words, numbers and marks", 4, some),
        Check("ids", "ids are right: cut or filled to the length, and 1 for unknown tokens", 4, ids),
    ],
    mistakes=[
        Mistake("not-lowered", "Capital letters stay: lower-case the text first.", "a line forgotten", "tokens"),
        Mistake(
            "whitespace-only",
            "The text is split at spaces only: punctuation stays on the words.",
            "str.split()",
            "tokens",
        ),
        Mistake("split-at-apostrophe", "Words are cut at apostrophes and hyphens inside them.", r"\\w+", "tokens"),
        Mistake(
            "apostrophe-anywhere",
            "Apostrophes and hyphens stick to the ends of words: only single ones between two letters belong.",
            "a character class with both",
            "tokens",
            also=["apostrophe-is-a-letter"],
        ),
        Mistake(
            "several-in-a-row",
            "Two hyphens or apostrophes in a row join two words: only a single one does.",
            "['-]+ for ['-]",
            "tokens",
        ),
        Mistake(
            "curly-joins",
            "A curly ’ joins two words: only a straight ' and a hyphen do.",
            "all apostrophes in one class",
            "tokens",
        ),
        Mistake(
            "underscore-kept",
            "Underscores stay in the words: they separate, and \\w takes them for letters.",
            r"\w for [^\W_]",
            "tokens",
        ),
        Mistake("ascii-only", "Letters beyond a to z are lost.", "[a-z]", "tokens"),
        Mistake("digits-dropped", "Digits are lost.", "str.isalpha", "tokens"),
        Mistake("marks-dropped", "Exclamation and question marks are lost.", r"\\w+", "tokens"),
        Mistake("marks-single", "A run of marks is one token, not one a mark.", "the + forgotten", "tokens"),
        Mistake(
            "ids-from-zero",
            "The vocabulary's ids start at 0: 0 is padding and 1 unknown, so they start at 2.",
            "enumerate",
            "ids",
        ),
        Mistake(
            "ids-from-one",
            "The vocabulary's ids start at 1: 1 is the unknown token, so they start at 2.",
            "off by one",
            "ids",
        ),
        Mistake(
            "ids-sorted", "The vocabulary is sorted before it is numbered: its own order counts.", "sorted()", "ids"
        ),
        Mistake(
            "unknown-is-padding", "Unknown tokens have the id 0: that is padding; theirs is 1.", "dict.get(t, 0)", "ids"
        ),
        Mistake("unknown-dropped", "Unknown tokens are left out: they have the id 1.", "a filter", "ids"),
        Mistake("cut-at-the-start", "Long texts lose their beginning: cut at the end.", "[-length:]", "ids"),
        Mistake("not-padded", "Short texts are not filled up to the length.", "the fill forgotten", "ids"),
        Mistake(
            "padded-at-the-start",
            "The padding stands before the text: it belongs behind.",
            "Keras' pad_sequences",
            "ids",
        ),
    ],
)
