"""What suits which task: for each model the defaults that train.py starts from, and how its input is made."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from minnet import models
from minnet.calibration import acting_weights
from minnet.data import Augment, Dataset, Ngrams, TokenIds, channel_statistics, load_lexicon, over_views
from minnet.data.dataset import text_keys
from minnet.layers import Sequential
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD, Adam, AdamW, Lookahead, Optimizer, RMSProp
from minnet.schedules import Constant, OneCycle, Schedule, Triangular
from minnet.training import Trainer

OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "rmsprop": RMSProp, "adam": Adam, "adamw": AdamW}
MAX_CLASS_WEIGHT = 5.0  # above it one validation example of a rare class would decide which epoch is the best
USUAL_RATES = {"sgd": 0.1, "rmsprop": 1e-3, "adam": 1e-3, "adamw": 1e-3}


@dataclass(frozen=True)
class Recipe:
    """Everything that a run needs beside its data. `replace(recipe, epochs=3)` gives another one."""

    model: Callable[..., Sequential]
    epochs: int
    learning_rate: float
    optimizer: str = "sgd"
    settings: dict[str, Any] = field(default_factory=dict)  # the optimizer's own
    schedule: Schedule = field(default_factory=OneCycle)
    batch_size: int = 128
    augment: Augment | None = None
    encoder: Callable[..., Any] | None = None  # makes the vectorizer of a text model
    lexicon: bool = False  # the n-grams stand beside ratings of words, see data.load_lexicon
    label_smoothing: float = 0.0
    balanced: bool = False  # weigh the classes so that each counts alike, up to MAX_CLASS_WEIGHT
    patience: int | None = None
    full_updates: int = 0  # with fewer updates than this, there is no time to warm up to the whole learning rate
    lookahead: dict[str, Any] | None = None  # settings of Lookahead around the optimizer
    freeze_at: dict[str, float] | None = None  # see Trainer
    whiten: bool = False  # the first convolution whitens patches of training images
    views: bool = False  # test on six views of each image, see data.test_views
    sides: tuple[float, float] = (1, float("inf"))  # least and most pixels of an image's sides that suit the pooling

    def for_examples(self, examples: int) -> Recipe:
        """The same; with fewer updates than full_updates the peak falls as the square root of their number."""
        updates = self.epochs * examples / self.batch_size
        if updates >= self.full_updates:
            return self
        return replace(self, learning_rate=self.learning_rate * (updates / self.full_updates) ** 0.5)

    def unmirrored(self) -> Recipe:
        """The same for images whose mirror images mean something else, or nothing: letters, left and right hands."""
        if self.augment is None:
            return self
        return replace(self, augment=replace(self.augment, flip=False), views=False)  # half of the views are mirrored

    def with_optimizer(self, name: str) -> Recipe:
        """The same with another optimizer, its own defaults and a usual rate: SGD's 0.1 would make Adam diverge."""
        if name == self.optimizer:
            return self
        settings: dict[str, Any] = {}
        if self.encoder is not None:  # a table of words, of which a batch touches some rows
            if name == "rmsprop":
                raise ValueError("rmsprop cannot update single rows of a table of words: take sgd, adam or adamw")
            if name == "adamw":  # decay would move all rows
                settings = {"groups": [{"match": "0.W", "weight_decay": 0.0}]}
        return replace(self, optimizer=name, settings=settings, learning_rate=USUAL_RATES[name])

    def encode(self, dataset: Dataset, folder: str | os.PathLike[str] | None = None) -> tuple[Any, dict[str, Any]]:
        """(vectorizer or None, the inputs of each split): images stay as they are, texts become numbers.

        `folder` is where data lies, for a recipe with a lexicon.
        """
        splits = dataset.splits()
        if self.encoder is None:
            return None, {name: split.x for name, split in splits.items()}
        vectorizer = self.encoder(lexicon=load_lexicon(folder)) if self.lexicon else self.encoder()
        train = vectorizer.fit_transform(dataset.train.x, dataset.train.y)
        others = {name: vectorizer.transform(split.x) for name, split in splits.items() if name != "train"}
        return vectorizer, {"train": train, **others}

    def build(self, dataset: Dataset, vectorizer: Any, seed: int) -> Sequential:
        """The untrained model."""
        classes = len(dataset.classes)
        if vectorizer is None:
            model = self.model(dataset.train.x.shape[1:], classes, *channel_statistics(dataset.train.x), seed=seed)
            if self.whiten:
                models.whiten(model, dataset.train.x[:5000])
            return model
        size = vectorizer.rows if isinstance(vectorizer, TokenIds) else len(vectorizer)
        return self.model(size, classes, seed=seed)

    def loss(self, dataset: Dataset) -> SoftmaxCrossEntropy:
        """Softmax cross-entropy, with class weights N / (K n_k) when `balanced`, none above MAX_CLASS_WEIGHT."""
        weights = None
        if self.balanced:
            counts = np.bincount(dataset.train.y, minlength=len(dataset.classes))
            weights = np.minimum(len(dataset.train.y) / (len(counts) * np.maximum(counts, 1)), MAX_CLASS_WEIGHT)
        return SoftmaxCrossEntropy(self.label_smoothing, weights)

    def class_weights(self, dataset: Dataset) -> list[float] | None:
        """The loss's as they act in batches, to four digits; None where all classes weigh alike. So they stand in
        config.json and are undone where probabilities are to be believed."""
        if (table := self.loss(dataset).class_weights) is None:
            return None
        shares = np.bincount(dataset.train.y, minlength=len(table)) / len(dataset.train)
        acting = acting_weights(np.array(table), shares, min(self.batch_size, len(dataset.train)))
        weights = [float(f"{weight:.4g}") for weight in acting]
        return weights if len(set(weights)) > 1 else None

    def scores(self, trainer: Trainer, inputs: Any) -> np.ndarray:
        """What the trained network says of these inputs, averaged over six views of each picture if `views`: (N, K)."""
        return over_views(trainer.predict, inputs, self.views)

    def about(self, dataset: Dataset, vectorizer: Any, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(arrays, header): what a prediction needs beside the weights, for the checkpoints."""
        header = {
            "dataset": dataset.name, "fingerprint": dataset.fingerprint, "kind": dataset.kind, "model": name,
            "classes": list(dataset.classes),
        }  # fmt: skip
        if vectorizer is None:
            return {}, header | {"shape": list(dataset.train.x.shape[1:]), "views": self.views}
        keys = np.unique(text_keys(dataset.train.x))  # so that the run knows them again, under whatever file's name
        return vectorizer.arrays() | {"training_texts": keys}, header | {"vectorizer": vectorizer.config()}

    def config(self) -> dict[str, Any]:
        """The settings, as config.json shows them."""
        return {
            "optimizer": self.optimizer, "learning_rate": self.learning_rate, "optimizer_settings": self.settings,
            "schedule": self.schedule.config(), "label_smoothing": self.label_smoothing, "balanced": self.balanced,
            "augment": None if self.augment is None else asdict(self.augment), "lexicon": self.lexicon,
            "lookahead": self.lookahead, "freeze_at": self.freeze_at, "whiten": self.whiten, "views": self.views,
        }  # fmt: skip

    def make_optimizer(self, model: Sequential) -> Optimizer | Lookahead:
        optimizer = OPTIMIZERS[self.optimizer](model, self.learning_rate, **self.settings)
        return optimizer if self.lookahead is None else Lookahead(optimizer, **self.lookahead)


def decoupled(rate: float, decay: float, momentum: float, batch_size: int, biases: float) -> dict[str, Any]:
    """airbench94's decoupled hyperparameters (arXiv 2404.00498, section 3) as settings of SGD on a mean loss.

    `rate` and `decay` are given for 1024 examples. For the gradient summed over a batch SGD's rate is rate / (1024 c),
    so for its mean batch_size times that; of a weight the part decay batch_size / (1024 c) goes into the velocity in
    each step. c = 1 + 1 / (1 - momentum) is airbench94's constant, close to momentum's amplification, which for a
    steady gradient is 1 / (1 - momentum). Batch norm's shifts learn `biases` times as fast, with the same decay a step:
    SGD multiplies its decay by the learning rate, so what is given here is divided by it.
    """
    scale = 1024 * (1 + 1 / (1 - momentum))
    learning_rate, per_step = rate / scale * batch_size, decay * batch_size / scale
    return {
        "learning_rate": learning_rate, "batch_size": batch_size,
        "settings": {
            "momentum": momentum, "nesterov": True, "weight_decay": per_step / learning_rate,
            "groups": [
                {"match": "*.beta", "learning_rate": biases, "weight_decay": per_step / (learning_rate * biases)},
                {"match": "*", "weight_decay": per_step / learning_rate},
            ],
        },
    }  # fmt: skip


MOMENTUM = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
POOLED = (8, float("inf"))  # halved three times
IMAGES = {
    "softmax": Recipe(models.softmax_regression, 10, 1e-3, "adam", batch_size=256),
    "mlp": Recipe(models.mlp, 10, 0.05, settings=MOMENTUM, augment=Augment(shift=0)),
    "cnn6": Recipe(models.cnn6, 10, 0.1, settings=MOMENTUM, augment=Augment(), full_updates=1000, sides=POOLED),
    "resnet": Recipe(models.resnet, 12, 0.1, settings=MOMENTUM, augment=Augment(), full_updates=1000, sides=POOLED),
    "speedrun": Recipe(
        models.speedrun, 10, **decoupled(rate=11.5, decay=0.0153, momentum=0.85, batch_size=1024, biases=64),
        schedule=Triangular(), augment=Augment(flip="alternating", shift=2), label_smoothing=0.2,
        lookahead={"every": 5, "slowing": 0.95}, freeze_at={"1.b": 0.3}, whiten=True, views=True,
        sides=(25, 48),
    ),
}  # fmt: skip
NGRAMS = Recipe(
    models.ngram_softmax, 3, 0.01, "adam", batch_size=64, balanced=True, encoder=partial(Ngrams, negation=True)
)
FEW_NGRAMS = {
    "epochs": 40, "batch_size": 32, "schedule": Constant(), "encoder": partial(Ngrams, min_count=1, negation=True)
}  # fmt: skip
# A few hundred images make 30 updates in 10 epochs of batches of 128, too few to learn from: smaller batches, more
# epochs, and a rate that suits such batches. What is learned by heart soon is too sure of itself: without smoothing the
# few validation examples have their lowest loss before anything is learned, and that epoch would be kept.
FEW_IMAGES = {"epochs": 20, "batch_size": 16, "learning_rate": 0.01, "full_updates": 0, "label_smoothing": 0.2}
TEXT = {
    "ngrams": NGRAMS,
    "lexicon": replace(NGRAMS, lexicon=True),
    "bag": Recipe(
        models.embedding_bag, 3, 2e-3, "adam", batch_size=64, balanced=True,
        encoder=lambda: TokenIds(max_length=128, buckets=2**17, words=(1, 2)),
    ),
    "cnn": Recipe(
        models.text_cnn, 3, 3e-3, "adam", batch_size=64, balanced=True,
        encoder=lambda: TokenIds(max_length=48, min_count=2),
    ),
    "attention": Recipe(
        models.attention, 4, 2e-3, "adam", batch_size=64, balanced=True,
        encoder=lambda: TokenIds(max_length=48, min_count=2),
    ),
}  # fmt: skip
KINDS = {"images": IMAGES, "text": TEXT}
FIRST_CHOICE = {"images": "cnn6", "text": "ngrams"}
SMALL, MEDIUM = 3000, 20000  # training examples

# Where data want something else than their kind: our digits are small, few, and must not be mirrored.
CHANGES: dict[tuple[str, str], dict[str, Any]] = {
    ("digits", "softmax"): {"epochs": 30, "augment": None, "learning_rate": 5e-3},
    ("digits", "mlp"): {"epochs": 30, "augment": None},
    ("digits", "cnn6"): {"epochs": 10, "batch_size": 64, "augment": Augment(flip=False, shift=1), "full_updates": 0},
    ("digits", "resnet"): {"epochs": 10, "batch_size": 64, "augment": Augment(flip=False, shift=1), "full_updates": 0},
    ("few", "cnn6"): FEW_IMAGES,
    ("few", "resnet"): FEW_IMAGES,
    # 3 epochs over 3,500 texts of 12 unequal classes: log loss 1.45, accuracy 69 %; with 12 epochs 0.91 and 74 %. Three
    # classes, each with more texts, gain next to nothing.
    ("topics", "ngrams"): {"epochs": 12},
    ("topics", "lexicon"): {"epochs": 12},
    ("comments", "ngrams"): FEW_NGRAMS,
    ("comments", "lexicon"): FEW_NGRAMS,
    ("comments", "bag"): {"epochs": 40, "batch_size": 16},
    ("comments", "cnn"): {"epochs": 15, "batch_size": 16},
    ("comments", "attention"): {"epochs": 40, "batch_size": 16},
    # 3 epochs over 3,500 or 12,000 texts are too few updates for word vectors: macro F1 on vader's validation split
    # 0.46 to 0.59, with 10 epochs 0.53 to 0.62, with 25 no more
    ("thousands", "bag"): {"epochs": 10},
    ("thousands", "cnn"): {"epochs": 10},
    ("thousands", "attention"): {"epochs": 10},
}


def model_for(kind: str, model: str | None) -> str:
    """The model's name; that of the first choice for None. Raises ValueError for one of another kind of data."""
    name = model or FIRST_CHOICE[kind]
    if name not in KINDS[kind]:
        raise ValueError(f"no model {name!r} for {kind}: choose from {', '.join(KINDS[kind])}")
    return name


def check_sides(name: str, sides: Sequence[int]) -> None:
    """Raises ValueError where a model cannot take images of this height and width."""
    known, (low, high) = KINDS["images"], sorted(sides)
    fitting = [model for model, recipe in known.items() if recipe.sides[0] <= low and high <= recipe.sides[1]]
    if name not in fitting:
        raise ValueError(
            f"{name} cannot take images of {low} x {high} pixels, which are too "
            f"{'small' if low < known[name].sides[0] else 'large'}: choose from {', '.join(fitting)}"
        )


def choose(dataset: Dataset, model: str | None) -> tuple[str, Recipe]:
    """(the model's name, its recipe for this data set). Raises ValueError for a model that does not fit the data."""
    known = KINDS[dataset.kind]
    name = model_for(dataset.kind, model)
    size = len(dataset.train)
    if dataset.kind == "images":  # what somebody's folder is called does not count
        family = dataset.name if not dataset.own else "few" if size < SMALL else "many"
        check_sides(name, dataset.train.x.shape[1:3])
    else:  # fewer texts need more passes
        family = "comments" if size < SMALL else "thousands" if size < MEDIUM else "many"
        if family == "thousands" and len(dataset.classes) > 3 and name in ("ngrams", "lexicon"):
            family = "topics"
    return name, replace(known[name], **CHANGES.get((family, name), {}))
