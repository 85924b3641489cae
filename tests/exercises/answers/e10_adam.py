INIT = """
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.m = {k: np.zeros_like(w) for k, w in parameters.items()}
        self.v = {k: np.zeros_like(w) for k, w in parameters.items()}
        self.t = 0
"""
STEP = """
    def step(self, gradients):
        self.t += 1
        for k, g in gradients.items():
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * g
            self.v[k] = self.beta2 * self.v[k] + (1 - self.beta2) * g ** 2
            m = self.m[k] / (1 - self.beta1 ** self.t)
            v = self.v[k] / (1 - self.beta2 ** self.t)
            self.parameters[k] -= self.learning_rate * m / (np.sqrt(v) + self.eps)
"""
RIGHT = {
    "by the formula": INIT + STEP,
    "new arrays, made late": """
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters, self.settings, self.state, self.t = parameters, (learning_rate, beta1, beta2, eps), {}, 1
    def step(self, gradients):
        rate, b1, b2, eps = self.settings
        for name in self.parameters:
            m, v = self.state.get(name, (0, 0))
            g = gradients[name]
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * np.square(g)
            self.state[name] = m, v
            self.parameters[name] = self.parameters[name] - rate * (m / (1 - b1 ** self.t)) / (
                (v / (1 - b2 ** self.t)) ** 0.5 + eps)
        self.t += 1
""",
    "rearranged": INIT + """
    def step(self, gradients):
        self.t += 1
        c1, c2 = 1 - self.beta1 ** self.t, np.sqrt(1 - self.beta2 ** self.t)
        for k, w in self.parameters.items():
            self.m[k] += (1 - self.beta1) * (gradients[k] - self.m[k])
            self.v[k] += (1 - self.beta2) * (gradients[k] * gradients[k] - self.v[k])
            w -= self.learning_rate * c2 / c1 * self.m[k] / (np.sqrt(self.v[k]) + self.eps * c2)
""",
}
WRONG = {
    "no bias correction": ("no-correction", INIT + STEP.replace("self.m[k] / (1 - self.beta1 ** self.t)", "self.m[k]").replace("self.v[k] / (1 - self.beta2 ** self.t)", "self.v[k]")),
    "eps inside the root": ("eps-inside", INIT + STEP.replace("(np.sqrt(v) + self.eps)", "np.sqrt(v + self.eps)")),
    "t counts parameters": ("t-per-parameter", INIT + STEP.replace("        self.t += 1\n", "").replace("gradients.items():\n", "gradients.items():\n            self.t += 1\n")),
    "one buffer for all": ("shared-buffer", """
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.m = self.v = 0
        self.t = 0
    def step(self, gradients):
        self.t += 1
        for k, g in gradients.items():
            self.m = self.beta1 * self.m + (1 - self.beta1) * g
            self.v = self.beta2 * self.v + (1 - self.beta2) * g * g
            m = self.m / (1 - self.beta1 ** self.t)
            v = self.v / (1 - self.beta2 ** self.t)
            self.parameters[k] -= self.learning_rate * m / (np.sqrt(v) + self.eps)
"""),
    "t from zero of one kind, no root": ("no-root no-correction", INIT + STEP.replace("self.m[k] / (1 - self.beta1 ** self.t)", "self.m[k]").replace("self.v[k] / (1 - self.beta2 ** self.t)", "self.v[k]").replace("np.sqrt(v)", "v")),
    "v without the square": ("square-missing", INIT + STEP.replace("g ** 2", "abs(g)")),
    "t counts parameters, eps inside": ("eps-inside t-per-parameter", INIT + STEP.replace("        self.t += 1\n", "").replace("gradients.items():\n", "gradients.items():\n            self.t += 1\n").replace("(np.sqrt(v) + self.eps)", "np.sqrt(v + self.eps)")),
}
