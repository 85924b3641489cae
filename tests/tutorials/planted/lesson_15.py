"""Changes of lesson 15: each turns one claim red."""

PLANTED = [
    ("the mean of the estimates is the sum, 10", "power[s] / 0.25 if s", "power[s] if s"),
    ("the mean of their logarithms is 2.18, below log 10", "np.log(estimates).mean() - 2.181", "np.log(10) - 2.181"),
    ("our sampled loss is minnet's for the same draws", "- np.log(times.sum()) - log_q(s)", "- log_q(s)"),
    ("our gradient is minnet's", "(p[0] - 1) * W[y] + p[1:] @ W[s]", "p[0] * W[y] + p[1:] @ W[s]"),
    ("minnet's gradient of W holds at most the drawn rows and the truth", "<= S + 1 < K / 50", "> S + 1"),
    (
        "with 4 draws the mean loss is more than 0.1 too low, with 1,024 it is within 0.03",
        "gaps = exact - tried.mean(axis=1)",
        "gaps = tried.mean(axis=1) - exact",
    ),
    (
        "with the correction the most frequent class is learned to within a third of its share",
        "(np.log(S * shares[s]) if corrected else 0)",
        "(np.log(S * shares[s]) if not corrected else 0)",
    ),
    (
        "without it the most frequent class gets less than half of its share",
        'learned["forgotten"][0] < shares[0] / 2',
        'learned["corrected"][0] < shares[0] / 2',
    ),
    ("the counts 4, 3, 2, 1 need 1, 2, 3 and 3 questions", "(depths([4, 3, 2, 1]) ==", "(depths([4, 3, 2, 2]) =="),
    ("our mean number of questions is minnet's", "bits = share @ depths(counts)", "bits = depths(counts).mean()"),
    ("it lies between the entropy in bits and one more", "bits <= ours < bits + 1", "bits + 1 <= ours"),
    ("the product along the path is minnet's probability", "np.exp(-steps)))", "np.exp(steps)))"),
    (
        "the 2,000 probabilities sum to 1, and nobody divided",
        "np.exp(tree.log_probabilities(x)).sum()",
        "np.exp(tree.log_probabilities(x))[0, 1:].sum()",
    ),
]
