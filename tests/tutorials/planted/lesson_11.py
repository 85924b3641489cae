"""Changes of lesson 11: each turns one claim red."""

PLANTED = [
    ("the third comment counts 2 great, 1 pizza and nothing else", "column[token]] += 1", "column[token]] = 1"),
    ("in great great pizza both words weigh 0.71", "x[2, [0, 2]], 0.7071", "x[2, [0, 1]], 0.7071"),
    ("our weighted counts are minnet's", "np.allclose(theirs.toarray(), x,", "np.allclose(theirs.toarray(), counts,"),
    (
        "words alone get more than half of 120 unseen comments right",
        "W = fit(words.transform(train_texts), train_y)",
        "W = fit(words.transform(train_texts), train_y[::-1])",
    ),
    (
        "with not or n't fewer are right: the interval of the difference is above 0",
        "found = [right[negated].mean(), right[~negated].mean()]",
        "found = [right[negated].mean(), right2[negated].mean()]",
    ),
    (
        "the strongest push towards positive comes from love",
        "words.features[present[order[-1]]]",
        "words.features[present[order[0]]]",
    ),
    (
        "the sum of the pushes is the difference of the scores",
        "(row @ W)[2] - (row @ W)[0])",
        "(row @ W)[2] - (row @ W)[1])",
    ),
    (
        "row 2 gets two thirds of dy, row 0 a third, the others nothing",
        "np.outer([1 / 3, 0, 2 / 3, 0], dy)",
        "np.outer([1 / 3, 0, 1 / 3, 0], dy)",
    ),
    (
        "measured and derived gradient of the table agree to 8 decimals",
        "bag_forward(E - step, ids)) @ dy / 2e-6",
        "bag_forward(E - step, ids)) @ dy / 1e-6",
    ),
    ("our mean of vectors is minnet's", "bag.forward(ids[None] + 1)[0]", "bag.forward(ids[None])[0]"),
    (
        "minnet keeps only the rows that were used, and they are ours",
        "dE[bag.dW.rows - 1]",
        "dE[bag.dW.rows - 2]",
    ),
    (
        "a filter over three words is minnet's convolution on an image one pixel wide",
        "filters[:, None]",
        "filters[::-1, None]",
    ),
    (
        "the text CNN gives the same answer to more than two thirds of the shuffled comments",
        '(answers["as written"] == answers["shuffled"]).mean()',
        '(answers["as written"] != answers["shuffled"]).mean()',
    ),
    (
        "counting words gives the same answer to every shuffled comment",
        "bag_answers[0] == bag_answers[1]",
        "bag_answers[0] == bag_answers[1][::-1]",
    ),
    ("the mended probabilities are 0.14, 0.36 and 0.51", "moved = p * new / old /", "moved = p / new * old /"),
    (
        "adding the log of the ratio to the scores does the same",
        "softmax(np.log(p) + np.log(new / old))",
        "softmax(np.log(p) - np.log(new / old))",
    ),
    (
        "the mended loss is lower, and the interval of the gain is above 0",
        'losses["as trained"] - losses["mended"])[i]',
        'losses["mended"] - losses["as trained"])[i]',
    ),
]
