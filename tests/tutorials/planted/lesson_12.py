"""Changes of lesson 12: each turns one claim red."""

PLANTED = [
    ("the weights are 1/7, 2/7, 4/7 and the result is (9/7, 10/7)", "a = softmax(e)", "a = softmax(2 * e)"),
    ("with w = 0 attention is the plain mean", "attention_forward(x, 0 * w)[0]", "attention_forward(x, w)[0]"),
    ("measured and derived dx agree to 8 decimals", "np.outer(a, dy) + np.outer(de, w)", "np.outer(a, dy)"),
    ("measured and derived dw agree to 8 decimals", "dw = x.T @ de", "dw = x.T @ a"),
    (
        "the changes of the scores sum to 0: attention is only ever moved, never made",
        "abs(de.sum()) < 1e-12",
        "abs((x @ dy).sum()) < 1e-12",
    ),
    ("our attention is minnet's with a mask", "[[True] * 5 + [False] * 3]", "[[True] * 6 + [False] * 2]"),
    (
        "without the mask padding gets weight, and the result is another",
        "padded = np.zeros((1, 8, 4))",
        "padded = np.full((1, 8, 4), -1e3 * w)",
    ),
    ("our gradients are minnet's", "layer_dx[0, :5], dx)", "layer_dx[0, :5], 2 * dx)"),
    (
        "with attention more than half of the unseen comments are right",
        "trainer.fit((ids, train_y)",
        "trainer.fit((ids, train_y[::-1])",
    ),
    ("the frozen weights stayed at 0", 'model.layers[2].freeze("W")', 'model.layers[3].freeze("W")'),
    (
        "love and awful have vectors twice as long as the and to have",
        'for word in ("the", "to", "love", "awful"))',
        'for word in ("love", "to", "the", "awful"))',
    ),
    (
        "what a word brings names the word that matters most more often than its weight: interval above 0",
        "bring = a * (table",
        "bring = -a * (table",
    ),
    (
        "in at least a fifth of the comments the word with the most weight is not the one that matters most",
        "hits[:, 0].mean() < 0.8",
        "hits[:, 1].mean() < 0.8",
    ),
]
