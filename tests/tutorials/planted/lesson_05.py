"""Changes of lesson 5: each turns one claim red."""

PLANTED = [
    ("by hand and in code dW1 is (-1, 0), (-2, 0)", "da = dh * (a > 0)", "da = dh"),
    ("a straight border gets at most 65 % of the ring points right", "straight, bent, rights = [Linear(2, 2, rng)]",
     "straight, bent, rights = [Linear(2, 9, rng), ReLU(), Linear(9, 2, rng)]"),
    ("with a hidden layer at least 97 % are right", "Linear(2, hidden, rng), ReLU(), Linear",
     "Linear(2, hidden, rng), Linear"),
    ("our backward pass has a relative error below 1e-7", "return layers[0].dW, measured",
     "return layers[0].dW.T.reshape(layers[0].W.shape), measured"),
    ("a factor of 2 gives a relative error of 1", "return 2 * dy * self.on", "return 3 * dy * self.on"),
    ("the wrong mask gives a relative error above 0.1", "return dy * (dy > 0)", "return dy * self.on"),
    ("minnet's dW of the first layer is ours", "= ours.W, ours.b", "= ours.W, ours.b + 1"),
    ("gradcheck says that there is one division by the batch size too many", "self.db = dy.mean(axis=0)",
     "self.db = dy.sum(axis=0) / 7"),
    ("with a random matrix in the backward pass more than 90 % are right", '== "fixed" else net, 0.5)',
     '== "fixed" else net[:1], 0.5)'),
    ("W2 has turned towards B: their correlation is above 0.4", '("right", "fixed", "random")',
     '("right", "random", "fixed")'),
]  # fmt: skip
