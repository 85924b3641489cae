class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng
        self.training = True

    def forward(self, x):
        # Kept with probability 1 - p and divided by it: the mean stays, and evaluation needs no scale.
        self.factors = (self.rng.random(x.shape) >= self.p) / (1 - self.p) if self.training else 1.0
        return x * self.factors

    def backward(self, dy):
        return dy * self.factors
