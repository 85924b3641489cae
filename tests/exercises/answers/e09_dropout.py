INIT = """
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng
        self.training = True
"""
RIGHT = {
    "a mask": INIT + """
    def forward(self, x):
        if not self.training:
            self.mask = 1.0
            return x
        self.mask = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.mask
    def backward(self, dy):
        return dy * self.mask
""",
    "where": INIT + """
    def forward(self, x):
        self.kept = self.rng.random(x.shape) >= self.p if self.training else np.ones(x.shape, bool)
        self.scale = 1 / (1 - self.p) if self.training else 1
        return np.where(self.kept, x, 0) * self.scale
    def backward(self, dy):
        out = dy.copy() * self.scale
        out[~self.kept] = 0
        return out
""",
    "divided, not multiplied": INIT + """
    def forward(self, x):
        self._drop = None
        y = np.array(x, dtype=float)
        if self.training:
            self._drop = self.rng.random(x.shape) < self.p
            y[self._drop] = 0
            y /= 1 - self.p
        return y
    def backward(self, dy):
        if self._drop is None:
            return dy
        return np.where(self._drop, 0, dy / (1 - self.p))
""",
}
BACK = """
    def backward(self, dy):
        return dy * self.mask
"""
WRONG = {
    "not scaled": ("not-scaled", INIT + """
    def forward(self, x):
        self.mask = self.rng.random(x.shape) >= self.p if self.training else 1
        return x * self.mask
""" + BACK),
    "p is the chance to stay": ("p-swapped", INIT + """
    def forward(self, x):
        self.mask = (self.rng.random(x.shape) < self.p) / self.p if self.training else 1
        return x * self.mask
""" + BACK),
    "drops in evaluation": ("drops-in-evaluation", INIT + """
    def forward(self, x):
        self.mask = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.mask
""" + BACK),
    "a mask for all rows, scale only forward": ("mask-shared backward-not-scaled", INIT + """
    def forward(self, x):
        if not self.training:
            self.mask = 1
            return x
        self.mask = self.rng.random(x.shape[-1]) >= self.p
        return x * self.mask / (1 - self.p)
""" + BACK),
    "a second draw": ("second-draw", INIT + """
    def forward(self, x):
        if not self.training:
            return x
        return x * (self.rng.random(x.shape) >= self.p) / (1 - self.p)
    def backward(self, dy):
        if not self.training:
            return dy
        return dy * (self.rng.random(dy.shape) >= self.p) / (1 - self.p)
"""),
}
