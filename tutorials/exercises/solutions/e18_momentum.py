import numpy as np


class SGD:
    def __init__(self, parameters, learning_rate, momentum, weight_decay):
        self.parameters = parameters
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay
        self.velocity = {name: np.zeros(w.shape) for name, w in parameters.items()}  # one for each parameter

    def step(self, gradients):
        for name, w in self.parameters.items():
            g = gradients[name] + self.weight_decay * w  # a new array: the gradient itself stays
            self.velocity[name] = self.momentum * self.velocity[name] + g
            w -= self.learning_rate * self.velocity[name]
