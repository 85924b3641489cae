"""Changes of lesson 2: each turns one claim red."""

PLANTED = [
    ("the last column is -0.07, -0.02 and 0.09", "J[i, j] = s[i] * (delta - s[j])", "J[i, j] = s[i] * delta - s[j]"),
    (
        "a push of 0.01 moves the probabilities by 0.01 times that column, to 1e-5",
        "np.array([0, 0, 0.01])",
        "np.array([0, 0.01, 0])",
    ),
    (
        "without loops it is the same",
        "return s[..., :, None] * (delta - s[..., None, :])",
        "return s[..., :, None] * delta",
    ),
    (
        "derived and measured agree to 9 decimals in 100 random cases",
        "columns.append((f(z + e) - f(z - e)) / (2 * h))",
        "columns.append((f(z + e) - f(z)) / h)",
    ),
    ("all rows and columns sum to 0", "np.allclose(J.sum(axis=0), 0)", "np.allclose(abs(J).sum(axis=0), 0)"),
    (
        "the rank is 2, one less than the 3 classes",
        "np.linalg.matrix_rank(J) == 2",
        "np.linalg.matrix_rank(np.diag(s)) == 2",
    ),
    (
        "the short product is the whole Jacobian's, to 1e-15",
        "average = (dy * s).sum(axis=-1, keepdims=True)",
        "average = (dy * s).sum(axis=0, keepdims=True)",
    ),
    ("our table is minnet's", "functional.softmax_jacobian(s)", "functional.softmax_jacobian(s[::-1])"),
    ("our product is what minnet's layer sends back", "ours = softmax_backward(dy,", "ours = softmax_backward(-dy,"),
    ("the covariance of 200,000 throws is J to within 0.005", "size=200_000, p=s", "size=200_000, p=s[::-1]"),
    ("1 point wrong: after 200 steps the truth has more than 95 %", "z2 = z2 - 0.5 *", "z2 = z2 - 0.05 *"),
    (
        "10 points wrong: after 200 steps the truth has less than 0.01 %",
        "z2 = np.array([gap, 0.0])",
        "z2 = np.array([gap ** 0.5, 0.0])",
    ),
    ("with dy of ones a wrong sign goes unnoticed", "ones = np.ones((4, K))", "ones = np.arange(K) * np.ones((4, K))"),
]
