INIT = """
class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True
"""
FORWARD = """
    def forward(self, x):
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            n = len(x)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)
        else:
            mean, var = self.running_mean, self.running_var
        self.std = np.sqrt(var + self.eps)
        self.u = (x - mean) / self.std
        return self.gamma * self.u + self.beta
"""
BACKWARD = """
    def backward(self, dy):
        self.dgamma = (dy * self.u).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        return self.gamma / self.std * (dy - dy.mean(axis=0) - self.u * (dy * self.u).mean(axis=0))
"""
RIGHT = {
    "by the formula": INIT + FORWARD + BACKWARD,
    "in place of the running ones, ddof": INIT + """
    def forward(self, x):
        if not self.training:
            return (x - self.running_mean) / np.sqrt(self.running_var + self.eps) * self.gamma + self.beta
        self.x = x
        mu = np.mean(x, 0)
        self.c = x - mu
        self.v = (self.c ** 2).mean(0)
        self.running_mean += self.momentum * (mu - self.running_mean)
        self.running_var += self.momentum * (x.var(0, ddof=1) - self.running_var)
        return self.gamma * self.c * (self.v + self.eps) ** -0.5 + self.beta
    def backward(self, dy):
        N = len(dy)
        s = (self.v + self.eps) ** -0.5
        self.dbeta = np.sum(dy, 0)
        self.dgamma = np.einsum('nc,nc->c', dy, self.c) * s
        dvar = (dy * self.gamma * self.c).sum(0) * -0.5 * s ** 3
        dmu = -(dy * self.gamma * s).sum(0) - 2 * dvar * self.c.mean(0)
        return dy * self.gamma * s + dvar * 2 * self.c / N + dmu / N
""",
    "float32": INIT + FORWARD.replace("x.mean(", "x.astype('float32').mean(") + BACKWARD.replace(
        "def backward(self, dy):", "def backward(self, dy):\n        dy = dy.astype(np.float32)"),
}
WRONG = {
    "unbiased in the forward pass": ("unbiased-forward", INIT + FORWARD.replace("x.var(axis=0)", "x.var(axis=0, ddof=1)").replace("var * n / (n - 1)", "var") + BACKWARD),
    "batch statistics in evaluation": ("running-unused", INIT + FORWARD.replace("mean, var = self.running_mean, self.running_var", "mean, var = x.mean(axis=0), x.var(axis=0)") + BACKWARD),
    "the short derivative": ("constant-statistics", INIT + FORWARD + """
    def backward(self, dy):
        self.dgamma = (dy * self.u).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        return self.gamma / self.std * dy
"""),
    "momentum the other way": ("momentum-swapped", INIT + FORWARD.replace("(1 - self.momentum) * self.running_mean + self.momentum * mean", "self.momentum * self.running_mean + (1 - self.momentum) * mean").replace("(1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)", "self.momentum * self.running_var + (1 - self.momentum) * var * n / (n - 1)") + BACKWARD),
    "eps outside, biased running variance": ("eps-outside biased-running", INIT + FORWARD.replace("np.sqrt(var + self.eps)", "np.sqrt(var) + self.eps").replace("var * n / (n - 1)", "var") + BACKWARD),
}
