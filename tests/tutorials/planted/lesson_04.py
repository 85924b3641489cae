"""Changes of lesson 4: each turns one claim red."""

PLANTED = [
    ("one step by hand raises the truth from 33 % to 75 %", "W = W - 0.3 * dW", "W = W + 0.3 * dW"),
    (
        "the loss starts at log 10 = 2.303, as it must",
        "W, b = np.zeros((x.shape[1], 10)), np.zeros(10)",
        "W, b = np.ones((x.shape[1], 10)), np.arange(10) / 10",
    ),
    (
        "after training more than 95 % of the test pictures are right",
        "order = rng.permutation(len(x))",
        "order = np.argsort(y)",
    ),
    ("an epoch of rough steps lowers the loss further than one exact step", "batch_size=len(train_x)", "batch_size=16"),
    (
        "minnet's weights are ours to 10 decimals",
        "SGD(model, learning_rate)",
        "SGD(model, 0.8 * learning_rate)",
    ),
    (
        "with shuffled pixels exactly as many test pictures are right",
        "cost(test_x[:, shuffled], test_y, W2, b2)",
        "cost(test_x, test_y, W2, b2)",
    ),
    ("the weights are the same, shuffled", "np.allclose(W2, W[shuffled]", "np.allclose(W2, W"),
    ("F1 on paper: 3/5, 4/7 and 2/3", "2 * found, both", "found, both"),
    (
        "a class that is never said has F1 = 0, the other one 2 * 4 / (4 + 6) = 0.8",
        "[[4, 0], [2, 0]]",
        "[[4, 0], [2, 1]]",
    ),
    ("our confusion matrix is minnet's", "counts[y, said] += 1", "counts[said, y] += 1"),
    ("our macro F1 is minnet's", "f1_scores(counts).mean(), theirs", "f1_scores(counts).max(), theirs"),
]
