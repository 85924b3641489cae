"""Which known mistake each wrong answer has: set down from the writers' descriptions alone, before anything was graded.

Several words are several mistakes; "a|b" is one that either name fits; "?" is one that no known mistake describes.
Where only "?" stands, the right thing for the grader to do is to say nothing.
"""

NAMES = {
    "e01_softmax": {
        "maximum of the whole batch": "batch-maximum",
        "largest absolute value as shift": "?",
        "shift in place": "in-place",
        "float32 before the shift": "?",
        "clipped instead of shifted, one sum for all": "? sum-over-batch",
    },
    "e02_softmax_backward": {
        "diagonal only": "diagonal-only",
        "s_j in place of s_i before the bracket": "?",
        "softmax once more": "softmax-twice",
        "inner product of the whole batch": "summed-over-all",
        "unweighted sum, and divided by N": "sum-without-s divided-by-n",
    },
    "e03_cross_entropy": {
        "1e-12 inside the logarithm": "epsilon-in-log",
        "one-hot as wide as the highest label": "?",
        "chain rule through 1 / s": "?",
        "mean over all entries, and all rows of the labels' columns": "loss-over-entries ?",
        "minus forgotten in the loss, 1/N in the gradient": "loss-sign gradient-not-divided",
    },
    "e04_linear": {
        "dW the other way round": "dW-transposed",
        "bias gradient as a mean": "db-mean",
        "db with two axes": "db-keepdims",
        "x remembered from the last forward pass": "?",
        "reshape for transpose, and one number for db": "? db-one-number",
    },
    "e05_relu": {
        "relu in place": "in-place",
        "np.max for np.maximum": "?",
        "the gradient's own sign decides": "mask-of-dy",
        "dy overwritten, and open at zero": "in-place passes-at-zero",
    },
    "e06_conv2d": {
        "filter flipped": "kernel-flipped",
        "square images only": "?",
        "cut with [p:-p]": "?",
        "stride forgotten on the way back": "?",
        "dx cut at the wrong corner, dW averaged": "? dW-mean",
        "edge numbers repeated as padding, overlap overwritten": "edge-padding overlap-overwritten",
    },
    "e07_max_pool2d": {
        "every equal winner gets dy": "ties-all",
        "the search for the maximum starts at zero": "zero-wins",
        "reshape forward that takes stride = size for granted": "stride-ignored",
        "winner searched over all channels together": "over-channels",
        "assigned instead of added, last of equals": "winner-overwritten ties-last",
    },
    "e08_batch_norm": {
        "biased variance in the running one": "biased-running",
        "momentum the other way round": "momentum-swapped",
        "backward with mean and variance as constants": "constant-statistics",
        "running statistics move in evaluation too": "running-moves-in-evaluation",
        "batch statistics in evaluation, sum instead of mean in backward": "running-unused ?",
    },
    "e09_dropout": {
        "scaling in evaluation instead of in training": "scaled-in-evaluation",
        "an old mask after an evaluation pass": "backward-old-mask",
        "x changed in place": "in-place",
        "one mask for all rows, backward not scaled": "mask-shared backward-not-scaled",
    },
    "e10_adam": {
        "t counted once per parameter": "t-per-parameter",
        "eps under the root": "eps-inside",
        "m and v are one dictionary": "?",
        "gradient squared in place, v not corrected": "in-place second-uncorrected",
    },
    "e11_f1": {
        "only classes that occur": "classes-from-labels",
        "macro F1 from the mean precision and the mean recall": "?",
        "arithmetic mean, weighted by how often a class occurs": "arithmetic-mean macro-weighted",
    },
    "e12_embedding": {
        "repeated tokens counted once": "repeats-lost",
        "padding gives zeros in the forward pass": "padding-zeroed",
        "mean over the places, padding learns": "divided-by-count padding-learns",
    },
    "e13_tokenizer": {
        "apostrophes and hyphens everywhere": "apostrophe-anywhere",
        "unknown tokens dropped": "unknown-dropped",
    },
    "e14_calibration_error": {
        "bins closed on the wrong side": "left-closed",
        "probability of the label, bins all weigh the same": "confidence-of-label unweighted|unweighted-all-bins",
    },
    "e15_temperature": {
        "logarithms divided instead of scores": "?",
    },
    "e16_attention_pool": {
        "masked scores become zero": "mask-multiplies-scores",
        "masked after the softmax, mean instead of sum": "masked-after-softmax divided-by-length",
    },
    "e17_layer_norm": {
        "x centred in place": "in-place",
    },
    "e18_momentum": {
        "weight decay beside the velocity": "?",
    },
    "e19_soft_targets": {
        "smoothing shared among the others only": "others-only",
    },
}
