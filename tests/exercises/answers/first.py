"""24 right and 30 wrong answers to exercises 1 to 12, as different students would write them."""

RIGHT = {
    "e01_softmax": {
        "shift in full precision, exponentials in float32, sums and result in float64": '''
def softmax(z):
    scores = np.array(z, dtype=np.float64)  # a copy, so that the caller's z is left alone
    below_best = scores - np.amax(scores, axis=-1)[:, np.newaxis]
    # only the (harmless) numbers <= 0 go to single precision
    e32 = np.exp(below_best.astype(np.float32))
    e = e32.astype(np.float64)
    return e / e.sum(axis=-1)[:, np.newaxis]
''',
        "through the logarithm: logaddexp.reduce, one exp at the end": '''
def softmax(z):
    z = np.asarray(z, float)
    lse = np.logaddexp.reduce(z, axis=1)      # log of the row's sum, safe for any size
    return np.exp((z.T - lse).T)
''',
    },
    "e02_softmax_backward": {
        "the whole Jacobian by einsum": '''
def softmax_backward(dy, s):
    dy, s = np.asarray(dy, dtype=float), np.asarray(s, dtype=float)
    K = s.shape[1]
    jac = np.einsum("ni,ij->nij", s, np.eye(K)) - np.einsum("ni,nj->nij", s, s)
    return np.einsum("ni,nij->nj", dy, jac)
''',
        "row products with batched matmul, multiplied out first": '''
def _row_dots(a, b):
    """a_n . b_n for every row n, as a column."""
    return np.matmul(a[:, None, :], b[:, :, None])[:, :, 0]


def softmax_backward(dy, s):
    dy = np.asarray(dy, dtype=float)
    s = np.asarray(s, dtype=float)
    return s * dy - _row_dots(dy, s) * s
''',
    },
    "e03_cross_entropy": {
        "with the given log_softmax, list comprehension and a loop": '''
from given import log_softmax


def cross_entropy(z, labels):
    logs = log_softmax(z)
    surprises = [-row[label] for row, label in zip(logs, labels)]
    return float(sum(surprises) / len(surprises))


def cross_entropy_backward(z, labels):
    gradient = np.exp(log_softmax(z))
    for n, label in enumerate(labels):
        gradient[n][label] = gradient[n][label] - 1.0
    return gradient / len(labels)
''',
        "own log-sum-exp in a class, differences to the true score, one-hot by comparison": '''
class _Batch:
    def __init__(self, z, labels):
        z = np.asarray(z, dtype=np.float64)
        labels = np.asarray(labels)
        self.n, self.k = z.shape
        self.truth = labels.reshape(-1, 1) == np.arange(self.k)
        m = z.max(axis=1, keepdims=True)
        self.shifted = z - m
        self.log_sum = np.log(np.exp(self.shifted).sum(axis=1))

    def loss(self):
        return float((self.log_sum - self.shifted[self.truth]).sum() / self.n)

    def gradient(self):
        p = np.exp(self.shifted - self.log_sum[:, None])
        return np.where(self.truth, p - 1, p) / self.n


def cross_entropy(z, labels):
    return _Batch(z, labels).loss()


def cross_entropy_backward(z, labels):
    return _Batch(z, labels).gradient()
''',
    },
    "e04_linear": {
        "einsum everywhere": '''
def linear(x, W, b):
    return np.einsum("ni,ik->nk", x, W) + b


def linear_backward(dy, x, W):
    dy = np.asarray(dy)
    dx = np.einsum("nk,ik->ni", dy, W)
    dW = np.einsum("ni,nk->ik", x, dy)
    db = np.einsum("nk->k", dy)
    return dx, dW, db
''',
        "explicit loops, long names": '''
def linear(x, W, b):
    number_of_examples, number_of_inputs = np.shape(x)
    number_of_outputs = np.shape(W)[1]
    result = np.empty((number_of_examples, number_of_outputs))
    for example in range(number_of_examples):
        for output in range(number_of_outputs):
            total = float(b[output])
            for feature in range(number_of_inputs):
                total += x[example][feature] * W[feature][output]
            result[example, output] = total
    return result


def linear_backward(dy, x, W):
    number_of_inputs, number_of_outputs = np.shape(W)
    gradient_x = np.zeros(np.shape(x))
    gradient_W = np.zeros(np.shape(W))
    gradient_b = np.zeros(number_of_outputs)
    for example, arriving in enumerate(dy):
        for output, gradient in enumerate(arriving):
            gradient_b[output] += gradient
            for feature in range(number_of_inputs):
                gradient_x[example, feature] += gradient * W[feature][output]
                gradient_W[feature, output] += gradient * x[example][feature]
    return gradient_x, gradient_W, gradient_b
''',
    },
    "e05_relu": {
        "copyto where positive; copy and boolean assignment": '''
def relu(x):
    y = np.zeros(np.shape(x))
    np.copyto(y, x, where=np.asarray(x) > 0)
    return y


def relu_backward(dy, x):
    dx = np.array(dy, dtype=float)   # np.array copies
    dx[~(np.asarray(x) > 0)] = 0
    return dx
''',
        "flat list comprehensions": '''
def relu(x):
    a = np.asarray(x)
    return np.array([v if v > 0 else 0.0 for v in a.ravel()], dtype=float).reshape(a.shape)


def relu_backward(dy, x):
    g, a = np.asarray(dy), np.asarray(x)
    return np.array([d if v > 0 else 0.0 for d, v in zip(g.ravel(), a.ravel())], dtype=float).reshape(a.shape)
''',
    },
    "e06_conv2d": {
        "window views; dx as a correlation of the spread-out dy with the turned filter": '''
from numpy.lib.stride_tricks import sliding_window_view


def _padded(x, p):
    return np.pad(np.asarray(x, dtype=float), ((0, 0), (p, p), (p, p), (0, 0)))


def conv2d(x, W, stride, padding):
    kh, kw = W.shape[:2]
    v = sliding_window_view(_padded(x, padding), (kh, kw), axis=(1, 2))   # n h w c i j
    v = v[:, ::stride, ::stride]
    return np.einsum("nhwcij,ijck->nhwk", v, W)


def conv2d_backward(dy, x, W, stride, padding):
    kh, kw, _, K = W.shape
    n, H, B, _ = x.shape
    xp = _padded(x, padding)
    v = sliding_window_view(xp, (kh, kw), axis=(1, 2))[:, ::stride, ::stride]
    dW = np.einsum("nhwcij,nhwk->ijck", v, dy)

    # put stride - 1 zeros between the dy, kh - 1 around them, then correlate with the turned filter
    spread = np.zeros((n, xp.shape[1] + kh - 1, xp.shape[2] + kw - 1, K))
    h_end = kh - 1 + (dy.shape[1] - 1) * stride + 1
    w_end = kw - 1 + (dy.shape[2] - 1) * stride + 1
    spread[:, kh - 1:h_end:stride, kw - 1:w_end:stride] = dy
    u = sliding_window_view(spread, (kh, kw), axis=(1, 2))                # n a b k i j
    dxp = np.einsum("nabkij,ijck->nabc", u, W[::-1, ::-1])
    return dxp[:, padding:padding + H, padding:padding + B], dW
''',
        "loop over the filter's places with strided slices and matmul": '''
def _places(W, stride, Ho, Wo):
    """Each place of the filter with the slice of the padded image that it meets."""
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            yield i, j, (slice(None), slice(i, i + stride * (Ho - 1) + 1, stride), slice(j, j + stride * (Wo - 1) + 1, stride))


def _frame(x, padding):
    N, H, B, C = x.shape
    xp = np.zeros((N, H + 2 * padding, B + 2 * padding, C))
    xp[:, padding:padding + H, padding:padding + B, :] = x
    return xp


def conv2d(x, W, stride, padding):
    xp = _frame(x, padding)
    Ho = (xp.shape[1] - W.shape[0]) // stride + 1
    Wo = (xp.shape[2] - W.shape[1]) // stride + 1
    y = np.zeros((x.shape[0], Ho, Wo, W.shape[3]))
    for i, j, where in _places(W, stride, Ho, Wo):
        y += xp[where] @ W[i, j]
    return y


def conv2d_backward(dy, x, W, stride, padding):
    _, Ho, Wo, _ = dy.shape
    xp = _frame(x, padding)
    dxp, dW = np.zeros(xp.shape), np.zeros(W.shape)
    for i, j, where in _places(W, stride, Ho, Wo):
        dxp[where] += dy @ W[i, j].T
        dW[i, j] = np.tensordot(xp[where], dy, axes=([0, 1, 2], [0, 1, 2]))
    H, B = x.shape[1:3]
    return dxp[:, padding:padding + H, padding:padding + B, :], dW
''',
    },
    "e07_max_pool2d": {
        "four loops, strict comparison keeps the first": '''
def _winner(x, n, r, q, c, size, stride):
    best, at = None, None
    for i in range(r * stride, r * stride + size):
        for j in range(q * stride, q * stride + size):
            if best is None or x[n, i, j, c] > best:
                best, at = x[n, i, j, c], (i, j)
    return best, at


def max_pool2d(x, size, stride):
    N, H, B, C = x.shape
    y = np.zeros((N, (H - size) // stride + 1, (B - size) // stride + 1, C))
    for n, r, q, c in np.ndindex(*y.shape):
        y[n, r, q, c], _ = _winner(x, n, r, q, c, size, stride)
    return y


def max_pool2d_backward(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for n, r, q, c in np.ndindex(*dy.shape):
        _, (i, j) = _winner(x, n, r, q, c, size, stride)
        dx[n, i, j, c] += dy[n, r, q, c]
    return dx
''',
        "as_strided windows, argmax and np.add.at": '''
from numpy.lib.stride_tricks import as_strided


def _windows(x, size, stride):
    x = np.ascontiguousarray(x)
    N, H, B, C = x.shape
    sn, sh, sw, sc = x.strides
    shape = (N, (H - size) // stride + 1, (B - size) // stride + 1, C, size, size)
    v = as_strided(x, shape, (sn, sh * stride, sw * stride, sc, sh, sw), writeable=False)
    return v.reshape(shape[:4] + (size * size,))


def max_pool2d(x, size, stride):
    return _windows(x, size, stride).max(axis=-1)


def max_pool2d_backward(dy, x, size, stride):
    i, j = np.divmod(_windows(x, size, stride).argmax(axis=-1), size)   # argmax: the first of equals
    n, h, w, c = np.indices(dy.shape)
    dx = np.zeros(x.shape)
    np.add.at(dx, (n, h * stride + i, w * stride + j, c), dy)
    return dx
''',
    },
    "e08_batch_norm": {
        "the closed formula, short names": '''
class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        if not self.training:
            u = (x - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.gamma * u + self.beta
        N = len(x)
        mu, var = np.mean(x, 0), np.var(x, 0)
        self.sd = np.sqrt(var + self.eps)
        self.u = (x - mu) / self.sd
        t = self.momentum
        self.running_mean = (1 - t) * self.running_mean + t * mu
        self.running_var = (1 - t) * self.running_var + t * var * N / (N - 1)
        return self.gamma * self.u + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.u).sum(0)
        self.dbeta = np.sum(dy, 0)
        N = len(dy)
        return self.gamma / self.sd * (dy - self.dbeta / N - self.u * self.dgamma / N)
''',
        "the chain rule step by step (through variance and mean), einsum, helper methods": '''
class BatchNorm:
    """Batch normalisation; backward goes back through every intermediate result."""

    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True
        self._saved = None

    def _move(self, old, new):
        # an exponential moving average: old + momentum (new - old)
        return old + self.momentum * (new - old)

    def forward(self, x):
        if self.training:
            count = x.shape[0]
            mean = np.einsum("nc->c", x) / count
            centred = x - mean
            squares = np.einsum("nc,nc->c", centred, centred)
            inv = (squares / count + self.eps) ** -0.5
            self._saved = (centred, inv)
            self.running_mean = self._move(self.running_mean, mean)
            self.running_var = self._move(self.running_var, squares / (count - 1))
        else:
            centred = x - self.running_mean
            inv = (self.running_var + self.eps) ** -0.5
        return centred * (self.gamma * inv) + self.beta

    def backward(self, dy):
        centred, inv = self._saved
        count = dy.shape[0]
        self.dbeta = np.einsum("nc->c", dy)
        self.dgamma = np.einsum("nc,nc,c->c", dy, centred, inv)
        du = dy * self.gamma
        dvar = -0.5 * inv ** 3 * np.einsum("nc,nc->c", du, centred)
        dcentred = du * inv + centred * (2 * dvar / count)
        dmean = -dcentred.sum(axis=0)
        return dcentred + dmean / count
''',
    },
    "e09_dropout": {
        "a factor kept for the way back": '''
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng
        self.training = True
        self.factor = 1.0

    def forward(self, x):
        if self.training:
            kept = self.rng.random(x.shape) >= self.p
            self.factor = kept / (1 - self.p)
        else:
            self.factor = np.ones(x.shape)
        return x * self.factor

    def backward(self, dy):
        return dy * self.factor
''',
        "where(), the kept places or None in evaluation": '''
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng  # rng: a numpy Generator
        self.training = True
        self._dropped = None

    def _apply(self, numbers):
        if self._dropped is None:          # evaluation: nothing happens
            return np.array(numbers, dtype=float)
        return np.where(self._dropped, 0.0, numbers / (1.0 - self.p))

    def forward(self, x):
        self._dropped = self.rng.random(x.shape) < self.p if self.training else None
        return self._apply(x)

    def backward(self, dy):
        return self._apply(dy)
''',
    },
    "e10_adam": {
        "moments by name, the array is changed in place": '''
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.m = {name: np.zeros(np.shape(w)) for name, w in parameters.items()}
        self.v = {name: np.zeros(np.shape(w)) for name, w in parameters.items()}
        self.t = 0

    def step(self, gradients):
        self.t += 1
        c1 = 1 - self.beta1 ** self.t
        c2 = 1 - self.beta2 ** self.t
        for name, w in self.parameters.items():
            g = gradients[name]
            self.m[name] = self.beta1 * self.m[name] + (1 - self.beta1) * g
            self.v[name] = self.beta2 * self.v[name] + (1 - self.beta2) * np.square(g)
            w[...] = w - self.learning_rate * (self.m[name] / c1) / (np.sqrt(self.v[name] / c2) + self.eps)
''',
        "one state object for each parameter, running powers of the betas, new array put into the dict": '''
class _Moments:
    def __init__(self, shape):
        self.first, self.second = np.zeros(shape), np.zeros(shape)

    def take(self, g, b1, b2):
        self.first += (1 - b1) * (g - self.first)
        self.second += (1 - b2) * (g * g - self.second)


class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self._moments = {k: _Moments(np.shape(parameters[k])) for k in parameters}
        self._power1 = self._power2 = 1.0

    def step(self, gradients):
        self._power1 *= self.beta1
        self._power2 *= self.beta2
        for k, moments in self._moments.items():
            moments.take(gradients[k], self.beta1, self.beta2)
            m_hat = moments.first / (1 - self._power1)
            v_hat = moments.second / (1 - self._power2)
            self.parameters[k] = self.parameters[k] - self.learning_rate * m_hat / (v_hat ** 0.5 + self.eps)
''',
    },
    "e11_f1": {
        "bincount: 2 TP / (present + predicted)": '''
def f1_scores(labels, predictions, classes):
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    hit = np.bincount(labels[labels == predictions], minlength=classes)
    # 2 TP + FP + FN = (TP + FN) + (TP + FP)
    both = np.bincount(labels, minlength=classes) + np.bincount(predictions, minlength=classes)
    return 2 * hit / np.maximum(both, 1)


def macro_f1(labels, predictions, classes):
    return float(f1_scores(labels, predictions, classes).mean())
''',
        "sets of positions, harmonic mean of precision and recall, loop over the classes": '''
def _positions(numbers, k):
    return {n for n, number in enumerate(numbers) if number == k}


def _f1(present, predicted):
    tp = len(present & predicted)
    if tp == 0:
        return 0.0
    precision = tp / len(predicted)
    recall = tp / len(present)
    return 2 / (1 / precision + 1 / recall)


def f1_scores(labels, predictions, classes):
    return np.array([_f1(_positions(labels, k), _positions(predictions, k)) for k in range(classes)])


def macro_f1(labels, predictions, classes):
    return sum(f1_scores(labels, predictions, classes)) / classes
''',
    },
    "e12_embedding": {
        "take and np.add.at": '''
def embedding(ids, W):
    return np.take(W, ids, axis=0)


def embedding_backward(dy, ids, W):
    dW = np.zeros(np.shape(W))
    np.add.at(dW, ids, dy)
    dW[0] = 0          # padding learns nothing
    return dW
''',
        "one-hot matrices": '''
def _one_hot(ids, W):
    tokens = np.ravel(ids)
    return (tokens[:, None] == np.arange(len(W))[None, :]).astype(float)


def embedding(ids, W):
    n, length = np.shape(ids)
    return (_one_hot(ids, W) @ W).reshape(n, length, -1)


def embedding_backward(dy, ids, W):
    seen = _one_hot(ids, W)
    seen[:, 0] = 0.0
    return seen.T @ np.reshape(dy, (-1, np.shape(W)[1]))
''',
    },
}

WRONG = {
    "e01_softmax": {
        "maximum of the whole batch": (
            "The shift takes the largest score of the whole batch instead of each row's own: a row that lies about 750 or more "
            "below the batch's best underflows to 0 / 0 = nan. np.max(z) without an axis is what most blog posts show for one vector.",
            '''
def softmax(z):
    z = np.asarray(z, dtype=float)
    e = np.exp(z - np.max(z))  # for stability
    return e / np.sum(e, axis=1, keepdims=True)
'''),
        "largest absolute value as shift": (
            "Shifts by the row's largest absolute value, in fear of -10,000 as well as of 10,000: a row of scores that are all "
            "strongly negative (-10,000 and -10,001) moves further down, all exponentials become 0 and the result nan.",
            '''
def softmax(z):
    z = np.asarray(z, dtype=float)
    biggest = np.abs(z).max(axis=1, keepdims=True)   # scores may be very negative, too
    e = np.exp(z - biggest)
    return e / e.sum(axis=1, keepdims=True)
'''),
        "shift in place": (
            "z -= max changes the caller's array although z must stay as it was; the returned probabilities are right. The "
            "student takes `-=` for a short way of writing z = z - max.",
            '''
def softmax(z):
    z = np.asarray(z)
    z -= z.max(axis=1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    return p
'''),
        "float32 before the shift": (
            "Converts the scores to float32 first and shifts afterwards: scores near 10,000 keep only steps of about 0.001, so "
            "10,000.0 and 10,000.3 or a small difference between large scores give probabilities off by about 1e-4. Habit from GPU code.",
            '''
def softmax(z):
    z = np.array(z, dtype=np.float32)
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float64)
'''),
        "clipped instead of shifted, one sum for all": (
            "two: (1) overflow is avoided by clipping the scores to +-700 rather than by subtracting the row's maximum, so 10,000 "
            "and 9,000 get the same probability; (2) np.sum(e) without axis divides by the sum over all rows, so only the whole "
            "batch adds up to 1. Both come from answers written for one vector of moderate scores.",
            '''
def softmax(z):
    z = np.clip(z, -700, 700)   # exp overflows above 709
    e = np.exp(z)
    return e / np.sum(e)
'''),
    },
    "e02_softmax_backward": {
        "diagonal only": (
            "Uses only the Jacobian's diagonal, s (1 - s), as for the sigmoid: the influence of each score on the other classes' "
            "probabilities is missing. The commonest wrong answer on forums.",
            '''
def softmax_backward(dy, s):
    return dy * s * (1 - s)
'''),
        "s_j in place of s_i before the bracket": (
            "Index slip: s_j ([i = j] - s_j) instead of s_i ([i = j] - s_j). On the diagonal both agree, elsewhere -s_j^2 stands "
            "where -s_i s_j belongs. Written when the einsum letters are chosen in a hurry.",
            '''
def softmax_backward(dy, s):
    s = np.asarray(s, dtype=float)
    eye = np.eye(s.shape[1])
    jacobian = s[:, None, :] * (eye[None] - s[:, None, :])    # n, i, j
    return np.einsum("ni,nij->nj", dy, jacobian)
'''),
        "softmax once more": (
            "Takes s for the scores and applies softmax to it again before using the right formula: s is already softmax(z). "
            "Invited by the line that says softmax may be imported.",
            '''
from given import softmax


def softmax_backward(dy, s):
    p = softmax(s)
    return p * (dy - np.sum(dy * p, axis=1, keepdims=True))
'''),
        "inner product of the whole batch": (
            "np.vdot sums dy * s over all rows, not row by row: right for N = 1 (and so for the worked example), wrong for any larger batch, "
            "where rows influence each other. The student wrote and tried it for one vector.",
            '''
def softmax_backward(dy, s):
    dy, s = np.asarray(dy), np.asarray(s)
    return s * (dy - np.vdot(dy, s))
'''),
        "unweighted sum, and divided by N": (
            "two: (1) the sum that is taken off is sum_i dy_i, not sum_i dy_i s_i (the student centres the gradient and forgets "
            "the weights); (2) the result is divided by N, out of habit from losses that are means over the batch.",
            '''
def softmax_backward(dy, s):
    dy = np.asarray(dy, dtype=float)
    total = dy.sum(axis=1, keepdims=True)
    dz = s * (dy - total)
    return dz / len(dy)
'''),
    },
    "e03_cross_entropy": {
        "1e-12 inside the logarithm": (
            "The loss is -log(softmax + 1e-12): a wrong class with a score of 10,000 costs 27.6 instead of 10,000, and every "
            "loss is a trace off. The usual trick against log(0) from web tutorials. The gradient is right.",
            '''
from given import softmax


def cross_entropy(z, labels):
    p = softmax(z)
    return float(-np.mean(np.log(p[np.arange(len(labels)), labels] + 1e-12)))


def cross_entropy_backward(z, labels):
    s = softmax(z)
    s[np.arange(len(labels)), labels] -= 1
    return s / len(labels)
'''),
        "one-hot as wide as the highest label": (
            "The number of classes is read from the labels (max + 1) instead of from z's K columns: if the highest class does not occur "
            "in the batch the shapes do not fit (ValueError), or, with one column only, they broadcast to nonsense. Copied "
            "from to_categorical-style helpers.",
            '''
from given import softmax, log_softmax


def one_hot(labels):
    labels = np.asarray(labels)
    return np.eye(labels.max() + 1)[labels]


def cross_entropy(z, labels):
    return float(-np.sum(one_hot(labels) * log_softmax(z)) / len(labels))


def cross_entropy_backward(z, labels):
    return (softmax(z) - one_hot(labels)) / len(labels)
'''),
        "chain rule through 1 / s": (
            "The gradient goes the long way: dL/ds = -1 / (N s) at the label, then softmax_backward. Right on paper and for small "
            "scores, but when the true class's probability is 0 in floating point (10,000 for the wrong one) it is inf * 0 = nan "
            "instead of -1/N and 1/N. The import line invites it; the loss is right.",
            '''
from given import softmax, log_softmax, softmax_backward


def cross_entropy(z, labels):
    return float(-np.mean(log_softmax(z)[np.arange(len(labels)), labels]))


def cross_entropy_backward(z, labels):
    rows = np.arange(len(labels))
    s = softmax(z)
    ds = np.zeros_like(s)
    ds[rows, labels] = -1 / (s[rows, labels] * len(labels))
    return softmax_backward(ds, s)
'''),
        "mean over all entries, and all rows of the labels' columns": (
            "two: (1) np.mean of one-hot times log-probabilities divides by N K, not by N; (2) the gradient subtracts 1 with "
            "s[:, labels], that is in every row of each column that occurs as a label, not only at (n, labels[n]). "
            "np.mean looks like the 1/N of the formula, and the colon looks like `for every n`.",
            '''
from given import softmax, log_softmax


def cross_entropy(z, labels):
    truth = np.eye(np.shape(z)[1])[labels]
    return -np.mean(truth * log_softmax(z))


def cross_entropy_backward(z, labels):
    s = softmax(z)
    s[:, labels] -= 1
    return s / len(s)
'''),
        "minus forgotten in the loss, 1/N in the gradient": (
            "two: (1) the loss lacks its minus sign and so is negative; (2) the gradient is softmax minus one-hot without the "
            "division by N, as most posts show it for a single example.",
            '''
from given import log_softmax


def cross_entropy(z, labels):
    picked = [log_softmax(z)[n, label] for n, label in enumerate(labels)]
    return np.mean(picked)


def cross_entropy_backward(z, labels):
    grad = np.exp(log_softmax(z))
    grad[range(len(labels)), labels] -= 1
    return grad
'''),
    },
    "e04_linear": {
        "dW the other way round": (
            "dW = dy^T x has shape (K, I) instead of (I, K): copied from code that keeps its weights as (out, in), as PyTorch does. "
            "For I = K the shape even fits.",
            '''
def linear(x, W, b):
    return np.dot(x, W) + b


def linear_backward(dy, x, W):
    dy, x, W = map(np.asarray, (dy, x, W))
    dx = dy @ W.T
    dW = dy.T @ x
    db = dy.sum(axis=0)
    return dx, dW, db
'''),
        "bias gradient as a mean": (
            "db is the mean over the batch, not the sum: `one bias for N examples, so the average`. The loss has divided by N already.",
            '''
def linear(x, W, b):
    return np.matmul(x, W) + b


def linear_backward(dy, x, W):
    dx = np.matmul(dy, np.transpose(W))
    dW = np.matmul(np.transpose(x), dy)
    db = np.mean(dy, axis=0)
    return dx, dW, db
'''),
        "db with two axes": (
            "keepdims=True leaves db with shape (1, K) instead of (K,); an update b -= rate * db then fails or turns b into a "
            "matrix. Taken from courses that keep the bias as a row (1, K).",
            '''
def linear(x, W, b):
    return x @ W + b


def linear_backward(dy, x, W):
    dW = np.dot(np.asarray(x).T, dy)
    db = np.sum(dy, axis=0, keepdims=True)
    dx = np.dot(dy, np.asarray(W).T)
    return dx, dW, db
'''),
        "x remembered from the last forward pass": (
            "linear keeps x in a module-level cache and linear_backward uses that one instead of its argument: wrong dW as soon "
            "as a second layer or another batch has gone forward in between. The student copies the layer-object style into functions.",
            '''
_cache = {}


def linear(x, W, b):
    _cache["x"] = np.asarray(x)
    return _cache["x"] @ W + b


def linear_backward(dy, x, W):
    x = _cache.get("x", np.asarray(x))   # saved in the forward pass
    dy = np.asarray(dy)
    return dy @ np.asarray(W).T, x.T @ dy, dy.sum(0)
'''),
        "reshape for transpose, and one number for db": (
            "two: (1) W.reshape(K, I) is used to make the shapes fit where W's transpose is needed, which mixes up the weights; "
            "(2) db = np.sum(dy) without axis is one number for all K biases.",
            '''
def linear(x, W, b):
    return np.asarray(x) @ np.asarray(W) + b


def linear_backward(dy, x, W):
    dy, x, W = np.asarray(dy), np.asarray(x), np.asarray(W)
    inputs, outputs = W.shape
    dx = dy @ W.reshape(outputs, inputs)
    dW = x.T @ dy
    db = np.sum(dy)
    return dx, dW, db
'''),
    },
    "e05_relu": {
        "relu in place": (
            "x[x < 0] = 0 overwrites the caller's x, which must stay as it was; the returned numbers are right. A student who thinks "
            "that a function works on a copy of its arguments.",
            '''
def relu(x):
    x[x < 0] = 0
    return x


def relu_backward(dy, x):
    return dy * (x > 0)
'''),
        "np.max for np.maximum": (
            "np.max(x, 0) is the maximum along axis 0, not the larger one of x and 0: the shape loses an axis and negative numbers "
            "stay. The formula max(x, 0) typed as it stands.",
            '''
def relu(x):
    return np.max(x, 0)


def relu_backward(dy, x):
    return np.where(np.asarray(x) > 0, dy, 0)
'''),
        "the gradient's own sign decides": (
            "backward applies relu to dy (dy where dy > 0) instead of asking where x was above 0; a negative gradient never "
            "passes, and a positive one always does. Mixes up what the mask is made of.",
            '''
def relu(x):
    return np.maximum(x, 0)


def relu_backward(dy, x):
    return np.maximum(dy, 0)
'''),
        "dy overwritten, and open at zero": (
            "two: (1) dy is changed in place although it must stay as it was; (2) the condition is x < 0 instead of x <= 0, so "
            "the gradient passes at x = 0.",
            '''
def relu(x):
    return np.where(x > 0, x, 0)


def relu_backward(dy, x):
    dx = dy
    dx[x < 0] = 0
    return dx
'''),
    },
    "e06_conv2d": {
        "filter flipped": (
            "The forward pass turns the filter by 180 degrees, as mathematics (and scipy.signal.convolve) does; the stub wants it "
            "unflipped. backward is the right one for the unflipped filter, so it no longer belongs to this forward.",
            '''
def conv2d(x, W, stride, padding):
    W = W[::-1, ::-1]            # convolution, not correlation
    kh, kw, C, K = W.shape
    xp = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    Ho = (xp.shape[1] - kh) // stride + 1
    Wo = (xp.shape[2] - kw) // stride + 1
    y = np.zeros((x.shape[0], Ho, Wo, K))
    for h in range(Ho):
        for w in range(Wo):
            patch = xp[:, h * stride:h * stride + kh, w * stride:w * stride + kw]
            y[:, h, w] = np.tensordot(patch, W, axes=3)
    return y


def conv2d_backward(dy, x, W, stride, padding):
    kh, kw, C, K = W.shape
    xp = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    dxp = np.zeros(xp.shape)
    dW = np.zeros(W.shape)
    for h in range(dy.shape[1]):
        for w in range(dy.shape[2]):
            a, b = h * stride, w * stride
            dW += np.einsum("nijc,nk->ijck", xp[:, a:a + kh, b:b + kw], dy[:, h, w])
            dxp[:, a:a + kh, b:b + kw] += np.einsum("nk,ijck->nijc", dy[:, h, w], W)
    return dxp[:, padding:padding + x.shape[1], padding:padding + x.shape[2]], dW
'''),
        "square images only": (
            "One output size, computed from the height and the filter's height, serves for both directions: right for square "
            "images and filters (such as the worked example), a wrong shape or an error for others. backward takes its sizes from dy and is right.",
            '''
def pad(x, p):
    return np.pad(x, [(0, 0), (p, p), (p, p), (0, 0)])


def conv2d(x, W, stride, padding):
    kh, kw, C, K = W.shape
    N, H = x.shape[:2]
    out = (H + 2 * padding - kh) // stride + 1
    xp = pad(x, padding)
    y = np.zeros((N, out, out, K))
    for r in range(out):
        for q in range(out):
            window = xp[:, r * stride:r * stride + kh, q * stride:q * stride + kw, :]
            rows, cols = window.shape[1:3]
            y[:, r, q, :] = np.einsum("nijc,ijck->nk", window, W[:rows, :cols])
    return y


def conv2d_backward(dy, x, W, stride, padding):
    kh, kw, C, K = W.shape
    xp = pad(x, padding)
    dxp, dW = np.zeros(xp.shape), np.zeros(W.shape)
    for r in range(dy.shape[1]):
        for q in range(dy.shape[2]):
            rows = slice(r * stride, r * stride + kh)
            cols = slice(q * stride, q * stride + kw)
            dW += np.einsum("nijc,nk->ijck", xp[:, rows, cols], dy[:, r, q])
            dxp[:, rows, cols] += np.einsum("nk,ijck->nijc", dy[:, r, q], W)
    return dxp[:, padding:padding + x.shape[1], padding:padding + x.shape[2]], dW
'''),
        "cut with [p:-p]": (
            "The padding is cut off dx with [padding:-padding], which is empty for padding 0 (-0 is 0); right for every other "
            "padding. One of the commonest slips in published numpy convolutions.",
            '''
from numpy.lib.stride_tricks import sliding_window_view


def get_windows(x, kh, kw, stride, padding):
    xp = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    return sliding_window_view(xp, (kh, kw), axis=(1, 2))[:, ::stride, ::stride]


def conv2d(x, W, stride, padding):
    cols = get_windows(x, W.shape[0], W.shape[1], stride, padding)
    return np.einsum("nhwcij,ijck->nhwk", cols, W)


def conv2d_backward(dy, x, W, stride, padding):
    kh, kw = W.shape[:2]
    N, H, Wd, C = x.shape
    cols = get_windows(x, kh, kw, stride, padding)
    dW = np.einsum("nhwcij,nhwk->ijck", cols, dy)
    dx_padded = np.zeros((N, H + 2 * padding, Wd + 2 * padding, C))
    for h in range(dy.shape[1]):
        for w in range(dy.shape[2]):
            dx_padded[:, h * stride:h * stride + kh, w * stride:w * stride + kw, :] += np.tensordot(
                dy[:, h, w, :], W, axes=(1, 3))
    dx = dx_padded[:, padding:-padding, padding:-padding, :]
    return dx, dW
'''),
        "stride forgotten on the way back": (
            "backward lays the windows side by side at h and w instead of h * stride and w * stride; forward is right. Everything fits for "
            "stride 1, which is all the worked example tries.",
            '''
def conv2d(x, W, stride, padding):
    kh, kw, C, K = W.shape
    x = np.pad(x, ((0,) * 2, (padding,) * 2, (padding,) * 2, (0,) * 2))
    oh = (x.shape[1] - kh) // stride + 1
    ow = (x.shape[2] - kw) // stride + 1
    y = 0
    for i in range(kh):
        for j in range(kw):
            y = y + x[:, i:i + oh * stride:stride, j:j + ow * stride:stride][:, :oh, :ow] @ W[i, j]
    return y


def conv2d_backward(dy, x, W, stride, padding):
    kh, kw, C, K = W.shape
    H, V = x.shape[1:3]
    oh, ow = dy.shape[1:3]
    xp = np.pad(x, ((0,) * 2, (padding,) * 2, (padding,) * 2, (0,) * 2))
    dxp = np.zeros(xp.shape)
    dW = np.zeros(W.shape)
    for i in range(kh):
        for j in range(kw):
            dW[i, j] = np.einsum("nhwc,nhwk->ck", xp[:, i:i + oh, j:j + ow], dy)
            dxp[:, i:i + oh, j:j + ow] += dy @ W[i, j].T
    return dxp[:, padding:padding + H, padding:padding + V], dW
'''),
        "dx cut at the wrong corner, dW averaged": (
            "two: (1) dx is cut out of the padded gradient from its corner, [:H, :W], without the offset of padding (harmless only "
            "for padding 0); (2) dW is divided by N, as a mean over the batch, though the loss has its 1/N already.",
            '''
def conv2d(x, W, stride, padding):
    n, H, V, c = x.shape
    kh, kw, _, k = W.shape
    big = np.zeros((n, H + 2 * padding, V + 2 * padding, c))
    big[:, padding:padding + H, padding:padding + V] = x
    y = np.zeros((n, (H + 2 * padding - kh) // stride + 1, (V + 2 * padding - kw) // stride + 1, k))
    for h in range(y.shape[1]):
        for w in range(y.shape[2]):
            y[:, h, w] = np.einsum("nijc,ijck->nk", big[:, h * stride:h * stride + kh, w * stride:w * stride + kw], W)
    return y


def conv2d_backward(dy, x, W, stride, padding):
    n, H, V, c = x.shape
    kh, kw, _, k = W.shape
    big = np.zeros((n, H + 2 * padding, V + 2 * padding, c))
    big[:, padding:padding + H, padding:padding + V] = x
    dbig = np.zeros_like(big)
    dW = np.zeros(W.shape)
    for h in range(dy.shape[1]):
        for w in range(dy.shape[2]):
            place = np.s_[:, h * stride:h * stride + kh, w * stride:w * stride + kw]
            dbig[place] += np.einsum("nk,ijck->nijc", dy[:, h, w], W)
            dW += np.einsum("nijc,nk->ijck", big[place], dy[:, h, w])
    dW = dW / n
    return dbig[:, :H, :V], dW
'''),
        "edge numbers repeated as padding, overlap overwritten": (
            "two: (1) the padding repeats the image's edge instead of counting as 0 (a habit from image processing; the same helper "
            "spoils y and dW); (2) dx is assigned (=) where windows overlap instead of added up (+=), so only the last window counts.",
            '''
def pad_image(x, p):
    return np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), mode="edge")   # avoids dark borders


def conv2d(x, W, stride, padding):
    kh, kw, C, K = W.shape
    xp = pad_image(x, padding)
    H2 = (xp.shape[1] - kh) // stride + 1
    W2 = (xp.shape[2] - kw) // stride + 1
    flat = W.reshape(-1, K)
    y = np.empty((len(x), H2, W2, K))
    for h in range(H2):
        for w in range(W2):
            window = xp[:, h * stride:h * stride + kh, w * stride:w * stride + kw]
            y[:, h, w] = window.reshape(len(x), -1) @ flat
    return y


def conv2d_backward(dy, x, W, stride, padding):
    kh, kw, C, K = W.shape
    xp = pad_image(x, padding)
    dxp = np.zeros(xp.shape)
    dW = np.zeros((kh * kw * C, K))
    for h in range(dy.shape[1]):
        for w in range(dy.shape[2]):
            top, left = h * stride, w * stride
            window = xp[:, top:top + kh, left:left + kw].reshape(len(x), -1)
            dW += window.T @ dy[:, h, w]
            dxp[:, top:top + kh, left:left + kw] = (dy[:, h, w] @ W.reshape(-1, K).T).reshape(len(x), kh, kw, C)
    dx = dxp[:, padding:padding + x.shape[1], padding:padding + x.shape[2]]
    return dx, dW.reshape(W.shape)
'''),
    },
}
