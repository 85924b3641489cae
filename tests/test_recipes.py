"""Recipes: each suits its data, says all that it does, and makes what the checkpoints need to be asked later."""

import json
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from minnet import checkpoint
from minnet.data import Dataset, Split, load, vectorizer_from
from minnet.functional import softmax
from minnet.layers import Conv2d
from minnet.optimizers import SGD, Lookahead
from minnet.recipes import (
    CHANGES,
    FIRST_CHOICE,
    IMAGES,
    KINDS,
    MEDIUM,
    OPTIMIZERS,
    SMALL,
    TEXT,
    USUAL_RATES,
    choose,
    decoupled,
)
from minnet.training import Trainer


def images(side=32, classes=3, name="mine", count=20):
    rng = np.random.default_rng(0)
    y = np.arange(count) % classes
    x = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return Dataset(name, "images", tuple("abcdef"[:classes]), Split(x, y), None, Split(x[:6], y[:6]), "drawn")


def texts(count=60, classes=3, name="mine"):
    y = np.arange(count) % classes
    words = ["fine great lovely", "poor awful broken", "so so usual"]
    x = [f"{words[label % 3]} number {index % 7}" for index, label in enumerate(y)]
    return Dataset(
        name, "text", tuple("abcdef"[:classes]), Split(x, y), Split(x[:9], y[:9]), Split(x[:9], y[:9]), "made"
    )


@pytest.fixture(autouse=True)
def small_lexicon(monkeypatch):
    """vader's, whose folder is not needed then."""
    ratings = {"fine": 0.8, "great": 3.1, "lovely": 2.8, "poor": -2.1, "awful": -2.0, "broken": -2.1}
    monkeypatch.setattr("minnet.recipes.load_lexicon", lambda folder: ratings)


@pytest.mark.parametrize("name", [*IMAGES, *TEXT])
def test_every_recipe_runs_from_data_to_prediction(name, tmp_path):
    dataset = images() if name in IMAGES else texts()
    chosen, recipe = choose(dataset, name)
    if name in ("cnn6", "resnet", "speedrun"):
        recipe = replace(recipe, model=partial(recipe.model, widths=(6, 8, 8)))  # as deep, but quick
    vectorizer, inputs = recipe.encode(dataset)
    model = recipe.build(dataset, vectorizer, seed=0)
    trainer = Trainer(
        model, recipe.loss(dataset), recipe.make_optimizer(model), schedule=recipe.schedule, workers=1,
        augment=recipe.augment, freeze_at=recipe.freeze_at,
    )  # fmt: skip
    about = recipe.about(dataset, vectorizer, chosen)
    trainer.fit(
        (inputs["train"], dataset.train.y), epochs=1, batch_size=16, folder=tmp_path, about=about, progress=False
    )
    scores = trainer.predict(inputs["test"])
    assert scores.shape == (len(dataset.test), 3) and np.isfinite(softmax(scores)).all()

    arrays, header = checkpoint.load(tmp_path / "last.ckpt")
    said = header["about"]
    assert said["classes"] == ["a", "b", "c"] and said["kind"] == dataset.kind and said["model"] == name
    assert said["fingerprint"] == dataset.fingerprint
    if dataset.kind == "images":
        assert said["shape"] == [32, 32, 3]
    else:  # the vectorizer comes back from the checkpoint alone
        mine = {key.removeprefix("about/"): array for key, array in arrays.items() if key.startswith("about/")}
        again = vectorizer_from(said["vectorizer"], mine).transform(dataset.test.x)
        difference = again != inputs["test"]
        assert not (difference.nnz if hasattr(difference, "nnz") else difference.any())


@pytest.mark.parametrize("name", [*IMAGES, *TEXT])
def test_the_settings_are_json(name):
    recipe = (IMAGES | TEXT)[name]
    config = recipe.config()
    assert json.loads(json.dumps(config)) == config
    assert config["learning_rate"] == recipe.learning_rate and config["schedule"]["schedule"]
    assert recipe.optimizer in OPTIMIZERS and recipe.epochs >= 1


def test_the_first_choice_is_one_of_its_kind():
    for kind, known in KINDS.items():
        assert FIRST_CHOICE[kind] in known
    assert choose(images(), None)[0] == "cnn6" and choose(texts(), None)[0] == "ngrams"


def test_names_that_do_not_fit_the_data():
    with pytest.raises(ValueError, match="no model 'ngrams' for images: choose from softmax, mlp, cnn6"):
        choose(images(), "ngrams")
    with pytest.raises(ValueError, match="no model 'cnn6' for text"):
        choose(texts(), "cnn6")


def test_changes_are_of_models_that_there_are():
    for (family, name), change in CHANGES.items():
        assert name in (KINDS["images"] if family in ("digits", "few") else KINDS["text"])
        assert set(change) <= set(vars(IMAGES["mlp"]))


def test_digits_are_not_mirrored():
    digits = load("digits", limit=20)
    for name in ("softmax", "mlp", "cnn6", "resnet"):
        augment = choose(digits, name)[1].augment
        assert augment is None or augment.flip is False


def test_a_folder_that_happens_to_be_called_digits_is_not_those_digits():
    mine = images(name="digits", count=SMALL, side=8)
    assert choose(mine, "cnn6")[1] != IMAGES["cnn6"] and choose(replace(mine, own=True), "cnn6")[1] == IMAGES["cnn6"]


@pytest.mark.parametrize("name", ["cnn6", "resnet"])
def test_few_images_of_ones_own_get_more_updates(name):
    mine = replace(images(name="digits", count=SMALL - 1, side=8), own=True)
    few = choose(mine, name)[1]
    settings = {"epochs": 20, "batch_size": 16, "learning_rate": 0.01, "full_updates": 0, "label_smoothing": 0.2}
    assert few == replace(IMAGES[name], **settings)
    assert few.for_examples(60) is few, "the rate suits few updates"
    assert choose(replace(mine, own=False, name="cifar10"), name)[1] == IMAGES[name]


@pytest.mark.parametrize("name", IMAGES)
def test_images_are_not_mirrored_where_that_is_asked_for(name):
    recipe = IMAGES[name].unmirrored()
    assert recipe.augment is None or recipe.augment == replace(IMAGES[name].augment, flip=False)
    assert not recipe.views, "three of the six are mirrored"
    assert replace(recipe, augment=IMAGES[name].augment, views=IMAGES[name].views) == IMAGES[name]


@pytest.mark.parametrize(
    "side, refused",
    [(7, "cnn6 resnet speedrun"), (8, "speedrun"), (24, "speedrun"), (25, ""), (48, ""), (49, "speedrun")],
)
def test_images_that_a_model_cannot_take_are_told_before_any_work(side, refused):
    """What is chosen can be built and run; what is refused could not be."""
    dataset = images(side)
    for name, recipe in IMAGES.items():
        small = {"widths": (4, 4, 4)} if name in ("cnn6", "resnet", "speedrun") else {}
        with nullcontext() if name not in refused.split() else pytest.raises(ValueError):
            model = recipe.model((side, side, 3), 3, [0.0] * 3, [1.0] * 3, **small)
            assert model.forward(dataset.train.x[:2]).shape == (2, 3)
        said = f"{name} cannot take images of {side} x {side} pixels, .*too (small|large): choose from softmax, mlp"
        with nullcontext() if name not in refused.split() else pytest.raises(ValueError, match=said):
            choose(dataset, name)


def test_another_optimizer_comes_with_its_own_rate_and_settings():
    recipe = IMAGES["cnn6"]
    other = recipe.with_optimizer("adam")
    assert (other.optimizer, other.learning_rate, other.settings) == ("adam", 1e-3, {})
    assert other.epochs == recipe.epochs and recipe.with_optimizer("sgd") is recipe
    assert USUAL_RATES.keys() == OPTIMIZERS.keys()
    with pytest.raises(ValueError, match="take sgd, adam or adamw"):
        TEXT["bag"].with_optimizer("rmsprop")


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_tables_of_words_learn_with_every_optimizer_that_is_offered(name, optimizer):
    recipe, data = TEXT[name].with_optimizer(optimizer), texts(12)
    vectorizer, inputs = recipe.encode(data)
    model = recipe.build(data, vectorizer, 0)
    before = model[0].W.copy()
    trainer = Trainer(model, recipe.loss(data), recipe.make_optimizer(model))
    trainer.fit((inputs["train"], data.train.y), epochs=1, progress=False)
    assert not np.array_equal(model[0].W, before)


def test_few_texts_get_more_passes():
    few, many = choose(texts(60), "ngrams")[1], choose(texts(SMALL), "ngrams")[1]
    assert few.epochs > many.epochs
    assert choose(texts(60, name="vader/movies"), "bag")[1].batch_size == 16
    epochs = [choose(texts(size), "bag")[1].epochs for size in (SMALL - 1, SMALL, MEDIUM - 1, MEDIUM)]
    assert epochs == [40, 10, 10, TEXT["bag"].epochs]
    for name in ("comments", "thousands"):  # what a file is called does not count
        assert choose(texts(MEDIUM, name=name), "bag")[1] == TEXT["bag"]


@pytest.mark.parametrize("name", ["ngrams", "lexicon"])
def test_thousands_of_texts_in_more_than_three_classes_get_more_passes(name):
    three, four = (choose(texts(SMALL, classes), name)[1] for classes in (3, 4))
    assert (three.epochs, four.epochs) == (3, 12) and four == replace(three, epochs=12)
    assert choose(texts(MEDIUM, 4), name)[1] == TEXT[name], "so many make enough updates in 3 epochs"
    assert choose(texts(SMALL - 1, 4), name)[1] == choose(texts(SMALL - 1, 3), name)[1]


def test_balanced_weights_make_every_class_count_alike():
    y = np.r_[np.zeros(60, np.int64), np.ones(30, np.int64), np.full(10, 2)]
    dataset = replace(texts(100), train=Split(["word"] * 100, y))
    loss = replace(TEXT["ngrams"], balanced=True).loss(dataset)
    shares = np.bincount(y) * np.asarray(loss.class_weights)
    assert np.allclose(shares, 100 / 3)
    assert replace(TEXT["ngrams"], balanced=False).loss(dataset).class_weights is None
    rare = replace(dataset, train=Split(["word"] * 100, np.r_[np.zeros(98, np.int64), [1, 2]]))  # 33 would be alike
    assert np.allclose(replace(TEXT["ngrams"], balanced=True).loss(rare).class_weights, [100 / 3 / 98, 5, 5])
    assert TEXT["ngrams"].class_weights(dataset) == [0.5653, 1.121, 3.247]  # 1 : 2 : 6, less far apart
    assert TEXT["ngrams"].class_weights(texts(60)) is None, "of each class as many"
    assert replace(TEXT["ngrams"], balanced=False).class_weights(dataset) is None


def test_a_class_without_training_examples_weighs_no_more_than_one_example_would():
    dataset = replace(texts(30), train=Split(["word"] * 30, np.arange(30) % 2))
    assert np.isfinite(np.asarray(TEXT["ngrams"].loss(dataset).class_weights)).all()


def test_nothing_of_validation_or_test_reaches_the_network():
    """Normalisation, whitening and vocabulary come from the training split alone."""
    changed = replace(images(), test=Split(np.zeros((6, 32, 32, 3), np.uint8), np.zeros(6, np.int64)))
    for name in ("cnn6", "speedrun"):
        a, b = (IMAGES[name].build(data, None, 0).named_parameters() for data in (images(), changed))
        assert all(np.array_equal(a[place], b[place]) for place in a)
        models = [IMAGES[name].build(data, None, 0) for data in (images(), changed)]
        assert np.array_equal(*(model[0].mean for model in models))
    other = replace(texts(), test=Split(["entirely different words"] * 9, np.arange(9) % 3))
    for name in TEXT:
        recipe = choose(texts(), name)[1]
        mine, theirs = (recipe.encode(data)[0] for data in (texts(), other))
        a, b = mine.arrays(), theirs.arrays()
        assert a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def test_speedrun_is_airbench94s():
    """Its hyperparameters as SGD's, worked out by hand: 11.5 / (1024 * (1 + 1 / 0.15)) a example summed."""
    recipe = IMAGES["speedrun"]
    assert recipe.learning_rate == pytest.approx(11.5 / (1 + 1 / 0.15)) and recipe.batch_size == 1024
    model = recipe.build(images(), None, 0)
    optimizer = recipe.make_optimizer(model)
    assert isinstance(optimizer, Lookahead) and isinstance(optimizer.optimizer, SGD)
    assert model[1].frozen == ("W",) and isinstance(model[1], Conv2d)
    given = decoupled(rate=8.0, decay=0.5, momentum=0.5, batch_size=512, biases=4)
    assert given["learning_rate"] == pytest.approx(8 / 3 / 2)
    decay = given["settings"]["weight_decay"] * given["learning_rate"]
    betas = given["settings"]["groups"][0]
    assert decay == pytest.approx(0.5 / 3 / 2)
    assert betas["weight_decay"] * betas["learning_rate"] * given["learning_rate"] == pytest.approx(decay)


def test_few_updates_get_a_lower_peak():
    recipe = IMAGES["cnn6"]
    assert recipe.for_examples(50_000).learning_rate == recipe.learning_rate
    few = replace(recipe, epochs=1, batch_size=100).for_examples(1000)  # 10 updates of 1000
    assert few.learning_rate == pytest.approx(recipe.learning_rate / 10)


@pytest.mark.parametrize("name", TEXT)
def test_every_text_model_learns_from_few_texts(name):
    dataset = load("comments")
    _, recipe = choose(dataset, name)
    vectorizer, inputs = recipe.encode(dataset)
    model = recipe.build(dataset, vectorizer, seed=0)
    trainer = Trainer(model, recipe.loss(dataset), recipe.make_optimizer(model), schedule=recipe.schedule, workers=1)
    trainer.fit((inputs["train"], dataset.train.y), epochs=recipe.epochs, batch_size=recipe.batch_size, progress=False)
    assert (trainer.predict(inputs["test"]).argmax(axis=1) == dataset.test.y).mean() > 0.5  # chance: a third


def test_a_lexicon_comes_from_the_folder_that_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr("minnet.recipes.load_lexicon", lambda folder: asked.append(folder) or {"great": 3.1})
    alone, beside = (TEXT[name].encode(texts(), "here")[0] for name in ("ngrams", "lexicon"))
    assert asked == ["here"] and alone.lexicon is None and list(beside.lexicon) == ["great"]
    assert len(beside) == len(alone) + 4
