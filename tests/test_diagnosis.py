"""What kind of mistake is seen in a wrong gradient beside the right one: each kind from numbers written down."""

import numpy as np
import pytest

from minnet.diagnosis import diagnose, diagnose_shape, matches
from tests.drawing import normal

RIGHT = normal(4, 3)


def test_what_is_the_same_gradient():
    assert matches(RIGHT, RIGHT) and matches(RIGHT * (1 + 9e-7), RIGHT)
    assert not matches(RIGHT * (1 + 2e-6), RIGHT) and not matches(RIGHT[:3], RIGHT)
    assert not matches(np.zeros((0, 3)), np.zeros((0, 3))) and not matches(np.zeros(3), np.zeros(3))
    holed = RIGHT.copy()
    holed[0, 0] = np.inf
    assert not matches(holed, RIGHT)


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (2, "2 times the right one: a 2 too many, or a 1/2 forgotten"),
        (0.5, "0.5 times the right one: a 1/2 too many, or a 2 forgotten"),
        (7, "7 times the right one: N = 7, the batch size (a division by it is missing)"),
        (1 / 7, "0.142857 times the right one: divided once too often by N = 7, the batch size"),
        (5, "5 times the right one: 5, the size of the output's last axis (a division by it is missing)"),
        (35, "35 times the right one: 35, the number of outputs of the whole batch (a division by it is missing)"),
        (1.3, "1.3 times the right one"),
        (-1.3, "-1.3 times the right one"),
    ],
)
def test_constant_factors(factor, said):
    found = diagnose(factor * RIGHT, RIGHT, batch=7, context={"y": np.zeros((7, 5))})
    assert found == f"it is wrong by a constant factor: {said}"


def test_one_position_is_no_number_to_divide_by():
    said = diagnose((1 + 5e-6) * RIGHT, RIGHT, batch=3, context={"y": np.zeros((3, 1, 1, 7))})
    assert "1.00001 times the right one" in said and "divided" not in said


def test_factors_that_images_suggest():
    context = {"y": np.zeros((3, 4, 5, 7))}
    for factor, said in (
        (7, "7, the size of the output's last axis"),
        (20, "20, the number of output positions"),
        (60, "60, the batch size times the output pos"),
    ):
        assert said in diagnose(factor * RIGHT, RIGHT, batch=3, context=context)
    one = {"y": np.zeros((3, 1))}  # its size is the batch's, and is not told twice
    assert diagnose(1.7 * RIGHT, RIGHT, batch=3, context=one).endswith("1.7 times the right one")
    three = diagnose(3 * RIGHT, RIGHT, batch=3, context=one)
    assert three.endswith("3 times the right one: N = 3, the batch size (a division by it is missing)")
    two = {"y": np.zeros((7, 2))}
    assert "14, the number of outputs of the whole batch" in diagnose(14 * RIGHT, RIGHT, batch=7, context=two)


def test_a_sign():
    assert diagnose(-RIGHT, RIGHT) == "its sign is wrong (a constant factor of -1)"
    assert diagnose(np.array([-3.0]), np.array([3.0])) == "its sign is wrong (a constant factor of -1)"
    assert "sign" not in diagnose(-1.9 * RIGHT, RIGHT)


def test_few_numbers_have_no_constant_factor_unless_it_means_something():
    for count in (1, 2):
        assert "factor" not in diagnose(1.7 * RIGHT.ravel()[:count], RIGHT.ravel()[:count])
        assert "a 2 too many" in diagnose(2 * RIGHT.ravel()[:count], RIGHT.ravel()[:count])
    assert "1.7 times" in diagnose(1.7 * RIGHT.ravel()[:3], RIGHT.ravel()[:3])
    small = np.array([1.0, 1e-5, 1e-5, -1e-5])  # one number counts, whatever stands beside it
    assert "factor" not in diagnose(1.7 * small, small)


def test_numbers_that_are_none():
    claimed = RIGHT.copy()
    claimed[0, :2], claimed[1, 1] = np.nan, np.inf
    assert diagnose(claimed, RIGHT) == "3 of its 12 entries are NaN or infinite"
    assert diagnose(0 * RIGHT, RIGHT) == "all its entries are zero"
    assert diagnose(RIGHT * (1 + 1e-9), RIGHT) == ""


# -- shapes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claimed", "right", "said"),
    [
        (RIGHT.T, RIGHT, "it is transposed"),
        (normal(2, 3, 4).transpose(2, 0, 1), normal(2, 3, 4), "its axes are exchanged: transpose((1, 2, 0)) is right"),
        (RIGHT, RIGHT.sum(axis=0), "the sum over axis 0 is missing"),
        (RIGHT, RIGHT.sum(axis=1), "the sum over axis 1 is missing"),
        (RIGHT, RIGHT.sum(), "the sum over axes 0, 1 is missing"),
        (RIGHT, RIGHT.sum(axis=0, keepdims=True), "the sum over axis 0 (with keepdims) is missing"),
        (RIGHT.sum(axis=1), RIGHT, "it was summed over axis 1, which has to stay"),
        (RIGHT.sum(axis=0, keepdims=True), RIGHT, "it was summed over axis 0, which has to stay"),
        (RIGHT.ravel(), RIGHT, "its numbers are right: reshape it to (4, 3)"),
        (RIGHT.ravel() + 1, RIGHT, ""),
        (RIGHT[:2], RIGHT, ""),
        (normal(3, 4, seed=5), RIGHT, ""),
        (normal(5), normal(6), ""),
    ],
)
def test_wrong_shapes(claimed, right, said):
    assert diagnose_shape(claimed, right) == said


# -- places and sums -----------------------------------------------------------------------------------------------


def test_right_numbers_at_wrong_places():
    said = "its numbers are right but stand at the wrong places (a transposition or reshape in the wrong order)"
    shuffled = RIGHT.ravel()[np.random.default_rng(3).permutation(12)].reshape(4, 3)
    assert diagnose(shuffled, RIGHT) == said
    six = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert diagnose(six[[1, 0, 3, 2, 5, 4]], six) == said
    assert "places" not in diagnose(six[[1, 2, 0, 4, 3]], six[:5])  # too few to be sure
    ties = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0])
    assert "places" not in diagnose(ties[[1, 2, 0, 4, 3, 6, 5]], ties)
    six[1] = 1.00003  # beside a 6 as good as another 1
    assert "places" not in diagnose(six[[1, 0, 3, 2, 5, 4]], six)
    assert diagnose(RIGHT[::-1], RIGHT) == "it is flipped along axis 0"
    assert diagnose(RIGHT[::-1, ::-1], RIGHT) == "it is flipped along axes 0, 1"


def test_sums_and_averages_where_entries_stay_apart():
    for axis in (0, 1):
        spread = np.broadcast_to(RIGHT.sum(axis=axis, keepdims=True), RIGHT.shape)
        assert diagnose(spread, RIGHT) == f"it is summed over axis {axis}, which has to stay apart"
        spread = np.broadcast_to(RIGHT.mean(axis=axis, keepdims=True), RIGHT.shape)
        assert diagnose(spread, RIGHT) == f"it is averaged over axis {axis}, which has to stay apart"
    row = RIGHT[:1]
    spread = np.broadcast_to(row.mean(axis=1, keepdims=True), row.shape)
    assert diagnose(spread, row) == "it is averaged over axis 1, which has to stay apart"
    three = np.array([1.0, 2.0, 4.0])
    assert diagnose(np.full(3, 7.0), three) == "it is summed over axis 0, which has to stay apart"
    assert "summed" not in diagnose(np.full(2, 3.0), three[:2])


def test_a_sum_of_dy_over_the_wrong_axis():
    dy = normal(3, 3)
    said = "it sums dy over the wrong axis: over axis 1 instead of axis 0"
    assert diagnose(dy.sum(axis=1), dy.sum(axis=0), context={"dy": dy}) == said
    assert diagnose(dy.sum(axis=1), normal(3, seed=5), context={"dy": dy}) == ""  # the right one is no sum of dy


# -- some entries only ---------------------------------------------------------------------------------------------


def changed(places, factor=3.0, right=RIGHT):
    claimed = right.copy()
    for place in places:
        claimed[place] *= factor
    return claimed


def test_some_entries():
    assert diagnose(changed([(1, 2)]), RIGHT).startswith("only 1 of its 12 entries are wrong, all at index 1 of axis 0")
    two = diagnose(changed([(1, 2), (3, 0)], 2.0), RIGHT)
    assert two == "only 2 of its 12 entries are wrong"  # of two wrong numbers no factor is told
    assert diagnose(changed([(1, 2), (3, 0)], 0.0), RIGHT) == two
    three = diagnose(changed([(1, 2), (3, 0), (0, 1)], 1.7), RIGHT)
    assert (
        three == "only 3 of its 12 entries are wrong; there it is wrong by a constant factor: 1.7 times the right one"
    )
    four = diagnose(changed([(1, 2), (3, 0), (0, 1), (2, 0)], 0.0), RIGHT)
    assert four == "only 4 of its 12 entries are wrong; there they are zero"
    assert "only" not in diagnose(changed([(i, j) for i in range(4) for j in range(2)]), RIGHT)  # more than half
    half = diagnose(changed([(i, j) for i in range(2) for j in range(3)]), RIGHT)
    assert half.startswith("only 6 of its 12")


def test_an_axis_of_one_or_two_indices_says_nothing_of_where_the_wrong_entries_are():
    for rows in (1, 2):
        right = RIGHT.reshape(rows, -1)
        said = diagnose(changed([(0, 1), (0, 4)], 1.7, right), right)
        assert said == "only 2 of its 12 entries are wrong"


def test_entries_where_a_sign_of_something_decides():
    x = normal(4, 3, seed=8)
    x -= np.sort(x.ravel())[8]  # positive at 3 places, zero at one, negative at 8
    for mask, name in ((x > 0, "positive"), (x == 0, "zero")):
        said = diagnose(np.where(mask, 3 * RIGHT, RIGHT), RIGHT, context={"x": x})
        assert f"exactly those where x is {name}" in said
        said = diagnose(np.where(mask, 3 * RIGHT, RIGHT), RIGHT, context={"dy": x})
        assert f"exactly those where dy is {name}" in said


def test_rows_of_tokens():
    table = normal(6, 2)
    claimed = table.copy()
    claimed[[1, 4]] *= 2
    said = diagnose(claimed, table, tokens=np.array([[1, 4], [4, 1], [0, 2]]))
    assert "all in rows whose token occurs more than once" in said
    assert "token" not in diagnose(claimed, table, tokens=np.array([[1, 4], [4, 1], [0, 0]]))
    wide = table.T.copy()  # the rows of a table stand on axis 0, nowhere else
    assert "token" not in diagnose(claimed.T, wide, tokens=np.array([[1, 4], [4, 1], [0, 2]]))


# -- factors and terms ---------------------------------------------------------------------------------------------


def test_missing_factors():
    gamma, dy = np.array([0.5, -2.0, 3.0]), normal(4, 3, seed=6)
    for name, known in (("gamma", gamma), ("dy", dy)):
        context = {name: known}
        assert diagnose(RIGHT, RIGHT * known, context=context) == f"the factor {name} is missing"
        assert diagnose(RIGHT * known, RIGHT, context=context) == f"it has the factor {name} once too often"
        said = f"it is divided by {name} where it should be multiplied"
        assert diagnose(RIGHT / known, RIGHT * known, context=context) == said
    four, three = np.array([1.0, 2.0, 3.0, 5.0]), np.array([0.5, -2.0, 3.0, 7.0])
    assert diagnose(four, four * three, context={"g": three}) == "the factor g is missing"
    assert diagnose(four[:3], (four * three)[:3], context={"g": three[:3]}) == ""
    small = np.array([[1.0], [1e-4], [1e-4], [-1e-4]])  # one number counts, and any other is some multiple of it
    assert diagnose(small / 1.7, small, context={"g": np.array([1.7])}) == ""


def test_missing_terms():
    for name in ("x", "y", "dy"):
        term = normal(4, 3, seed=6)
        assert diagnose(RIGHT - 2 * term, RIGHT, context={name: term}) == f"the term 2 * {name} is missing"
    W = normal(4, 3, seed=6)
    said = "it holds 0.1 * W itself: weight decay belongs to the optimizer"
    assert diagnose(RIGHT + 0.1 * W, RIGHT, context={"W": W}) == said
    four = np.array([1.0, 2.0, 3.0, 5.0])
    x = np.array([0.5, -2.0, 3.0, 7.0])
    assert diagnose(four - x, four, context={"x": x}) == "the term 1 * x is missing"
    assert diagnose(four[:3] - x[:3], four[:3], context={"x": x[:3]}) == ""


def test_lost_examples():
    x, dy = normal(5, 4, seed=1), normal(5, 3, seed=2)
    for lost in ([4], [0, 2], [1, 2, 3]):
        rest = [n for n in range(5) if n not in lost]
        said = diagnose(x[rest].T @ dy[rest], x.T @ dy, context={"x": x, "dy": dy})
        assert said == "the share of example " + ", ".join(map(str, lost)) + " is missing"
    twice = x.T @ dy + np.outer(x[1], dy[1])  # counted twice is not missing
    assert diagnose(twice, x.T @ dy, context={"x": x, "dy": dy}) == ""
    half = x.T @ dy - 0.5 * np.outer(x[1], dy[1])
    assert diagnose(half, x.T @ dy, context={"x": x, "dy": dy}) == ""
    # 12 numbers and 11 examples: any difference could be a sum of shares
    x, dy = normal(11, 4, seed=1), normal(11, 3, seed=2)
    assert diagnose(x[1:].T @ dy[1:], x.T @ dy, context={"x": x, "dy": dy}) == ""
    x, dy = x[:10], dy[:10]
    said = diagnose(x[1:].T @ dy[1:], x.T @ dy, context={"x": x, "dy": dy})
    assert said == "the share of example 0 is missing"
    # x^T dy is the gradient of a matrix of its shape only, and x the input of one layer with one row an example
    for right in (dy.sum(axis=0), normal(3, 3, seed=3), normal(4, 2, seed=3)):
        assert diagnose(right + normal(*right.shape, seed=4), right, context={"x": x, "dy": dy}) == ""
    right = x.T @ dy
    for other in (normal(10, 4, 2), normal(20, 4)):  # places, and a layer that makes one row of two
        assert diagnose(right + normal(4, 3, seed=4), right, context={"x": other, "dy": dy}) == ""


def test_errors_that_are_the_same_within_channels_or_examples():
    x, right = normal(6, 5, seed=1), normal(6, 5, seed=2)
    offset, slope = normal(5, seed=3), normal(5, seed=4)
    assert diagnose(right + offset, right, context={"x": x}).startswith("within each channel the error is the same")
    said = diagnose(right + offset + slope * x, right, context={"x": x})
    assert said.startswith("within each channel the error is a constant plus a multiple of x")
    assert diagnose(right + normal(6, 1), right, context={"x": x}).startswith("within each example the error is the")
    y = normal(6, 5, seed=7)
    said = "in each example the error is a multiple of the output y: a sum over the example is missing or wrong"
    assert diagnose(right + normal(6, 1) * y, right, context={"x": x, "y": y}) == said
    for other in (y[:, :3], normal(6, 8, seed=7)):  # an output of another width
        said = diagnose(right + offset, right, context={"x": x, "y": other})
        assert said.startswith("within each channel the error is the same")
    said = diagnose((right + offset + slope * x)[:4], right[:4], context={"x": x[:4]})
    assert said.startswith("within each channel the error is a constant plus a multiple of x")
    longer = normal(8, 5, seed=9)  # a gradient of something else than x
    assert diagnose(longer + offset, longer, context={"x": x}) == ""
    # with as many numbers as unknowns, or one more, everything can be explained
    x, right = x[:3], right[:3]
    assert diagnose(right + offset + slope * x, right, context={"x": x}) == ""
    assert diagnose(normal(3, 5, seed=8), right, context={"x": x}) == ""
