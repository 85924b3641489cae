"""Changes of lesson 14: each turns one claim red."""

PLANTED = [
    ("the three sigmoids are 0.88, 0.73 and 0.27", "np.where(z >= 0, 1, e)", "np.where(z >= 0, e, 1)"),
    ("measured and derived gradient agree to 9 decimals", "(sigmoid(z) - t) / (N * K)", "(sigmoid(z) - t) / N"),
    ("our loss is minnet's", "np.isclose(theirs.forward(z, t), loss)", "np.isclose(theirs.forward(z, 1 - t), loss)"),
    ("our gradient is minnet's", "np.allclose(theirs.backward(), dz)", "np.allclose(theirs.backward(), 3 * dz)"),
    (
        "softmax of two scores is the sigmoid of their difference, to 1e-12",
        "sigmoid(pairs[:, 0] - pairs[:, 1])",
        "sigmoid(pairs[:, 0])",
    ),
    ("softmax gives the same to scores that sigmoids tell apart by 0.48", "[[0.0, 0.0, -8.0]]", "[[0.0, 0.0, -4.0]]"),
    (
        "with sigmoids more than 90 % of unseen digits are right in each of five trials",
        "W, t = np.zeros((x.shape[1], 10)), np.eye(10)[y]",
        "W, t = np.zeros((x.shape[1], 10)), np.eye(10)[y[::-1]]",
    ),
    (
        "the mean sum over single digits is within 0.15 of 1, though nothing forces it",
        "sums = sigmoid(z).sum(axis=1)",
        "sums = sigmoid(2 + z).sum(axis=1)",
    ),
    (
        "for two overlaid digits the mean sum is nowhere near 2: it is below 1.5",
        "double.mean() < 1.5",
        "double.mean() > 1.5",
    ),
    (
        "the threshold of 0.5 costs more than that of 0.1, and the interval is above 0",
        "np.where(eight, 9 * ((s",
        "np.where(eight, -9 * ((s",
    ),
    (
        "of plain noise and of negatives the network is less sure than of digits",
        'max(strong[0], confidence["negatives"])',
        'max(strong[2], confidence["negatives"])',
    ),
    (
        "the stronger the noise, the surer the network",
        "np.array([f] * 64 + [1]) for f",
        "np.array([1 / f] * 64 + [1]) for f",
    ),
    (
        "of noise sixteen times as strong the network is surer than of digits",
        'strong[2] > confidence["digits"]',
        'strong[0] > confidence["digits"] + 0.2',
    ),
]
