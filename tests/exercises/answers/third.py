"""20 right and 30 wrong answers to exercises 1 to 7, as different students would write them."""

RIGHT = {}
WRONG = {}

# ---------------------------------------------------------------- e01
RIGHT["e01_softmax"] = {
    "shift in float64, exponentials in float32, normalised in float64": """
def softmax(z):
    shifted = (z - z.max(axis=1, keepdims=True)).astype(np.float32)
    e = np.exp(shifted).astype(np.float64)
    return e / e.sum(axis=1, keepdims=True)
""",
    "logaddexp.reduce, no division at all": """
def softmax(z):
    log_total = np.logaddexp.reduce(z, axis=1)
    return np.exp(z - log_total[:, np.newaxis])
""",
    "class working on the transpose, einsum for the sum": """
class _Scores:
    def __init__(self, z):
        self.columns = np.array(z, dtype=np.float64).T      # (K, N), a copy

    def shifted(self):
        return self.columns - np.amax(self.columns, axis=0)

    def probabilities(self):
        e = np.exp(self.shifted())
        return (e * (1.0 / np.einsum("kn->n", e))).T


def softmax(z):
    return _Scores(z).probabilities()
""",
}
WRONG["e01_softmax"] = {
    "axis 0": (
        "Maximum and sum are taken down the columns (axis 0), so the examples share one probability mass; the student believes that axis=0 means 'the rows'.",
        """
def softmax(z):
    e = np.exp(z - np.max(z, axis=0))
    return e / np.sum(e, axis=0)
""",
    ),
    "global maximum": (
        "The maximum of the whole batch is subtracted instead of each row's own. A row far below another row underflows to all zeros, and 0/0 gives nan. Written because z.max() 'is enough to stop overflow'.",
        """
def softmax(z):
    z = z - np.max(z)
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)
""",
    ),
    "in place": (
        "The numbers are right, but `z -= ...` changes the caller's array; the student thinks -= on an argument is local.",
        """
def softmax(z):
    z -= z.max(axis=1, keepdims=True)
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)
""",
    ),
    "clipped scores": (
        "Scores are clipped to -500..500 instead of being shifted: no overflow, but 10000 and 9000 become equal. A common forum recipe for 'overflow encountered in exp'.",
        """
def softmax(z):
    z = np.clip(z, -500, 500)
    e = np.exp(z)
    return e / np.sum(e, axis=1, keepdims=True)
""",
    ),
    "attention scale and in place": (
        "two: (1) the scores are divided by sqrt(K), carried over from scaled dot-product attention; (2) the maximum is subtracted in place, so the caller's z changes.",
        """
def softmax(z):
    K = z.shape[1]
    z -= np.max(z, axis=1, keepdims=True)
    e = np.exp(z / np.sqrt(K))
    return e / np.sum(e, axis=1, keepdims=True)
""",
    ),
}

# ---------------------------------------------------------------- e02
RIGHT["e02_softmax_backward"] = {
    "full Jacobian by einsum": """
def softmax_backward(dy, s):
    K = s.shape[1]
    jac = np.einsum("ni,ij->nij", s, np.eye(K)) - np.einsum("ni,nj->nij", s, s)
    return np.einsum("ni,nij->nj", dy, jac)
""",
    "batched matmul for the dot products": """
def softmax_backward(dy, s):
    dots = np.matmul(dy[:, None, :], s[:, :, None])[:, 0]     # (N, 1)
    return (dy - dots) * s
""",
    "in place on a fresh product": """
def softmax_backward(dy, s):
    g = np.multiply(dy, s)
    total = np.add.reduce(g, axis=-1, keepdims=True)
    correction = s * total
    np.subtract(g, correction, out=g)
    return g
""",
}
WRONG["e02_softmax_backward"] = {
    "diagonal only": (
        "Only the diagonal of the Jacobian, s(1 - s), is used, as for the sigmoid; the influence of one score on the other probabilities is missing.",
        """
def softmax_backward(dy, s):
    return dy * s * (1 - s)
""",
    ),
    "s missing in the sum": (
        "The sum that is subtracted is sum_i dy_i instead of sum_i dy_i s_i: the student drops the inner s when factoring s_j out.",
        """
def softmax_backward(dy, s):
    return s * (dy - np.sum(dy, axis=1, keepdims=True))
""",
    ),
    "mean for sum": (
        "The weighted sum is written as np.mean(dy * s), which divides by K; the student thinks of 'subtracting the mean of dy', but s already holds the weights.",
        """
def softmax_backward(dy, s):
    average = np.mean(dy * s, axis=1, keepdims=True)
    return s * (dy - average)
""",
    ),
    "batch dot product, over N": (
        "two: (1) np.sum without an axis (np.vdot) mixes the dot products of all rows; (2) the result is divided by the batch size although the loss has done that already.",
        """
def softmax_backward(dy, s):
    N = dy.shape[0]
    dot = np.vdot(dy, s)
    return s * (dy - dot) / N
""",
    ),
}

# ---------------------------------------------------------------- e03
RIGHT["e03_cross_entropy"] = {
    "row by row with math and list comprehensions": """
import math


def _log_probs(row):
    top = max(row)
    lse = top + math.log(math.fsum(math.exp(v - top) for v in row))
    return [v - lse for v in row]


def cross_entropy(z, labels):
    return -math.fsum(_log_probs(row)[t] for row, t in zip(z.tolist(), labels)) / len(labels)


def cross_entropy_backward(z, labels):
    n = len(labels)
    return np.array([[(math.exp(lp) - (1.0 if k == t else 0.0)) / n for k, lp in enumerate(_log_probs(row))]
                     for row, t in zip(z.tolist(), labels)])
""",
    "one-hot and einsum on margins": """
def _margins(z, labels):
    onehot = (np.arange(z.shape[1])[None, :] == np.asarray(labels)[:, None]).astype(float)
    truth = np.einsum("nk,nk->n", z, onehot)
    return z - truth[:, None], onehot


def cross_entropy(z, labels):
    m, _ = _margins(z, labels)
    return float(np.logaddexp.reduce(m, axis=1).mean())


def cross_entropy_backward(z, labels):
    m, onehot = _margins(z, labels)
    p = np.exp(m - np.logaddexp.reduce(m, axis=1, keepdims=True))
    return (p - onehot) / z.shape[0]
""",
    "class, gradient by going back through log and softmax of given": """
from given import log_softmax, softmax


class _Loss:
    def __init__(self, z, labels):
        self.z, self.labels, self.rows = z, labels, np.arange(len(labels))

    def value(self):
        picked = log_softmax(self.z)[self.rows, self.labels]
        return -picked.sum() / self.rows.size

    def gradient(self):
        # back through log-softmax: dz = dl - softmax * sum(dl)
        dl = np.zeros(self.z.shape)
        dl[self.rows, self.labels] = -1.0 / self.rows.size
        return dl - softmax(self.z) * dl.sum(axis=1, keepdims=True)


def cross_entropy(z, labels):
    return _Loss(z, labels).value()


def cross_entropy_backward(z, labels):
    return _Loss(z, labels).gradient()
""",
}
_CE_BACK = """

def cross_entropy_backward(z, labels):
    d = softmax(z)
    d[np.arange(len(labels)), labels] -= 1
    return d / len(labels)
"""
_CE_FWD = """

def cross_entropy(z, labels):
    return -np.mean(log_softmax(z)[np.arange(len(labels)), labels])
"""
WRONG["e03_cross_entropy"] = {
    "log of softmax plus epsilon": (
        "log(softmax + 1e-12): the epsilon avoids log(0), but caps the loss near 27.6, so a score of 10,000 for the wrong class costs 27.6 and not 10,000.",
        """
from given import softmax


def cross_entropy(z, labels):
    p = softmax(z)
    return -np.mean(np.log(p[np.arange(len(labels)), labels] + 1e-12))
"""
        + _CE_BACK,
    ),
    "gradient not divided by N": (
        "The gradient is softmax - onehot, as every textbook gives it for one example; the 1/N of the mean is forgotten.",
        """
from given import softmax, log_softmax
"""
        + _CE_FWD
        + """

def cross_entropy_backward(z, labels):
    d = softmax(z)
    d[np.arange(z.shape[0]), labels] -= 1
    return d
""",
    ),
    "softmax twice": (
        "log_softmax is given softmax(z) instead of z, so softmax is applied twice in the loss: the student thinks the loss wants probabilities.",
        """
from given import softmax, log_softmax


def cross_entropy(z, labels):
    p = softmax(z)
    return -log_softmax(p)[np.arange(len(labels)), labels].mean()
"""
        + _CE_BACK,
    ),
    "mean over N*K and column indexing": (
        "two: (1) the loss is np.mean over the whole one-hot masked matrix, so it is divided by N*K instead of N; (2) the gradient subtracts 1 from d[:, labels], which hits these columns in every row, instead of d[arange(N), labels].",
        """
from given import softmax, log_softmax


def cross_entropy(z, labels):
    onehot = np.eye(z.shape[1])[labels]
    return -np.mean(onehot * log_softmax(z))


def cross_entropy_backward(z, labels):
    d = softmax(z)
    d[:, labels] -= 1
    return d / len(labels)
""",
    ),
}

# ---------------------------------------------------------------- e04
RIGHT["e04_linear"] = {
    "einsum throughout": """
def linear(x, W, b):
    return np.einsum("ni,ik->nk", x, W) + b


def linear_backward(dy, x, W):
    return (np.einsum("nk,ik->ni", dy, W), np.einsum("ni,nk->ik", x, dy), np.einsum("nk->k", dy))
""",
    "explicit loops": """
def linear(x, W, b):
    N, D = x.shape
    K = W.shape[1]
    y = np.zeros((N, K))
    for n in range(N):
        for k in range(K):
            total = b[k]
            for i in range(D):
                total += x[n, i] * W[i, k]
            y[n, k] = total
    return y


def linear_backward(dy, x, W):
    dx, dW, db = np.zeros(x.shape), np.zeros(W.shape), np.zeros(W.shape[1])
    for n in range(x.shape[0]):
        for k in range(W.shape[1]):
            g = dy[n, k]
            db[k] += g
            for i in range(x.shape[1]):
                dx[n, i] += g * W[i, k]
                dW[i, k] += g * x[n, i]
    return dx, dW, db
""",
    "bias as a last row of an augmented matrix": """
def _with_ones(x):
    return np.hstack([x, np.ones((x.shape[0], 1))])


def linear(x, W, b):
    return _with_ones(x) @ np.vstack([W, b])


def linear_backward(dy, x, W):
    dA = (dy.T @ _with_ones(x)).T           # (D + 1, K)
    return (W @ dy.T).T, dA[:-1], dA[-1]
""",
}
WRONG["e04_linear"] = {
    "bias gradient averaged": (
        "db is dy.mean(axis=0) instead of the sum: the student divides by the batch size again although the loss has done so. Right for one example.",
        """
def linear(x, W, b):
    return x @ W + b


def linear_backward(dy, x, W):
    return dy @ W.T, x.T @ dy, dy.mean(axis=0)
""",
    ),
    "reshape for transpose": (
        "W.reshape(K, D) stands where W.T belongs: the shape fits, the numbers are in other places. A usual fix for 'shapes not aligned'.",
        """
def linear(x, W, b):
    return np.dot(x, W) + b


def linear_backward(dy, x, W):
    D, K = W.shape
    dx = np.dot(dy, W.reshape(K, D))
    dW = np.dot(x.T, dy)
    db = np.sum(dy, axis=0)
    return dx, dW, db
""",
    ),
    "weight gradient over N": (
        "dW is divided by the batch size, as in online course code in which the loss gradient was not yet averaged; db is not.",
        """
def linear(x, W, b):
    return x.dot(W) + b


def linear_backward(dy, x, W):
    m = x.shape[0]
    dW = x.T.dot(dy) / m
    db = dy.sum(axis=0)
    dx = dy.dot(W.T)
    return dx, dW, db
""",
    ),
    "no bias, product of sums": (
        "two: (1) the bias is never added in the forward pass; (2) dW is the outer product of the sums over the batch instead of the sum of the outer products (right only for one example).",
        """
def linear(x, W, b):
    return x @ W


def linear_backward(dy, x, W):
    dx = dy @ W.T
    db = dy.sum(axis=0)
    dW = np.outer(x.sum(axis=0), db)
    return dx, dW, db
""",
    ),
}

# ---------------------------------------------------------------- e05
RIGHT["e05_relu"] = {
    "half of x plus its absolute value; masked copy": """
def relu(x):
    return (x + np.abs(x)) / 2


def relu_backward(dy, x):
    dx = dy.copy()
    dx[~(x > 0)] = 0.0
    return dx
""",
    "flat list comprehensions": """
def relu(x):
    return np.array([v if v > 0 else 0.0 for v in x.ravel().tolist()], dtype=np.float64).reshape(x.shape)


def relu_backward(dy, x):
    flat = [g if v > 0 else 0.0 for g, v in zip(dy.ravel().tolist(), x.ravel().tolist())]
    return np.array(flat, dtype=np.float64).reshape(x.shape)
""",
}
WRONG["e05_relu"] = {
    "passes at zero": (
        "The mask is x >= 0, so the gradient passes at x = 0 too; the student mirrors 'negative numbers become 0'.",
        """
def relu(x):
    return np.maximum(x, 0)


def relu_backward(dy, x):
    return np.where(x >= 0, dy, 0.0)
""",
    ),
    "forward in place": (
        "relu writes the zeros into the caller's x (x[x < 0] = 0) and returns it: shortest code found on the web.",
        """
def relu(x):
    x[x < 0] = 0
    return x


def relu_backward(dy, x):
    return dy * (x > 0)
""",
    ),
    "integer result": (
        "The result array is made with dtype=int because the example shows whole numbers, so fractions are cut off on assignment (0.7 becomes 0).",
        """
def relu(x):
    y = np.zeros(x.shape, dtype=int)
    y[x > 0] = x[x > 0]
    return y


def relu_backward(dy, x):
    return np.where(x > 0, dy, 0)
""",
    ),
    "leaky and dy in place": (
        "two: (1) the forward pass is leaky ReLU (0.01 x below 0), remembered from another network; (2) the backward pass writes zeros into the caller's dy.",
        """
def relu(x):
    return np.where(x > 0, x, 0.01 * x)


def relu_backward(dy, x):
    dx = dy
    dx[x <= 0] = 0
    return dx
""",
    ),
}

# ---------------------------------------------------------------- e06
RIGHT["e06_conv2d"] = {
    "as_strided windows and tensordot": """
from numpy.lib.stride_tricks import as_strided


def _pad(x, p):
    N, H, W, C = x.shape
    out = np.zeros((N, H + 2 * p, W + 2 * p, C))
    out[:, p:p + H, p:p + W] = x
    return out


def _windows(xp, kh, kw, stride):
    N, H, W, C = xp.shape
    a, b, c, d = xp.strides
    shape = (N, (H - kh) // stride + 1, (W - kw) // stride + 1, kh, kw, C)
    return as_strided(xp, shape, (a, b * stride, c * stride, b, c, d), writeable=False)


def conv2d(x, W, stride, padding):
    return np.tensordot(_windows(_pad(x, padding), W.shape[0], W.shape[1], stride), W, axes=([3, 4, 5], [0, 1, 2]))


def conv2d_backward(dy, x, W, stride, padding):
    kh, kw = W.shape[:2]
    H, Wd = x.shape[1:3]
    Ho, Wo = dy.shape[1:3]
    xp = _pad(x, padding)
    dW = np.tensordot(_windows(xp, kh, kw, stride), dy, axes=([0, 1, 2], [0, 1, 2]))
    dxp = np.zeros(xp.shape)
    for i in range(kh):
        for j in range(kw):
            dxp[:, i:i + stride * Ho:stride, j:j + stride * Wo:stride][:, :Ho, :Wo] += dy @ W[i, j].T
    return dxp[:, padding:padding + H, padding:padding + Wd], dW
""",
    "im2col with index arrays, add.at on the way back": """
class _Geometry:
    def __init__(self, x_shape, W_shape, stride, padding):
        self.N, self.H, self.W, self.C = x_shape
        self.kh, self.kw, _, self.K = W_shape
        self.p = padding
        self.Ho = (self.H + 2 * padding - self.kh) // stride + 1
        self.Wo = (self.W + 2 * padding - self.kw) // stride + 1
        self.rows = (np.arange(self.Ho) * stride)[:, None, None, None] + np.arange(self.kh)[None, None, :, None]
        self.cols = (np.arange(self.Wo) * stride)[None, :, None, None] + np.arange(self.kw)[None, None, None, :]

    def im2col(self, x):
        xp = np.pad(x, [(0, 0), (self.p, self.p), (self.p, self.p), (0, 0)])
        return xp[:, self.rows, self.cols].reshape(self.N * self.Ho * self.Wo, self.kh * self.kw * self.C)

    def col2im(self, cols):
        dxp = np.zeros((self.N, self.H + 2 * self.p, self.W + 2 * self.p, self.C))
        np.add.at(dxp, (slice(None), self.rows, self.cols),
                  cols.reshape(self.N, self.Ho, self.Wo, self.kh, self.kw, self.C))
        return dxp[:, self.p:self.p + self.H, self.p:self.p + self.W]


def conv2d(x, W, stride, padding):
    g = _Geometry(x.shape, W.shape, stride, padding)
    return (g.im2col(x) @ W.reshape(-1, g.K)).reshape(g.N, g.Ho, g.Wo, g.K)


def conv2d_backward(dy, x, W, stride, padding):
    g = _Geometry(x.shape, W.shape, stride, padding)
    d = dy.reshape(-1, g.K)
    return g.col2im(d @ W.reshape(-1, g.K).T), (g.im2col(x).T @ d).reshape(W.shape)
""",
    "sliding_window_view; dx as full convolution of the spread-out dy with the flipped filter": """
from numpy.lib.stride_tricks import sliding_window_view


def _correlate(xp, W):
    v = sliding_window_view(xp, W.shape[:2], axis=(1, 2))            # N H' W' C kh kw
    return np.einsum("nhwcij,ijck->nhwk", v, W, optimize=True)


def _padded(x, p):
    return np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), mode="constant")


def conv2d(x, W, stride, padding):
    v = sliding_window_view(_padded(x, padding), W.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("nhwcij,ijck->nhwk", v, W, optimize=True)


def conv2d_backward(dy, x, W, stride, padding):
    kh, kw = W.shape[:2]
    N, H, Wd, C = x.shape
    v = sliding_window_view(_padded(x, padding), (kh, kw), axis=(1, 2))[:, ::stride, ::stride]
    dW = np.einsum("nhwcij,nhwk->ijck", v, dy, optimize=True)
    spread = np.zeros((N, H + 2 * padding + kh - 1, Wd + 2 * padding + kw - 1, dy.shape[3]))
    hs = kh - 1 + stride * np.arange(dy.shape[1])
    ws = kw - 1 + stride * np.arange(dy.shape[2])
    spread[:, hs[:, None], ws[None, :]] = dy
    dx = _correlate(spread, W[::-1, ::-1].transpose(0, 1, 3, 2))
    return dx[:, padding:padding + H, padding:padding + Wd], dW
""",
}
_CONV_HEAD = """
def _pad(x, p):
    return np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))

"""
_CONV_FWD = """
def conv2d(x, W, stride, padding):
    kh, kw, C, K = W.shape
    xp = _pad(x, padding)
    Ho = (xp.shape[1] - kh) // stride + 1
    Wo = (xp.shape[2] - kw) // stride + 1
    y = np.zeros((x.shape[0], Ho, Wo, K))
    for i in range(kh):
        for j in range(kw):
            y += xp[:, i:i + (Ho - 1) * stride + 1:stride, j:j + (Wo - 1) * stride + 1:stride] @ W[i, j]
    return y

"""
_CONV_BWD = """
def conv2d_backward(dy, x, W, stride, padding):
    kh, kw, C, K = W.shape
    N, H, Wi, _ = x.shape
    Ho, Wo = dy.shape[1:3]
    xp = _pad(x, padding)
    dxp = np.zeros(xp.shape)
    dW = np.zeros(W.shape)
    for i in range(kh):
        for j in range(kw):
            hs = slice(i, i + (Ho - 1) * stride + 1, stride)
            ws = slice(j, j + (Wo - 1) * stride + 1, stride)
            dW[i, j] = np.tensordot(xp[:, hs, ws], dy, axes=([0, 1, 2], [0, 1, 2]))
            dxp[:, hs, ws] += dy @ W[i, j].T
    return dxp[:, padding:padding + H, padding:padding + Wi], dW
"""


def _swap(text, *pairs):
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


WRONG["e06_conv2d"] = {
    "dx assigned, not added": (
        "In the backward pass dx is written with = instead of +=, so a pixel that several windows use keeps only the last one's share.",
        _CONV_HEAD + _CONV_FWD + _swap(_CONV_BWD, ("dxp[:, hs, ws] += ", "dxp[:, hs, ws] = ")),
    ),
    "padding cut with a negative index": (
        "The padding is cut off with padding:-padding, which is the empty slice 0:0 when padding is 0.",
        _CONV_HEAD
        + _CONV_FWD
        + _swap(
            _CONV_BWD,
            ("dxp[:, padding:padding + H, padding:padding + Wi]", "dxp[:, padding:-padding, padding:-padding]"),
        ),
    ),
    "stride only in the size": (
        "The forward pass uses stride for the size of the result but then reads windows next to each other (start h instead of h * stride). Right for stride 1, the only case the student tried.",
        _CONV_HEAD
        + _swap(
            _CONV_FWD,
            ("i:i + (Ho - 1) * stride + 1:stride", "i:i + Ho"),
            ("j:j + (Wo - 1) * stride + 1:stride", "j:j + Wo"),
        )
        + _CONV_BWD,
    ),
    "flipped filter, dW averaged": (
        "two: (1) the forward pass flips the filter, as in the mathematical definition of convolution; (2) dW is divided by the batch size, although the loss did that.",
        _CONV_HEAD
        + _swap(_CONV_FWD, ("@ W[i, j]", "@ W[kh - 1 - i, kw - 1 - j]"))
        + _swap(_CONV_BWD, ("axes=([0, 1, 2], [0, 1, 2]))", "axes=([0, 1, 2], [0, 1, 2])) / N")),
    ),
    "edge padding in the forward pass, flipped filter in dx": (
        "two: (1) the forward pass pads by repeating the border (mode='edge') instead of zeros; (2) the backward pass scatters dy with the filter flipped, because 'the backward pass is a convolution with the flipped filter', which does not hold for scattering.",
        _CONV_HEAD
        + _swap(
            _CONV_FWD,
            (
                "xp = _pad(x, padding)",
                'xp = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode="edge")',
            ),
        )
        + _swap(_CONV_BWD, ("dy @ W[i, j].T", "dy @ W[::-1, ::-1][i, j].T")),
    ),
}

# ---------------------------------------------------------------- e07
RIGHT["e07_max_pool2d"] = {
    "explicit loops": """
def _count(length, size, stride):
    return (length - size) // stride + 1


def max_pool2d(x, size, stride):
    N, H, W, C = x.shape
    y = np.empty((N, _count(H, size, stride), _count(W, size, stride), C))
    for n, h, w, c in np.ndindex(*y.shape):
        y[n, h, w, c] = max(x[n, h * stride + i, w * stride + j, c] for i in range(size) for j in range(size))
    return y


def max_pool2d_backward(dy, x, size, stride):
    dx = np.zeros(x.shape)
    places = [(i, j) for i in range(size) for j in range(size)]
    for n, h, w, c in np.ndindex(*dy.shape):
        # max() keeps the first of equal ones
        i, j = max(places, key=lambda ij: x[n, h * stride + ij[0], w * stride + ij[1], c])
        dx[n, h * stride + i, w * stride + j, c] += dy[n, h, w, c]
    return dx
""",
    "strided view, argmax, bincount": """
from numpy.lib.stride_tricks import sliding_window_view


def _view(a, size, stride):
    v = sliding_window_view(a, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return v.reshape(*v.shape[:4], size * size)


def max_pool2d(x, size, stride):
    return _view(x, size, stride).max(axis=-1)


def max_pool2d_backward(dy, x, size, stride):
    where = _view(np.arange(x.size).reshape(x.shape), size, stride)
    best = _view(x, size, stride).argmax(axis=-1)
    target = np.take_along_axis(where, best[..., None], axis=-1)[..., 0]
    return np.bincount(target.ravel(), weights=dy.ravel(), minlength=x.size).reshape(x.shape)
""",
    "class going backwards through the places, the last to claim is the first in reading order": """
class _Pool:
    def __init__(self, x, size, stride):
        self.x, self.size, self.stride = x, size, stride
        self.Ho = (x.shape[1] - size) // stride + 1
        self.Wo = (x.shape[2] - size) // stride + 1

    def at(self, array, place):
        i, j = divmod(place, self.size)
        return array[:, i::self.stride, j::self.stride][:, :self.Ho, :self.Wo]

    def top(self):
        last = self.size * self.size - 1
        best = self.at(self.x, last).copy()
        winner = np.full(best.shape, last)
        for place in range(last - 1, -1, -1):
            here = self.at(self.x, place)
            take = here >= best
            best = np.where(take, here, best)
            winner[take] = place
        return best, winner


def max_pool2d(x, size, stride):
    return _Pool(x, size, stride).top()[0]


def max_pool2d_backward(dy, x, size, stride):
    pool = _Pool(x, size, stride)
    winner = pool.top()[1]
    dx = np.zeros(x.shape)
    for place in range(size * size):
        pool.at(dx, place)[...] += np.where(winner == place, dy, 0.0)
    return dx
""",
}
_POOL_FWD = """
def max_pool2d(x, size, stride):
    N, H, W, C = x.shape
    Ho = (H - size) // stride + 1
    Wo = (W - size) // stride + 1
    y = np.zeros((N, Ho, Wo, C))
    for h in range(Ho):
        for w in range(Wo):
            y[:, h, w] = x[:, h * stride:h * stride + size, w * stride:w * stride + size].max(axis=(1, 2))
    return y

"""
_POOL_BWD = """
def max_pool2d_backward(dy, x, size, stride):
    N, Ho, Wo, C = dy.shape
    dx = np.zeros(x.shape)
    n, c = np.arange(N)[:, None], np.arange(C)[None, :]
    for h in range(Ho):
        for w in range(Wo):
            window = x[:, h * stride:h * stride + size, w * stride:w * stride + size].reshape(N, size * size, C)
            i, j = np.divmod(window.argmax(axis=1), size)
            dx[n, h * stride + i, w * stride + j, c] += dy[:, h, w]
    return dx
"""
WRONG["e07_max_pool2d"] = {
    "all equal ones get dy": (
        "The gradient goes to every place that equals the maximum (mask window == max), so ties get dy several times; random data never shows it.",
        _POOL_FWD
        + """
def max_pool2d_backward(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for h in range(dy.shape[1]):
        for w in range(dy.shape[2]):
            hs = slice(h * stride, h * stride + size)
            ws = slice(w * stride, w * stride + size)
            window = x[:, hs, ws]
            mask = window == window.max(axis=(1, 2), keepdims=True)
            dx[:, hs, ws] += mask * dy[:, h:h + 1, w:w + 1]
    return dx
""",
    ),
    "running maximum from zero": (
        "The running maximum starts from np.zeros, so a window of negative numbers gives 0; the student has only pooled after ReLU.",
        """
def max_pool2d(x, size, stride):
    N, H, W, C = x.shape
    Ho = (H - size) // stride + 1
    Wo = (W - size) // stride + 1
    y = np.zeros((N, Ho, Wo, C))
    for i in range(size):
        for j in range(size):
            y = np.maximum(y, x[:, i:i + (Ho - 1) * stride + 1:stride, j:j + (Wo - 1) * stride + 1:stride])
    return y

"""
        + _POOL_BWD,
    ),
    "row and column of the winner swapped": (
        "In the backward pass the winner's flat index is unpacked as `j, i = divmod(index, size)` instead of `i, j`, so dy goes to the transposed place of the window: the student thinks of x before y.",
        _POOL_FWD + _swap(_POOL_BWD, ("i, j = np.divmod", "j, i = np.divmod")),
    ),
    "edge windows and last of equals": (
        "two: (1) the number of windows is rounded up (ceil mode), so cut-off windows at the edge count too; (2) the backward pass keeps the last of several equal numbers (>=) instead of the first.",
        _swap(
            _POOL_FWD,
            ("(H - size) // stride + 1", "min(int(np.ceil((H - size) / stride)) + 1, len(range(0, H, stride)))"),
            ("(W - size) // stride + 1", "min(int(np.ceil((W - size) / stride)) + 1, len(range(0, W, stride)))"),
        )
        + """
def max_pool2d_backward(dy, x, size, stride):
    N, Ho, Wo, C = dy.shape
    dx = np.zeros(x.shape)
    for n in range(N):
        for h in range(Ho):
            for w in range(Wo):
                for c in range(C):
                    best = -np.inf
                    for i in range(size):
                        for j in range(size):
                            v = x[n, h * stride + i, w * stride + j, c]
                            if v >= best:
                                best, bi, bj = v, i, j
                    dx[n, h * stride + bi, w * stride + bj, c] += dy[n, h, w, c]
    return dx
""",
    ),
}
