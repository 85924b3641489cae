"""Changes of lesson 0: each turns one claim red."""

PLANTED = [
    (
        "summing over axis 1 leaves one number for each example: 3 and 4",
        "x = np.array([[1.0, 0.0, 2.0], [3.0, 1.0, 0.0]])",
        "x = np.array([[1.0, 0.0, 2.0], [3.0, 1.0, 1.0]])",
    ),
    ("the network is right on more than 9 of 10 new pictures", "epochs=10", "epochs=1"),
    (
        "it gives the true digit of picture 38, a 9, between 60 and 85 %",
        "p = softmax(scores)",
        "p = softmax(scores / 4)",
    ),
    (
        "without keepdims a square array is divided wrongly, and nothing complains",
        "wrong = square / square.sum(axis=1)",
        "wrong = square / square.sum(axis=1, keepdims=True)",
    ),
    ("the three loops give the scores 0 and 2, then 11 and 1", "y[n, k] += x[n, i]", "y[n, k] = x[n, i]"),
    ("x @ W gives the same", "(x @ W == y)", "(x @ W.T[:, ::-1].T == y)"),
    (
        "measured slopes are the derived ones, 12 and 9, to 6 decimals",
        "dL_du = (L(u + h, v) - L(u - h, v)) / (2 * h)",
        "dL_du = (L(u + h, v) - L(u - h, v)) / h",
    ),
    ("one small step against the gradient lowers L from 18 to below 16", "u, v = u - step", "u, v = u + step"),
]
