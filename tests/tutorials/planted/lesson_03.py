"""Changes of lesson 3: each turns one claim red."""

PLANTED = [
    ("in units of log 2 the three are 2, 1.75 and 0.25", "-(t * np.log(p)).sum()", "-(p * np.log(t)).sum()"),
    (
        "none of 10,000 other announcements costs less than the truth",
        "costs = -(t * np.log(others)).sum(axis=1)",
        "costs = -(others * np.log(others)).sum(axis=1)",
    ),
    ("the long way ends at (0.7, 0.2, -0.9)", "dp = -t / p", "dp = t / p"),
    (
        "measured and derived gradient of the batch agree to 9 decimals",
        "dz = (np.exp(log_p) - t) / N",
        "dz = np.exp(log_p) - t",
    ),
    ("each row of the gradient sums to 0", "np.allclose(dz.sum(axis=1), 0)", "np.allclose(dz.sum(axis=0), 0)"),
    (
        "with equal scores the loss of ten classes is log 10 = 2.303",
        "loss_and_gradient(np.zeros((500, 10)),",
        "loss_and_gradient(rng.standard_normal((500, 10)),",
    ),
    ("our loss is minnet's", "loss_and_gradient(z, np.eye(4)[y])", "loss_and_gradient(z, np.eye(4)[(y + 1) % 4])"),
    ("our gradient is minnet's, 1/N included", "np.allclose(ours_dz, fused", "np.allclose(ours_dz * len(z), fused"),
    (
        "the long way through a Softmax layer arrives at the same",
        "long_dz = softmax_layer.backward(on_probabilities.backward())",
        "long_dz = on_probabilities.backward()",
    ),
    ("in one step the loss is 200 where the long way has infinity", "[[0.0, -200.0]]", "[[0.0, -90.0]]"),
    (
        "with cross-entropy the truth has more than 95 % after 100 steps",
        "lambda p: p - t, [",
        "lambda p: (p - t) ** 3, [",
    ),
    ("with squared error it still has less than 0.01 %", "@ (2 * (p - t)), [10.0", "@ (2 * (p - t)), [2.0"),
    (
        "with smoothing of 0.1 and three classes the lead settles at log 28 = 3.33",
        "0.9 * hard + 0.1 / 3",
        "0.8 * hard + 0.2 / 3",
    ),
    ("with hard labels the lead is beyond 10 after 20,000 steps", "in range(20_000)", "in range(2_000)"),
    ("our smoothing is minnet's", "label_smoothing=0.1", "label_smoothing=0.2"),
]
