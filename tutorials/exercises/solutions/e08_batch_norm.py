import numpy as np


class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            n = len(x)  # a batch underestimates the variance by (n - 1) / n, on average
            self.running_mean += self.momentum * (mean - self.running_mean)
            self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        self.s = np.sqrt(var + self.eps)
        self.u = (x - mean) / self.s
        return self.gamma * self.u + self.beta

    def backward(self, dy):
        # u_i depends on x_i directly, through the mean (all u fall alike) and through the variance (all u shrink, in
        # proportion to u): the two means take out of dy what those movements cancel.
        self.dgamma, self.dbeta = (dy * self.u).sum(axis=0), dy.sum(axis=0)
        return self.gamma / self.s * (dy - dy.mean(axis=0) - self.u * (dy * self.u).mean(axis=0))
