"""Vectorizers: against scikit-learn's own weighting, hand arithmetic, and themselves after a reload."""

import json
import subprocess
import sys
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import random as sparse_random

from minnet.data import Ngrams, TokenIds, load, tokens, vectorizer_from
from minnet.data.text import contrast
from minnet.data.tokens import normalise, tokenize
from tests.drawing import steady

TEXTS = [
    "the film was good",
    "the film was not good",
    "a bad, bad, bad film",
    "good food and good people",
    "今天天气真好，我很喜欢",
    "今天天气不好",
]


def reloaded(vectorizer):
    """The vectorizer after its way through a JSON header and saved arrays."""
    return vectorizer_from(json.loads(json.dumps(vectorizer.config())), vectorizer.arrays())


def test_ngrams_are_scikit_learns_weighting_of_both_kinds_side_by_side():
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = load("comments").train.x
    ours = Ngrams(words=(1, 2), characters=(2, 5), min_count=2).fit_transform(texts)
    settings = {"lowercase": False, "min_df": 2, "sublinear_tf": True}
    words = TfidfVectorizer(tokenizer=tokenize, token_pattern=None, ngram_range=(1, 2), **settings)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **settings)
    normalised = [normalise(text) for text in texts]
    theirs = hstack([words.fit_transform(normalised), characters.fit_transform(normalised)]).toarray() / np.sqrt(2)
    assert ours.dtype == np.float32 and ours.format == "csr" and ours.shape == theirs.shape
    np.testing.assert_allclose(ours.toarray(), theirs, atol=1e-6)


def test_ngram_values_by_hand():
    vectorizer = Ngrams(words=(1, 1), characters=None, min_count=1).fit(["a a b", "a c"])
    assert vectorizer.features == ["a", "b", "c"]
    row = vectorizer.transform(["a a b unknown"]).toarray()[0]
    expected = np.array([(1 + np.log(2)) * (1 + np.log(3 / 3)), 1 * (1 + np.log(3 / 2)), 0])
    np.testing.assert_allclose(row, expected / np.linalg.norm(expected), rtol=1e-6)


def test_a_failed_fit_forgets_nothing():
    ngrams = Ngrams(min_count=2).fit(["good good day", "good day"])
    known = ngrams.features
    with pytest.raises(ValueError, match="found no n-gram"):
        ngrams.fit(["one", "two"])
    assert ngrams.features == known and ngrams.transform(["good day"]).nnz


def test_ngrams_fit_transform_is_fit_then_transform():
    both = Ngrams().fit_transform(TEXTS)
    np.testing.assert_array_equal(both.toarray(), Ngrams().fit(TEXTS).transform(TEXTS).toarray())


LEXICON = {"good": 2.0, "fine": 0.5, "great": 3.1, "okay": 0.9, "bad": -2.5, ":)": 1.5, "not": -0.5}


@pytest.mark.parametrize(
    "settings",
    [{}, {"words": None}, {"characters": None}, {"negation": True, "max_features": 7}, {"lexicon": LEXICON}],
)
def test_ngrams_reload_exactly(settings):
    vectorizer = Ngrams(**settings).fit(TEXTS)
    again = reloaded(vectorizer)
    unseen = [*TEXTS, "a new good film 今天", "great okay and bad", ""]
    first, second = vectorizer.transform(unseen), again.transform(unseen)
    assert first.shape == second.shape and (first != second).nnz == 0
    assert again.features == vectorizer.features and repr(again) == repr(vectorizer)


@pytest.mark.parametrize(
    ("text", "sums"),
    [
        ("a good, fine day", (2.5, 0, 0, 0)),
        ("bad bad food :)", (1.5, 5, 0, 0)),
        ("#good #not_known", (2, 0, 0, 0)),  # a hashtag is its word
        ("not good, bad", (0, 3, 2, 0)),  # the comma ends what the negator stands before; "not" itself is rated
        ("never bad", (0, 0, 0, 2.5)),
        ("nothing known", (0, 0, 0, 0)),
        ("", (0, 0, 0, 0)),
    ],
)
def test_a_lexicon_adds_four_sums_of_length_one(text, sums):
    vectorizer = Ngrams((1, 1), None, min_count=1, lexicon=LEXICON).fit(["nothing", "else"])
    assert vectorizer.features == ["else", "nothing", "<positive>", "<negative>", "<not positive>", "<not negative>"]
    known = np.array([0, "nothing" in text, *np.array(sums) / max(np.linalg.norm(sums), 1e-9)])
    found = vectorizer.transform([text])
    assert found.shape == (1, len(vectorizer)) and found.dtype == np.float32
    np.testing.assert_allclose(found.toarray()[0], known / max(np.linalg.norm(known), 1e-9), atol=1e-6)


def test_an_empty_lexicon_and_no_texts_keep_the_columns():
    vectorizer = Ngrams(lexicon={}).fit(TEXTS)
    assert vectorizer.transform([]).shape == (0, len(vectorizer)) == (0, len(Ngrams().fit(TEXTS)) + 4)
    assert not vectorizer.transform(TEXTS)[:, -4:].nnz
    assert len(reloaded(vectorizer)) == len(vectorizer)


def test_min_count_and_max_features_choose_the_columns():
    assert Ngrams((1, 1), None, min_count=2).fit(TEXTS[:4]).features == ["film", "good", "the", "was"]
    assert Ngrams((1, 1), None, min_count=1, max_features=2).fit(TEXTS[:4]).features == ["film", "good"]


def test_chinese_without_spaces_shares_ngrams():
    vectorizer = Ngrams(words=(1, 2), characters=(2, 3)).fit(TEXTS[4:])
    assert "今 天" in vectorizer.features and "|天气|" in vectorizer.features
    first, second = vectorizer.transform(["天气真好", "天气不好"]).toarray()
    assert first @ second > 0.2


def test_rows_have_length_one_or_zero():
    rows = Ngrams().fit(TEXTS).transform(["the good film", "", "zzz qqq", "   "])
    np.testing.assert_allclose(np.linalg.norm(rows.toarray(), axis=1), [1, 0, 0, 0], atol=1e-6)
    assert Ngrams().fit(TEXTS).transform([]).shape == (0, len(Ngrams().fit(TEXTS)))


def test_token_ids_by_hand():
    vectorizer = TokenIds(max_length=4, size=5).fit(["b a a", "a b c d", "b"])
    assert vectorizer.vocabulary == ["a", "b", "c"]  # a and b three times each, then the alphabet decides
    ids = vectorizer.transform(["a b c", "d a unknown b a", "", "c"])
    assert ids.tolist() == [[2, 3, 4, 0], [1, 2, 1, 3], [0, 0, 0, 0], [4, 0, 0, 0]]
    assert ids.dtype == np.int32 and vectorizer.rows == 5


def test_word_ngrams_follow_the_words():
    vectorizer = TokenIds(max_length=8, words=(1, 2)).fit(["good film"])
    names = ["", "?", *vectorizer.vocabulary]
    assert [names[token] for token in vectorizer.transform(["good film"])[0]] == ["film", "good", "good film"][
        1::-1
    ] + ["good film"] + [""] * 5
    pairs = TokenIds(max_length=3, words=(2, 2)).fit(["a b c"])
    assert pairs.vocabulary == ["a b", "b c"]


def test_buckets_need_no_fit_and_stay_in_range():
    vectorizer = TokenIds(max_length=10, buckets=8, words=(1, 2))
    ids = vectorizer.transform(TEXTS)
    assert ids.max() <= 8 and vectorizer.rows == 9 and vectorizer.arrays() == {}
    used = ids[ids > 0]
    assert used.min() >= 1 and len(np.unique(used)) > 4


def test_bucket_hash_is_murmurhash3_and_the_same_in_every_process():
    assert TokenIds(max_length=1, buckets=2**20).transform(["hello"])[0, 0] == 1 + 0x248BFA47 % 2**20
    code = "from minnet.data import TokenIds; print(TokenIds(4, buckets=2**16).transform(['good 今 film']).tolist())"
    run = [sys.executable, "-c", code]
    outputs = {subprocess.run(run, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert outputs == {f"{TokenIds(4, buckets=2**16).transform(['good 今 film']).tolist()}\n"}


@pytest.mark.parametrize("settings", [{}, {"buckets": 64, "words": (1, 3)}, {"negation": True, "size": 8}])
def test_token_ids_reload_exactly(settings):
    vectorizer = TokenIds(max_length=12, **settings).fit(TEXTS)
    again = reloaded(vectorizer)
    np.testing.assert_array_equal(again.transform(TEXTS), vectorizer.transform(TEXTS))
    assert again.rows == vectorizer.rows and repr(again) == repr(vectorizer)


@steady(30)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=8))
def test_any_texts_vectorize_and_reload(texts):
    for vectorizer in (Ngrams(min_count=1), TokenIds(max_length=5)):
        try:
            vectorizer.fit(texts)
        except ValueError as error:
            assert "found no" in str(error)
            continue
        first, second = vectorizer.transform(texts), reloaded(vectorizer).transform(texts)
        assert (first != second).sum() == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ngrams(words=None, characters=None), "needs words or characters"),
        (lambda: Ngrams(words=(2, 1)), "words must be the shortest and longest"),
        (lambda: Ngrams(min_count=0), "min_count must be at least 1, got 0"),
        (lambda: Ngrams(max_features=0), "max_features must be at least 1, got 0"),
        (lambda: Ngrams(characters=(0, 3)), "characters must be the shortest and longest"),
        (lambda: Ngrams().transform(["a"]), "transform before fit"),
        (lambda: Ngrams().fit([]), "at least one text"),
        (lambda: Ngrams().fit("one string"), "expected a list of texts, got one string"),
        (lambda: Ngrams().fit(["a", None]), "got NoneType at position 1"),
        (lambda: Ngrams().fit(text for text in ("a b", "c")), "got generator: make a list of it"),
        (lambda: Ngrams(min_count=1).fit(["a b", "c"], np.array([1, 1])), "labels of one class"),
        (lambda: Ngrams().fit(["a b", "c d"]), "no n-gram that 2 of the 2 texts share"),
        (lambda: TokenIds(max_length=0), "max_length must be at least 1"),
        (lambda: TokenIds(buckets=1000), "power of two"),
        (lambda: TokenIds(size=2), "vocabulary of at least 3"),
        (lambda: TokenIds(words=(0, 1)), "words must be the shortest and longest"),
        (lambda: TokenIds().transform(["a"]), "transform before fit"),
        (lambda: TokenIds().fit([""]), "found no token"),
        (lambda: vectorizer_from({"vectorizer": "os.system"}, {}), "unknown vectorizer 'os.system'"),
        (lambda: vectorizer_from({}, {}), "unknown vectorizer"),
        (lambda: vectorizer_from({"vectorizer": "Ngrams", "hostile": 1}, {}), "cannot rebuild Ngrams"),
    ],
)
def test_mistakes_are_named_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["short weights", "no weights", "twice", "not utf-8", "no rating", "no ratings"])
def test_damaged_state_is_refused(damage):
    vectorizer = Ngrams(characters=None, lexicon=LEXICON).fit(TEXTS)
    arrays = vectorizer.arrays()
    if damage == "short weights":
        arrays["words_weights"] = arrays["words_weights"][:-1]
    elif damage == "no weights":
        del arrays["words_weights"]
    elif damage == "twice":
        arrays["words"] = np.frombuffer(b"a\0a", np.uint8)
        arrays["words_weights"] = np.ones(2, np.float32)
    elif damage == "no rating":
        arrays["lexicon_ratings"] = arrays["lexicon_ratings"][1:]
    elif damage == "no ratings":
        del arrays["lexicon_ratings"]
    else:
        arrays["words"] = np.array([255, 254], np.uint8)
    with pytest.raises(ValueError):
        vectorizer_from(vectorizer.config(), arrays)


def test_what_takes_long_has_a_bar(monkeypatch, capsys):
    everything = Ngrams(min_count=1, lexicon=LEXICON)
    for vectorizer in (everything, TokenIds()):
        vectorizer.fit_transform(TEXTS)
    assert capsys.readouterr().err == ""  # within a second
    at_once = partial(tokens.tqdm, mininterval=0)
    monkeypatch.setattr(tokens, "tqdm", lambda *texts, delay, **how: at_once(*texts, **how))
    everything.fit_transform(TEXTS)
    doing = ("one spelling", "n-grams of words", "n-grams of characters", "words with a rating")
    said = capsys.readouterr().err
    assert all(f"{what}: 100%" in said for what in doing)
    everything.transform(TEXTS)
    again = capsys.readouterr().err
    assert all(f"{what}: 100%" in again for what in doing)
    TokenIds().fit_transform(TEXTS)
    said = capsys.readouterr().err
    assert said.count("token ids: 100%") == 1  # texts are tokenised once
    everything.transform(TEXTS[:1])
    assert capsys.readouterr().err == ""


def test_with_labels_the_weights_tell_how_differently_the_classes_use_an_ngram():
    texts, labels = ["good film", "good day", "bad film", "bad day"], np.array([1, 1, 0, 0])
    plain = Ngrams((1, 1), None, min_count=1).fit(texts)
    told = Ngrams((1, 1), None, min_count=1).fit(texts, labels)
    assert told.features == plain.features == ["bad", "day", "film", "good"]
    ratio = told._parts["words"].weights / plain._parts["words"].weights
    # three imagined texts, half of each class: "bad" is in 2 + 1.5 of 2 + 1.5 negative texts, in 1.5 of 3.5 others
    expected = np.sqrt(abs(np.log(3.5 / 3.5) - np.log(1.5 / 3.5)) / 2)
    np.testing.assert_allclose(ratio, [expected, 0, 0, expected], atol=1e-6)
    with pytest.raises(ValueError, match="4 texts but 3 labels"):
        Ngrams().fit(texts, labels[:3])


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_the_contrast_is_the_same_in_blocks_and_needs_no_dense_table_of_all(monkeypatch, classes):
    rng = np.random.default_rng(0)
    counts, labels = sparse_random(400, 5000, 0.01, "csr", random_state=rng), np.arange(400) % classes
    having = np.stack([(counts.toarray()[labels == k] > 0).sum(axis=0) for k in range(classes)])
    sizes = np.bincount(labels)[:, None]
    shares = (having + 3 * sizes / 400) / (sizes * 403 / 400)
    np.testing.assert_allclose(whole := contrast(counts, labels), np.log(shares).std(axis=0), atol=1e-6)
    monkeypatch.setattr("minnet.data.text.BLOCK", 1000)
    np.testing.assert_array_equal(contrast(counts, labels), whole)
    counts = sparse_random(400, 100_000, 0.0001, "csr", random_state=rng)
    tracemalloc.start()
    try:
        contrast(counts, labels)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2 * 100_000
    finally:
        tracemalloc.stop()
