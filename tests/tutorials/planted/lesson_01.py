"""Changes of lesson 1: each turns one claim red."""

PLANTED = [
    ("doubling for each point gives 8/11, 2/11 and 1/11", "powers = 2.0**z", "powers = 3.0**z"),
    (
        "plain shares change when 100 is added to all scores: 75 % falls below 35 %",
        "share = 103 / (103 + 101 + 100)",
        "share = 3 / (3 + 1 + 0)",
    ),
    ("softmax does not change, to 12 digits", "abs(softmax_naive(z + 100) - p)", "abs(softmax_naive(z * 100) - p)"),
    ("float32 overflows between a score of 88 and one of 89", "np.float32([88, 89])", "np.float64([88, 89])"),
    ("on ordinary scores the short cut is exact to 15 digits", "np.exp(z - z.max())", "np.exp(z / z.max())"),
    (
        "beside a row of large scores, an ordinary row turns into nan",
        "short = softmax_one_maximum(pair)",
        "short = softmax(pair)",
    ),
    ("with the maximum of each row, both rows are right", "m = z.max(axis=1, keepdims=True)  #", "m = z.max()  #"),
    (
        "the logarithm of the second probability is -inf, if taken too late",
        "too_late = np.log(softmax(extreme))",
        "too_late = log_softmax(extreme)",
    ),
    ("log-softmax knows that it is -20000", "shifted = z - m", "shifted = z - m / 2"),
    (
        "our softmax is minnet's on 1,000 rows of scores up to 22,000",
        "functional.softmax(many)",
        "functional.softmax(-many)",
    ),
    (
        "our log-softmax is minnet's",
        "functional.log_softmax(many)",
        "np.log(functional.softmax(many) + 1e-7)",
    ),
    ("the entropy of (1/2, 1/4, 1/4) is 3/2 log 2", "return -(p * logs).sum(axis=1)", "return (p * logs).sum(axis=1)"),
    ("as it gets hotter, entropy never falls", "np.logspace(-2, 3, 200)", "np.logspace(3, -2, 200)"),
    ("it rises from 0 to log 3", "np.logspace(-2, 3, 200)", "np.logspace(-2, 0, 200)"),
    (
        "at T = 50 the winner of none of the 1,000 rows has changed",
        "winners = softmax(many / 50)",
        "winners = softmax(many + 50 * np.eye(1000, 10))",
    ),
]
