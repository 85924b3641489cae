import numpy as np


class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.t = 0
        self.m = {name: np.zeros(w.shape) for name, w in parameters.items()}  # a pair of moments for each
        self.v = {name: np.zeros(w.shape) for name, w in parameters.items()}

    def step(self, gradients):
        # After t steps from zero the weights in m add up to 1 - beta1^t only: dividing by it makes m a mean.
        self.t += 1
        for name, w in self.parameters.items():
            g = gradients[name]
            m = self.m[name] = self.beta1 * self.m[name] + (1 - self.beta1) * g
            v = self.v[name] = self.beta2 * self.v[name] + (1 - self.beta2) * g**2
            m_hat, v_hat = m / (1 - self.beta1**self.t), v / (1 - self.beta2**self.t)
            w -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.eps)
