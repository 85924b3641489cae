"""Changes of lesson 10: each turns one claim red."""

PLANTED = [
    (
        "1, 3, 5, 7 become -1.34, -0.45, 0.45, 1.34",
        "sigma = np.sqrt(x.var(axis=0) + eps)",
        "sigma = x.var(axis=0) + eps",
    ),
    (
        "measured and derived dx agree to 8 decimals",
        "(d - d.mean(axis=0) - xhat * (d * xhat).mean(axis=0)) / sigma",
        "(d - d.mean(axis=0)) / sigma",
    ),
    (
        "each column of dx sums to 0: a shift of the batch changes nothing",
        "np.allclose(dx.sum(axis=0), 0)",
        "np.allclose(dx.sum(axis=1), 0)",
    ),
    (
        "our batch normalisation is minnet's, forward and back",
        "np.allclose(layer.dgamma, dgamma)",
        "np.allclose(layer.dgamma, dbeta)",
    ),
    ("dropout keeps the mean of 100,000 numbers to 1 %", ">= p) / (1 - p)", ">= p) / 1"),
    ("with the same random numbers, our dropout is minnet's", "Dropout(p, rng=1)", "Dropout(p, rng=2)"),
    ("in evaluation mode dropout does nothing", "Dropout(p).eval()", "Dropout(p).train()"),
    ("14 steps of weight decay by hand and in minnet leave 49 %", "SGD(linear, 0.1, weight", "SGD(linear, 0.2, weight"),
    ("stacked, less than a millionth of the gradient arrives", "body.W *= 0.5", "body.W *= 2.0"),
    (
        "with residual connections, at least all of it arrives",
        'layers.append(Residual(body) if kind == "residual" else body)',
        "layers.append(body)",
    ),
    ("shifts by a pixel make nine pictures of one", "Augment(flip=False, shift=1", "Augment(flip=False, shift=2"),
    (
        "mirror images make it worse: the whole interval lies below 0",
        'if -row["difference"] > row',
        'if row["difference"] > row',
    ),
    (
        "together, all but mirrors make it better: the whole interval lies above 0",
        'rows = saved["variants"]',
        'rows = saved["variants"] | {"all but mirror images": saved["variants"]["mirror images"]}',
    ),
    (
        "twice the images make it better: the whole interval lies above 0",
        'rows = saved["variants"]',
        'rows = saved["variants"] | {"twice the images": saved["variants"]["plain"]}',
    ),
    (
        "of at least four switches, five seeds cannot say whether they help",
        'rows = saved["variants"]',
        'rows = {k: v | {"difference_interval": v["difference_interval"] / 10} for k, v in saved["variants"].items()}',
    ),
    (
        "five seeds cannot say whether the seven bring more together than one by one",
        '- accuracy["plain"] - alone',
        '- accuracy["plain"]',
    ),
    (
        "plain is right on at least 98 of its 100 training digits and on less than 95 % of the others",
        "seed=0, epochs=30)",
        "seed=0, epochs=1)",
    ),
]
