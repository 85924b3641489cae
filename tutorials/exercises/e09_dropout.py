"""Exercise 9. Dropout (15 minutes, medium).

Check with: python -m tutorials.exercises check 9
"""

import numpy as np


class Dropout:
    """In training, each number is dropped with probability p, and the kept ones grow so that the mean stays.

    Shapes: x, y, dy, dx of one shape, whatever it is.
    """

    def __init__(self, p, rng):
        self.p, self.rng = p, rng  # rng: a numpy Generator
        self.training = True

    def forward(self, x):
        """In training: u = self.rng.random(x.shape), drawn afresh in every call; y = x / (1 - p) where u >= p, else 0.

        When self.training is False, y = x, and nothing is drawn.
        Example: p = 0.5 and u = [[0.7, 0.2, 0.5]]: x = [[1, 2, 3]] gives y = [[2, 0, 6]].
        """
        raise NotImplementedError("exercise 9: Dropout.forward")

    def backward(self, dy):
        """dx: dy goes the way that x went in the last forward pass, of either mode.

        After one in training: through that pass's mask and factor; after one in evaluation: unchanged.

        Example: after the forward pass of the example above, dy = [[1, 1, 1]] gives [[2, 0, 2]].
        """
        raise NotImplementedError("exercise 9: Dropout.backward")
