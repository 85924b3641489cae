RIGHT = {
    "given": """
from given import log_softmax, softmax
def cross_entropy(z, labels):
    return -np.mean([row[k] for row, k in zip(log_softmax(z), labels)])
def cross_entropy_backward(z, labels):
    d = softmax(z)
    d[np.arange(len(z)), labels] -= 1
    return d / len(z)
""",
    "one-hot": """
def _log_p(z):
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))
def cross_entropy(z, labels):
    t = np.eye(z.shape[1])[labels]
    return float(-(t * _log_p(z)).sum() / z.shape[0])
def cross_entropy_backward(z, labels):
    t = np.eye(z.shape[1])[labels]
    return (np.exp(_log_p(z)) - t) / z.shape[0]
""",
    "take_along_axis in float32": """
def cross_entropy(z, labels):
    z = z.astype(np.float32)
    m = z.max(axis=1)
    lse = m + np.log(np.sum(np.exp(z - m[:, None]), axis=1))
    return (lse - np.take_along_axis(z, labels[:, None], 1)[:, 0]).mean()
def cross_entropy_backward(z, labels):
    z = z.astype(np.float32)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    np.subtract.at(e, (np.arange(labels.size), labels), 1)
    e *= np.float32(1) / labels.size
    return e
""",
}
WRONG = {
    "gradient of the sum": ("gradient-not-divided", """
from given import softmax, log_softmax
def cross_entropy(z, labels):
    return -log_softmax(z)[np.arange(len(z)), labels].mean()
def cross_entropy_backward(z, labels):
    s = softmax(z)
    s[np.arange(len(z)), labels] -= 1
    return s
"""),
    "log of softmax": ("log-of-zero", """
from given import softmax
def cross_entropy(z, labels):
    s = softmax(z)
    return -np.mean(np.log(s[range(len(z)), labels]))
def cross_entropy_backward(z, labels):
    s = softmax(z)
    s[range(len(z)), labels] -= 1
    return s / len(z)
"""),
    "a small number in the log": ("epsilon-in-log", """
from given import softmax
def cross_entropy(z, labels):
    s = softmax(z)
    return -np.mean(np.log(s[range(len(z)), labels] + 1e-7))
def cross_entropy_backward(z, labels):
    s = softmax(z)
    s[range(len(z)), labels] -= 1
    return s / len(z)
"""),
    "truth minus probability": ("gradient-sign", """
from given import softmax, log_softmax
def cross_entropy(z, labels):
    return -log_softmax(z)[np.arange(len(z)), labels].mean()
def cross_entropy_backward(z, labels):
    t = np.eye(z.shape[1])[labels]
    return (t - softmax(z)) / len(z)
"""),
    "sums, both": ("loss-not-divided gradient-not-divided", """
from given import softmax, log_softmax
def cross_entropy(z, labels):
    return -log_softmax(z)[np.arange(len(z)), labels].sum()
def cross_entropy_backward(z, labels):
    t = np.eye(z.shape[1])[labels]
    return softmax(z) - t
"""),
    "through the Jacobian, twice softmaxed": ("gradient-through-jacobian-again", """
from given import softmax, log_softmax, softmax_backward
def cross_entropy(z, labels):
    return -log_softmax(z)[np.arange(len(z)), labels].mean()
def cross_entropy_backward(z, labels):
    s = softmax(z)
    dy = (s - np.eye(z.shape[1])[labels]) / len(z)
    return softmax_backward(dy, s)
"""),
}
