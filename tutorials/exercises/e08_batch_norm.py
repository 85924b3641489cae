"""Exercise 8. Batch normalisation (45 minutes, hard).

Check with: python -m tutorials.exercises check 8
"""

import numpy as np


class BatchNorm:
    """Each feature to mean 0 and variance 1 over the batch, then scaled by gamma and shifted by beta.

    Shapes: x, y, dy, dx (N, C); gamma, beta, running_mean, running_var, dgamma, dbeta (C,).
    Full marks need whole-array operations: no Python loop over the examples.
    """

    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        """y = gamma xhat + beta with xhat = (x - mean) / sqrt(var + eps); keeps what backward needs.

        In training (N is at least 2), mean and var are those of the batch, var divided by N (biased), and the running
        ones move; whether they become new arrays or get new numbers makes no difference:
            running_mean <- (1 - momentum) running_mean + momentum mean
            running_var  <- (1 - momentum) running_var  + momentum var N / (N - 1)
        When self.training is False, the running ones take the place of mean and var, and nothing moves.
        Example: x = [[1], [3]], eps = 0, momentum = 0.1: y = [[-1], [1]]; then running_mean = [0.2] and
        running_var = 0.9 * 1 + 0.1 * 2 = [1.1].
        """
        raise NotImplementedError("exercise 8: BatchNorm.forward")

    def backward(self, dy):
        """Sets self.dgamma and self.dbeta and returns dx, for the last forward pass, which was one in training.

        Formula: dgamma = sum_n dy xhat, dbeta = sum_n dy, and, since each x moves the mean and the variance as well,
            dx = gamma / sqrt(var + eps) (dy - mean over n of dy - xhat times the mean over n of dy xhat)
        Example: x = [[0], [1], [2]], eps = 1/3 (so sqrt(var + eps) = 1), gamma = 1, dy = [[3], [0], [0]]:
        xhat = [[-1], [0], [1]], dgamma = [-3], dbeta = [3], dx = [[1], [-1], [0]].
        """
        raise NotImplementedError("exercise 8: BatchNorm.backward")
