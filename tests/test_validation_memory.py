"""What a run keeps of its validation examples, and what prediction makes of it."""

import json

import numpy as np
import pytest

from minnet.calibration import seen_on_validation
from minnet.functional import softmax
from minnet.prediction import _validation_confusion
from minnet.run_folder import read_json


def test_confusion_and_temperature_of_scores():
    rng = np.random.default_rng(0)
    z = 2 * rng.standard_normal((4000, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(z)])  # calibrated by construction
    found = json.loads(json.dumps(seen_on_validation(3 * z, labels)))  # three times too sure
    assert abs(found["temperature"] - 3) < 0.25
    assert "no_temperature" not in found
    said = z.argmax(axis=1)
    assert found["validation_confusion"] == [
        [int(((labels == i) & (said == j)).sum()) for j in range(3)] for i in range(3)
    ]


def test_a_temperature_that_chance_may_have_made_is_none():
    """Labels drawn from the probabilities: a fit to 60 of them is far from 1 in a third of all runs."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        z = 2 * rng.standard_normal((60, 3))
        found.append(seen_on_validation(z, np.array([rng.choice(3, p=row) for row in softmax(z)])))
    assert 2 <= sum("temperature" in each for each in found) <= 20
    (why,) = {each["no_temperature"] for each in found if "no_temperature" in each}
    assert why == "60 validation examples give no sign that one would mend its percentages"


@pytest.mark.parametrize(
    "right, wrong, why",
    [
        (60, 0, "all 60 validation examples are right"),
        (40, 9, "that needs 50 validation examples, and there are 49"),
        (40, 10, None),
    ],
)
def test_no_temperature_is_fitted_to_too_little(right, wrong, why):
    scores = np.tile([4.0, 0.0], (right + wrong, 1))
    found = seen_on_validation(scores, np.repeat([0, 1], [right, wrong]))
    assert found.get("no_temperature") == why and ("temperature" in found) == (why is None)
    assert found["validation_confusion"] == [[right, 0], [wrong, 0]]


def test_prediction_reads_it_and_takes_nothing_on_trust(tmp_path):
    assert _validation_confusion(read_json(tmp_path, "config.json"), 2) is None
    for kept, good in (
        ([[3, 1], [0, 2]], True),
        ([[3, 1], [0, 0]], False),  # a class without validation examples has no error rates
        ([[3, -1], [0, 2]], False),
        ([[3, 1, 0], [0, 2, 0]], False),
        ("nonsense", False),
        (None, False),
    ):
        (tmp_path / "config.json").write_text(json.dumps({"validation_confusion": kept}))
        found = _validation_confusion(read_json(tmp_path, "config.json"), 2)
        assert (found is not None) == good
    (tmp_path / "config.json").write_text("[]")
    assert _validation_confusion(read_json(tmp_path, "config.json"), 2) is None
