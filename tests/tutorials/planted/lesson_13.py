"""Changes of lesson 13: each turns one claim red."""

PLANTED = [
    ("A has the higher accuracy and B the higher mean recall", "[[4, 16], [0, 80]]", "[[14, 6], [0, 80]]"),
    (
        "80 right of 100 means 72 % to 88 %, by formula and by bootstrap, to 1.5 points",
        "np.sqrt(q * (1 - q) / n)\nprint",
        "q * (1 - q) / np.sqrt(n)\nprint",
    ),
    (
        "with 100 examples both intervals hold the truth in 90 to 97 % of the test sets",
        "error = np.sqrt(q * (1 - q) / size)",
        "error = np.sqrt(q * (1 - q) / size) / 2",
    ),
    ("with 5 examples the simple interval holds the truth in less than 75 %", "kept[5][0] < 0.75", "kept[5][1] < 0.75"),
    (
        "the lower end of 5 of 5 right is 0.57, tried rate by rate",
        "abs(1 - rates) <= 1.96 *",
        "abs(1 - rates) <= 2.58 *",
    ),
    ("one against seven gives p = 0.07", "range(min(only_a, only_b) + 1)", "range(min(only_a, only_b) + 2)"),
    ("our p is minnet's", "np.isclose(p, mcnemar", "np.isclose(p / 2, mcnemar"),
    (
        "the paired interval of the gain is at most three quarters as wide",
        "np.ptp(paired) < 0.75 * np.ptp(apart)",
        "np.ptp(apart) < 0.75 * np.ptp(paired)",
    ),
    (
        "our gain is minnet's, and so is our interval to 2 points",
        'theirs["difference"], gain.mean())',
        'theirs["difference"], gain.mean() + 0.01)',
    ),
    ("the calibration error by hand is 0.13", "[1] * 15 + [0] * 28", "[1] * 14 + [0] * 29"),
    ("our temperature is minnet's to 3 %", "np.geomspace(0.2, 20, 200)", "np.geomspace(0.2, 20, 8)"),
    (
        "at the best temperature the score of the truth is as expected, to 3 % of the largest score",
        "p_valid = softmax(sure_valid / T)",
        "p_valid = softmax(sure_valid * T)",
    ),
    ("temperature changes no answer", "before, after = softmax(sure),", "before, after = softmax(-sure),"),
    (
        "with temperature the calibration error on the test comments at least halves",
        "ece(after, y) < ece(before, y) / 2",
        "ece(before, y) < ece(after, y) / 2",
    ),
    (
        "perfect calibration measures an error above 0.02 on 120 comments",
        "np.mean(chance) > 0.02",
        "np.min(chance) > 0.02",
    ),
    (
        "minnet expects the same of perfect calibration, to 0.01",
        "calibrated_ece(after, bins=5)",
        "calibrated_ece(after, bins=500)",
    ),
    ("a count of 24 % means a share of 20 %", "counted = true @ table", "counted = table @ true"),
]
