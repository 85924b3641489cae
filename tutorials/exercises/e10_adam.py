"""Exercise 10. Adam (25 minutes, medium).

Check with: python -m tutorials.exercises check 10
"""

import numpy as np


class Adam:
    """Momentum and a step size of its own for every weight (arXiv 1412.6980, algorithm 1)."""

    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        """parameters: a dict of arrays by name. Anything else that the object needs is made here."""
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps

    def step(self, gradients):
        """One update of every array in self.parameters, from the dict `gradients` with the same names and shapes.

        For each parameter w with gradient g, moments m and s that start at zero, and t = 1 in the first step:
            m <- beta1 m + (1 - beta1) g            s <- beta2 s + (1 - beta2) g^2
            w <- w - learning_rate (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + eps)
        Example: w = [1], g = [4], learning_rate = 0.1, eps = 0: the first step gives w = [0.9], whatever the betas;
        with beta1 = 0.5, beta2 = 0.75 and g = [0], the second gives [0.8491].

        Afterwards self.parameters holds the new weights, in new arrays or in the old ones. The gradients stay as they
        were. Returns nothing.
        """
        raise NotImplementedError("exercise 10: Adam.step")
