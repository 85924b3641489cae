"""Exercise 26. Predict, then measure: gradient descent on a parabola (25 minutes, medium).

First work out every prediction on paper, from the numbers in its docstring, and write it in: four decimals are enough.
Then write the functions that measure, and run the check: where the two differ, find out why. Students have different
numbers.
Check with: python -m tutorials.exercises check 26
"""

VARIANT = 0  # whose numbers these are: leave it as it is


def predicted_place():
    """Gradient descent on f(w) = 6/2 (w - 2)^2 starts at w = 9 with learning rate 0.05. Where is w after
    4 steps? (Each step multiplies the distance to 2 by the same factor.)
    """
    raise NotImplementedError("exercise 26: predicted_place")


def measured_place(a, c, w, rate, steps):
    """w after so many steps of gradient descent on f(w) = a/2 (w - c)^2, step by step.
    Example: a = 4, c = 1, w = 3, rate = 0.1, 2 steps: 2.2, then 1.72.
    """
    raise NotImplementedError("exercise 26: measured_place")


def predicted_limit():
    """For f(w) = 4/2 (w - 2)^2: from which learning rate on does the distance no longer shrink?"""
    raise NotImplementedError("exercise 26: predicted_limit")


def measured_limit(a, c, w, rates):
    """The first of `rates`, which rise, with which one step from w on f(w) = a/2 (w - c)^2 does not end nearer to c:
    at a distance of at least 0.999999 times the one before, to allow for rounding.
    Example: a = 4, c = 1, w = 3, rates [0.1, 0.4, 0.5, 0.6]: 0.5.
    """
    raise NotImplementedError("exercise 26: measured_limit")


def predicted_steps():
    """With f(w) = 3/2 (w - 2)^2, learning rate 0.1 and the start w = 9: after how many steps is the
    distance to 2 for the first time at most a thousandth of what it was?
    """
    raise NotImplementedError("exercise 26: predicted_steps")


def measured_steps(a, c, w, rate):
    """After how many steps of gradient descent on f(w) = a/2 (w - c)^2 the distance to c is at most 1/1000 of that at
    the start, for the first time. Example: a = 5, c = 1, w = 3, rate = 0.1: 10, since 0.5^10 is below 1/1000.
    """
    raise NotImplementedError("exercise 26: measured_steps")
