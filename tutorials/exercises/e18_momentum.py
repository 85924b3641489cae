"""Exercise 18. Gradient descent with momentum (15 minutes, easy).

Check with: python -m tutorials.exercises check 18
"""

import numpy as np


class SGD:
    """Each step moves along a velocity, which remembers earlier gradients."""

    def __init__(self, parameters, learning_rate, momentum, weight_decay):
        """parameters: a dict of arrays by name. Anything else that the object needs is made here."""
        self.parameters = parameters
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay

    def step(self, gradients):
        """One update of every array in self.parameters, from the dict `gradients` with the same names and shapes.

        For each parameter w with gradient g and velocity v, which starts at zero:
            g <- g + weight_decay w        v <- momentum v + g        w <- w - learning_rate v
        Example: w = [1], g = [2] twice, learning_rate = 0.1, momentum = 0.5, weight_decay = 0: w = [0.8], then [0.5].

        With weight_decay = 0.1 instead: w = [0.79], then [0.4771].

        (weight_decay w pulls every weight towards 0, lesson 10.) Afterwards self.parameters holds the new weights, in
        new arrays or in the old ones. The gradients stay as they were. Returns nothing.
        """
        raise NotImplementedError("exercise 18: SGD.step")
