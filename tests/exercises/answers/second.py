RIGHT = {
    "e07_max_pool2d": {
        'explicit loops, element by element': '''\
def out_size(n, size, stride):
    return (n - size) // stride + 1


def find_winner(x, n, top, left, c, size):
    # walk the window in reading order; only a strictly larger number takes over,
    # so of equal ones the first stays
    best_i, best_j = top, left
    for i in range(top, top + size):
        for j in range(left, left + size):
            if x[n, i, j, c] > x[n, best_i, best_j, c]:
                best_i, best_j = i, j
    return best_i, best_j


def max_pool2d(x, size, stride):
    N, H, W, C = x.shape
    y = np.empty((N, out_size(H, size, stride), out_size(W, size, stride), C))
    for n in range(N):
        for a in range(y.shape[1]):
            for b in range(y.shape[2]):
                for c in range(C):
                    i, j = find_winner(x, n, a * stride, b * stride, c, size)
                    y[n, a, b, c] = x[n, i, j, c]
    return y


def max_pool2d_backward(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for n, a, b, c in np.ndindex(*dy.shape):
        i, j = find_winner(x, n, a * stride, b * stride, c, size)
        dx[n, i, j, c] += dy[n, a, b, c]
    return dx
''',
        'sliding_window_view, argmax and np.add.at': '''\
from numpy.lib.stride_tricks import sliding_window_view


def _windows(x, size, stride):
    # (N, H', W', C, size, size), a view: nothing is copied
    return sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]


def max_pool2d(x, size, stride):
    return _windows(x, size, stride).max(axis=(-1, -2))


def max_pool2d_backward(dy, x, size, stride):
    w = _windows(x, size, stride)
    flat = w.reshape(w.shape[:4] + (size * size,))
    i, j = np.divmod(flat.argmax(axis=-1), size)   # argmax: the first of equal ones
    n, a, b, c = np.indices(dy.shape)
    dx = np.zeros(x.shape)
    np.add.at(dx, (n, a * stride + i, b * stride + j, c), dy)
    return dx
''',
        'loop over the places of the window, strided slices, a taken mask': '''\
def _slices(shape, size, stride):
    """For each place (i, j) of the window: where it lies in x, for all windows at once."""
    h = (shape[1] - size) // stride + 1
    w = (shape[2] - size) // stride + 1
    return [
        (slice(None), slice(i, i + (h - 1) * stride + 1, stride), slice(j, j + (w - 1) * stride + 1, stride))
        for i in range(size)
        for j in range(size)
    ]


def max_pool2d(x, size, stride):
    first, *others = _slices(x.shape, size, stride)
    y = x[first].copy()
    for s in others:
        np.maximum(y, x[s], out=y)
    return y


def max_pool2d_backward(dy, x, size, stride):
    y = max_pool2d(x, size, stride)
    dx = np.zeros(x.shape)
    free = np.ones(y.shape, dtype=bool)      # windows whose winner has not been met yet
    for s in _slices(x.shape, size, stride):
        hit = free & (x[s] == y)
        dx[s] += np.where(hit, dy, 0)
        free &= ~hit
    return dx
''',
    },
    "e08_batch_norm": {
        'backward by small steps through the graph': '''\
class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    @staticmethod
    def _move(old, new, momentum):
        return old + momentum * (new - old)

    def forward(self, x):
        if not self.training:
            return self.gamma * ((x - self.running_mean) / np.sqrt(self.running_var + self.eps)) + self.beta
        N = x.shape[0]
        mu = x.sum(axis=0) / N
        self.centered = x - mu
        var = (self.centered ** 2).sum(axis=0) / N
        self.std = np.sqrt(var + self.eps)
        self.u = self.centered / self.std
        self.running_mean = self._move(self.running_mean, mu, self.momentum)
        self.running_var = self._move(self.running_var, np.var(x, axis=0, ddof=1), self.momentum)
        return self.gamma * self.u + self.beta

    def backward(self, dy):
        N = dy.shape[0]
        self.dbeta = dy.sum(axis=0)
        self.dgamma = (dy * self.u).sum(axis=0)
        du = dy * self.gamma
        # u = centered * (1 / std)
        dinv = (du * self.centered).sum(axis=0)
        dcentered = du / self.std
        # std = sqrt(var + eps), var = mean of centered^2
        dstd = -dinv / self.std ** 2
        dvar = 0.5 * dstd / self.std
        dcentered = dcentered + 2.0 / N * self.centered * dvar
        # centered = x - mu
        dmu = -dcentered.sum(axis=0)
        return dcentered + dmu / N
''',
        'closed form with einsum, running numbers moved in place': '''\
class BatchNorm:

    training = True

    def __init__(self, channels, eps, momentum):
        self.eps = eps
        self.momentum = momentum
        self.gamma = np.ones(channels)
        self.beta = np.zeros(channels)
        self.running_mean = np.zeros(channels)
        self.running_var = np.ones(channels)

    def forward(self, x):
        n = len(x)
        if self.training:
            mean = np.einsum("nc->c", x) / n
            d = x - mean
            var = np.einsum("nc,nc->c", d, d) / n
            self.running_mean *= 1 - self.momentum
            self.running_mean += self.momentum * mean
            self.running_var *= 1 - self.momentum
            self.running_var += self.momentum * var * n / (n - 1)
        else:
            mean, var = self.running_mean, self.running_var
        self._inv = (var + self.eps) ** -0.5
        self._u = (x - mean) * self._inv
        return self._u * self.gamma + self.beta

    def backward(self, dy):
        n = len(dy)
        self.dbeta = np.einsum("nc->c", dy)
        self.dgamma = np.einsum("nc,nc->c", dy, self._u)
        # n times everything, divided by n at the very end
        return (n * dy - self.dbeta - self._u * self.dgamma) * (self.gamma * self._inv / n)
''',
    },
    "e09_dropout": {
        "scaled mask kept as float32 (6e-8 relative rounding), result in x's own precision": '''\
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng
        self.training = True
        self._factor = None

    def _draw(self, shape):
        keep = self.rng.random(shape) >= self.p
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0
        return keep.astype(np.float32) * np.float32(scale)   # half the memory of float64

    def forward(self, x):
        # None means: the last pass changed nothing
        self._factor = self._draw(x.shape) if self.training else None
        return self._apply(x)

    def backward(self, dy):
        return self._apply(dy)

    def _apply(self, a):
        return a if self._factor is None else a * self._factor
''',
    },
    "e10_adam": {
        'in place, corrections folded into the step size and eps': '''\
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.t = 0
        self.state = {name: (np.zeros(np.shape(w)), np.zeros(np.shape(w))) for name, w in parameters.items()}

    def step(self, gradients):
        self.t += 1
        # m_hat / (sqrt(v_hat) + eps) = (root2 / c1) * m / (sqrt(v) + eps * root2)
        c1 = 1 - self.beta1 ** self.t
        root2 = np.sqrt(1 - self.beta2 ** self.t)
        rate = self.learning_rate * root2 / c1
        for name, (m, v) in self.state.items():
            g = gradients[name]
            m += (1 - self.beta1) * (g - m)
            v += (1 - self.beta2) * (g * g - v)
            self.parameters[name] -= rate * m / (np.sqrt(v) + self.eps * root2)
''',
        'a helper object per parameter, entries of the dict replaced': '''\
class _Average:
    """An exponential average that starts at zero and knows its own bias."""

    def __init__(self, beta):
        self.beta, self.value, self.power = beta, 0.0, 1.0

    def update(self, new):
        self.value = self.beta * self.value + (1 - self.beta) * new
        self.power *= self.beta
        return self.value / (1 - self.power)


class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.first = {k: _Average(beta1) for k in parameters}
        self.second = {k: _Average(beta2) for k in parameters}

    def step(self, gradients):
        for k in self.parameters:
            m_hat = self.first[k].update(gradients[k])
            v_hat = self.second[k].update(np.square(gradients[k]))
            self.parameters[k] = self.parameters[k] - self.learning_rate * m_hat / (np.sqrt(v_hat) + self.eps)
''',
    },
    "e11_f1": {
        'confusion matrix with np.add.at, counted in float32': '''\
def confusion(labels, predictions, classes):
    table = np.zeros((classes, classes), dtype=np.float32)   # whole numbers below 2^24: exact
    np.add.at(table, (labels, predictions), 1)
    return table


def f1_scores(labels, predictions, classes):
    table = confusion(labels, predictions, classes).astype(np.float64)
    hits = np.diagonal(table)
    # rows sum to TP + FN, columns to TP + FP: together 2 TP + FP + FN
    total = table.sum(axis=0) + table.sum(axis=1)
    return np.divide(2 * hits, total, out=np.zeros(classes), where=total > 0)


def macro_f1(labels, predictions, classes):
    return float(f1_scores(labels, predictions, classes).sum() / classes)
''',
    },
    "e12_embedding": {
        'one-hot matrix and einsum': '''\
def _one_hot(ids, V):
    return (np.asarray(ids)[..., None] == np.arange(V)).astype(float)


def embedding(ids, W):
    return np.einsum("nlv,vd->nld", _one_hot(ids, W.shape[0]), W)


def embedding_backward(dy, ids, W):
    hot = _one_hot(ids, W.shape[0])
    hot[..., 0] = 0                       # padding learns nothing
    return np.einsum("nlv,nld->vd", hot, dy)
''',
        'sorted by token, summed with np.add.reduceat': '''\
def embedding(ids, W):
    return np.take(W, ids, axis=0)


def embedding_backward(dy, ids, W):
    V, D = W.shape
    dW = np.zeros((V, D))
    tokens = np.ravel(ids)
    order = np.argsort(tokens, kind="stable")
    tokens = tokens[order]
    rows = np.reshape(dy, (-1, D))[order]
    if tokens.size:
        present, starts = np.unique(tokens, return_index=True)
        dW[present] = np.add.reduceat(rows, starts, axis=0)
    dW[0] = 0
    return dW
''',
    },
    "e13_tokenizer": {
        'one regular expression, padded slice': '''\
import re

LETTER = r"[^\\W_]"          # a letter or a digit: what \\w means, without the underscore
TOKEN = re.compile(rf"{LETTER}+(?:['-]{LETTER}+)*|[!?]+")


def tokenize(text):
    return TOKEN.findall(text.lower())


def token_ids(texts, vocabulary, length):
    ids = {token: i for i, token in enumerate(vocabulary, start=2)}
    return [([ids.get(t, 1) for t in tokenize(text)] + [0] * length)[:length] for text in texts]
''',
        'character by character, no regular expression': '''\
def _kind(text, i):
    """'w' for a place inside a word, 'm' for a mark, '' for anything else."""
    c = text[i]
    if c.isalnum():
        return "w"
    if c in "!?":
        return "m"
    if c in "'-" and 0 < i < len(text) - 1 and text[i - 1].isalnum() and text[i + 1].isalnum():
        return "w"
    return ""


def tokenize(text):
    text = text.lower()
    tokens = []
    before = ""
    for i, c in enumerate(text):
        kind = _kind(text, i)
        if kind and kind == before:
            tokens[-1] += c
        elif kind:
            tokens.append(c)
        before = kind
    return tokens


def token_ids(texts, vocabulary, length):
    rows = []
    for text in texts:
        row = [0] * length
        for place, token in zip(range(length), tokenize(text)):
            row[place] = vocabulary.index(token) + 2 if token in vocabulary else 1
        rows.append(row)
    return rows
''',
    },
    "e14_calibration_error": {
        'bin by bin, list comprehensions': '''\
def calibration_error(p, labels, bins):
    guesses = [max(range(len(row)), key=lambda k: row[k]) for row in p]
    examples = [(float(row[g]), g == label) for row, g, label in zip(p, guesses, labels)]
    error = 0.0
    for b in range(bins):
        inside = [(conf, ok) for conf, ok in examples if b / bins < conf <= (b + 1) / bins]
        if not inside:
            continue
        accuracy = sum(ok for _, ok in inside) / len(inside)
        confidence = sum(conf for conf, _ in inside) / len(inside)
        error += len(inside) / len(examples) * abs(accuracy - confidence)
    return error
''',
        'searchsorted and bincount, counts cancelled': '''\
def calibration_error(p, labels, bins):
    confidence = np.max(p, axis=1)
    correct = np.argmax(p, axis=1) == labels
    upper = np.arange(1, bins + 1) / bins
    b = np.searchsorted(upper, confidence, side="left").clip(max=bins - 1)   # rounding may give 1.0000000002
    # n_b / N |sum correct / n_b - sum confidence / n_b| = |sum (correct - confidence)| / N
    gaps = np.bincount(b, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))
''',
    },
    "e15_temperature": {
        'logaddexp.reduce, losses sorted': '''\
def temperature_loss(z, labels, temperature):
    scores = np.asarray(z, dtype=float) / temperature
    total = np.logaddexp.reduce(scores, axis=1)
    at_label = np.take_along_axis(scores, np.asarray(labels)[:, None], axis=1)[:, 0]
    return float(np.mean(total - at_label))


def best_temperature(z, labels, candidates):
    losses = [temperature_loss(z, labels, t) for t in candidates]
    return candidates[int(np.argsort(losses, kind="stable")[0])]
''',
    },
    "e16_attention_pool": {
        'text by text, only the visible positions': '''\
from given import softmax


def attention_pool(x, w, mask):
    y = np.zeros((x.shape[0], x.shape[2]))
    for n, seen in enumerate(np.asarray(mask, dtype=bool)):
        rows = x[n][seen]                 # (visible, D)
        if len(rows) == 0:
            continue                      # stays zero
        a = softmax((rows @ w)[None])[0]
        y[n] = a @ rows
    return y
''',
    },
    "e17_layer_norm": {
        'transposed, so that no axis needs keepdims; einsum': '''\
def layer_norm(x, gamma, beta, eps):
    columns = np.asarray(x, dtype=float).T            # (C, N): every example is a column now
    c = len(columns)
    d = columns - np.einsum("cn->n", columns) / c
    d = d / np.sqrt(np.einsum("cn,cn->n", d, d) / c + eps)
    return np.einsum("c,cn->nc", gamma, d) + beta
''',
    },
    "e18_momentum": {
        'velocities made when first needed, arrays changed in place through [...]': '''\
class SGD:
    def __init__(self, parameters, learning_rate, momentum, weight_decay):
        self.parameters = parameters
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay
        self.velocity = {}

    def _direction(self, name, g):
        w = self.parameters[name]
        v = self.momentum * self.velocity.get(name, 0.0) + (g + self.weight_decay * w)
        self.velocity[name] = v
        return v

    def step(self, gradients):
        for name in sorted(gradients):
            self.parameters[name][...] = self.parameters[name] - self.learning_rate * self._direction(name, gradients[name])
''',
    },
    "e19_soft_targets": {
        'outer comparison in float32, returned as float64': '''\
def one_hot(labels, classes):
    hot = np.equal.outer(np.asarray(labels), np.arange(classes)).astype(np.float32)
    return hot.astype(np.float64)        # 0 and 1 are exact in both


def smoothed(labels, classes, smoothing):
    t = one_hot(labels, classes)
    # a step of size `smoothing` from one-hot towards uniform
    t += smoothing * (1 / classes - t)
    return t
''',
    },
}

WRONG = {
    "e07_max_pool2d": {
        'every equal winner gets dy': ('backward marks the winners by comparing with the maximum (window == window.max()), so that of several equal numbers all get the full dy instead of the first only; students write it because the comparison is the shortest way to a mask and random numbers never tie, but after a ReLU there are many zeros', '''\
def max_pool2d(x, size, stride):
    N, H, W, C = x.shape
    Ho, Wo = (H - size) // stride + 1, (W - size) // stride + 1
    out = np.zeros((N, Ho, Wo, C))
    for i in range(Ho):
        for j in range(Wo):
            out[:, i, j, :] = x[:, i*stride:i*stride+size, j*stride:j*stride+size, :].max(axis=(1, 2))
    return out


def max_pool2d_backward(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            h, w = i * stride, j * stride
            window = x[:, h:h+size, w:w+size, :]
            mask = window == window.max(axis=(1, 2), keepdims=True)
            dx[:, h:h+size, w:w+size, :] += mask * dy[:, i:i+1, j:j+1, :]
    return dx
'''),
        'the search for the maximum starts at zero': ('forward starts the search with best = 0 instead of minus infinity, so a window with only negative numbers gives 0; the habit comes from pictures and ReLU outputs, where nothing is negative (backward is right)', '''\
def max_pool2d(x, size, stride):
    n, height, width, channels = x.shape
    out_h = (height - size) // stride + 1
    out_w = (width - size) // stride + 1
    y = np.zeros((n, out_h, out_w, channels))
    for b in range(n):
        for c in range(channels):
            for i in range(out_h):
                for j in range(out_w):
                    best = 0
                    for di in range(size):
                        for dj in range(size):
                            value = x[b, i * stride + di, j * stride + dj, c]
                            if value > best:
                                best = value
                    y[b, i, j, c] = best
    return y


def max_pool2d_backward(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for b, i, j, c in np.ndindex(dy.shape):
        window = x[b, i * stride:i * stride + size, j * stride:j * stride + size, c]
        di, dj = divmod(int(np.argmax(window)), size)
        dx[b, i * stride + di, j * stride + dj, c] += dy[b, i, j, c]
    return dx
'''),
        'reshape forward that takes stride = size for granted': ('forward cuts the image into blocks with reshape and never looks at stride, so every stride other than size gives another shape; the reshape trick from forum posts holds only for non-overlapping windows (backward is right)', '''\
def max_pool2d(x, size, stride):
    N, H, W, C = x.shape
    h, w = H // size, W // size
    x = x[:, :h * size, :w * size, :]
    return x.reshape(N, h, size, w, size, C).max(axis=(2, 4))


def max_pool2d_backward(dy, x, size, stride):
    N, Ho, Wo, C = dy.shape
    dx = np.zeros(x.shape)
    for n in range(N):
        for i in range(Ho):
            for j in range(Wo):
                for c in range(C):
                    r0, c0 = i * stride, j * stride
                    win = x[n, r0:r0 + size, c0:c0 + size, c]
                    r, s = np.unravel_index(win.argmax(), win.shape)
                    dx[n, r0 + r, c0 + s, c] += dy[n, i, j, c]
    return dx
'''),
        'winner searched over all channels together': ("backward takes argmax over the whole window including its channels, so only one channel's winner gets dy (for each window) and the other channels get nothing; the student tested on one channel and forgot that argmax flattens everything", '''\
def max_pool2d(x, size, stride):
    N, H, W, C = x.shape
    oh = 1 + (H - size) // stride
    ow = 1 + (W - size) // stride
    return np.stack([
        np.stack([x[:, i * stride:i * stride + size, j * stride:j * stride + size].max(axis=(1, 2)) for j in range(ow)], axis=1)
        for i in range(oh)], axis=1)


def max_pool2d_backward(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for n in range(dy.shape[0]):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                top, left = i * stride, j * stride
                window = x[n, top:top + size, left:left + size, :]
                a, b, c = np.unravel_index(np.argmax(window), window.shape)
                dx[n, top + a, left + b, c] += dy[n, i, j, c]
    return dx
'''),
        'assigned instead of added, last of equals': ("two: (1) backward writes dx[...] = dy instead of adding, so a place that wins in two overlapping windows keeps only the last one's dy, because non-overlapping windows never show it; (2) the search compares with >=, so of equal numbers the last in reading order wins instead of the first, because > or >= looks all the same to the student", '''\
def max_pool2d(x, size, stride):
    N, H, W, C = x.shape
    y = np.zeros((N, (H - size) // stride + 1, (W - size) // stride + 1, C))
    for n, i, j, c in np.ndindex(*y.shape):
        y[n, i, j, c] = np.max(x[n, i * stride:i * stride + size, j * stride:j * stride + size, c])
    return y


def max_pool2d_backward(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(*dy.shape):
        best = -np.inf
        for a in range(i * stride, i * stride + size):
            for b in range(j * stride, j * stride + size):
                if x[n, a, b, c] >= best:
                    best = x[n, a, b, c]
                    pos = (n, a, b, c)
        dx[pos] = dy[n, i, j, c]
    return dx
'''),
    },
    "e08_batch_norm": {
        'biased variance in the running one': ("the running variance is moved with the same biased variance that normalises the batch: the factor N / (N - 1) is forgotten; the student already has var at hand and the paper's code on most blogs does it so", '''\
class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        if self.training:
            mean = x.mean(axis=0)
            var = x.var(axis=0)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var
        else:
            mean = self.running_mean
            var = self.running_var
        self.std = np.sqrt(var + self.eps)
        self.u = (x - mean) / self.std
        return self.gamma * self.u + self.beta

    def backward(self, dy):
        self.dgamma = np.sum(dy * self.u, axis=0)
        self.dbeta = np.sum(dy, axis=0)
        return self.gamma / self.std * (dy - dy.mean(axis=0) - self.u * (dy * self.u).mean(axis=0))
'''),
        'momentum the other way round': ('running = momentum * running + (1 - momentum) * batch: the two weights are exchanged; momentum means the share of the old in optimisers and in Keras, and the student wrote from that memory', '''\
class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        N = x.shape[0]
        if not self.training:
            x_hat = (x - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.gamma * x_hat + self.beta
        mu = np.mean(x, axis=0)
        var = np.mean((x - mu) ** 2, axis=0)
        x_hat = (x - mu) / np.sqrt(var + self.eps)
        a = self.momentum
        self.running_mean = a * self.running_mean + (1 - a) * mu
        self.running_var = a * self.running_var + (1 - a) * var * N / (N - 1)
        self.cache = (x_hat, var)
        return self.gamma * x_hat + self.beta

    def backward(self, dy):
        x_hat, var = self.cache
        N = dy.shape[0]
        self.dgamma = np.sum(dy * x_hat, axis=0)
        self.dbeta = np.sum(dy, axis=0)
        return self.gamma / (N * np.sqrt(var + self.eps)) * (N * dy - self.dbeta - x_hat * self.dgamma)
'''),
        'backward with mean and variance as constants': ("dx = dy gamma / sqrt(var + eps): the two terms by which every x moves the batch's mean and variance are left out; the student differentiates y = gamma (x - mean) / std + beta with respect to x as if mean and std were given numbers", '''\
class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * x.var(0, ddof=1)
        else:
            mean, var = self.running_mean, self.running_var
        self.inv_std = 1.0 / np.sqrt(var + self.eps)
        self.u = (x - mean) * self.inv_std
        return self.gamma * self.u + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.u).sum(0)
        self.dbeta = dy.sum(0)
        dx = dy * self.gamma * self.inv_std
        return dx
'''),
        'running statistics move in evaluation too': ("the update of the running numbers stands in front of the if, so evaluation batches move them as well (and the moved ones are used at once); the student computes the batch's statistics at the top and puts the update beside them", '''\
class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def update(self, mean, var, n):
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)

    def forward(self, x):
        mean = np.mean(x, axis=0)
        var = np.var(x, axis=0)
        self.update(mean, var, len(x))
        if not self.training:
            mean = self.running_mean
            var = self.running_var
        self.s = np.sqrt(var + self.eps)
        self.u = (x - mean) / self.s
        return self.gamma * self.u + self.beta

    def backward(self, dy):
        self.dgamma = np.sum(dy * self.u, axis=0)
        self.dbeta = np.sum(dy, axis=0)
        return self.gamma / self.s * (dy - np.mean(dy, axis=0) - self.u * np.mean(dy * self.u, axis=0))
'''),
        'batch statistics in evaluation, sum instead of mean in backward': ("two: (1) forward normalises with the batch's own mean and variance in evaluation as well; training only decides whether the running ones move, and the student never needed them in the tests; (2) in backward the last term is u times the SUM of dy u over the batch, not the mean, because dgamma was at hand and looked like the right number", '''\
class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        n = x.shape[0]
        mean = x.mean(axis=0)
        var = x.var(axis=0)
        if self.training:
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)
        self.std = np.sqrt(var + self.eps)
        self.u = (x - mean) / self.std
        return self.gamma * self.u + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.u).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        return self.gamma / self.std * (dy - dy.mean(axis=0) - self.u * self.dgamma)
'''),
    },
    "e09_dropout": {
        'scaling in evaluation instead of in training': ("the original paper's dropout: kept numbers are not scaled in training (nor in backward) and evaluation multiplies by 1 - p instead; students copy it from old lecture notes", '''\
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng
        self.training = True

    def forward(self, x):
        if self.training:
            self.mask = (self.rng.random(x.shape) >= self.p).astype(float)
            return x * self.mask
        self.mask = 1 - self.p
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask
'''),
        'an old mask after an evaluation pass': ('forward in evaluation returns x but leaves the mask of the last training pass standing, so backward after an evaluation pass still drops; the student thinks of backward as something that only ever follows training', '''\
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng
        self.training = True
        self.mask = 1.0

    def forward(self, x):
        if not self.training:
            return x
        self.mask = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask
'''),
        'x changed in place': ("forward sets the dropped entries to zero and scales the others directly in the caller's array (x[~keep] = 0, x /= 1 - p), so x is changed although y should be a new array; students do it to save memory, not seeing that another layer may still need x", '''\
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng
        self.training = True
        self.keep = None

    def forward(self, x):
        self.keep = None
        if self.training:
            self.keep = self.rng.random(x.shape) >= self.p
            x[~self.keep] = 0
            x /= 1 - self.p
        return x

    def backward(self, dy):
        if self.keep is None:
            return dy
        return np.where(self.keep, dy / (1 - self.p), 0)
'''),
        'one mask for all rows, backward not scaled': ('two: (1) one mask is drawn for one row only and broadcast over the whole batch, because the student thinks that dropout switches off units, one choice per unit; (2) backward multiplies by the mask alone and forgets the factor 1 / (1 - p), because the mask is what was stored', '''\
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng
        self.training = True
        self.mask = None

    def forward(self, x):
        if not self.training:
            self.mask = None
            return x
        u = self.rng.random((1,) + x.shape[1:])
        self.mask = np.broadcast_to(u >= self.p, x.shape)
        return x * self.mask / (1 - self.p)

    def backward(self, dy):
        if self.mask is None:
            return dy
        return dy * self.mask
'''),
    },
    "e10_adam": {
        't counted once per parameter': ('self.t += 1 stands inside the loop over the parameters, so with several parameters t runs ahead and each gets another correction; with one parameter nothing shows, and the indentation slipped', '''\
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.m = {k: np.zeros_like(w, dtype=float) for k, w in parameters.items()}
        self.v = {k: np.zeros_like(w, dtype=float) for k, w in parameters.items()}
        self.t = 0

    def step(self, gradients):
        for k, g in gradients.items():
            self.t += 1
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * g
            self.v[k] = self.beta2 * self.v[k] + (1 - self.beta2) * g ** 2
            m_hat = self.m[k] / (1 - self.beta1 ** self.t)
            v_hat = self.v[k] / (1 - self.beta2 ** self.t)
            self.parameters[k] -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.eps)
'''),
        'eps under the root': ('eps is added under the square root: sqrt(v_hat + eps) instead of sqrt(v_hat) + eps; batch norm and Adagrad variants do so, and the student thinks that the place makes no difference for so small a number', '''\
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.moments = {name: [np.zeros(w.shape), np.zeros(w.shape)] for name, w in parameters.items()}
        self.t = 0

    def step(self, gradients):
        self.t += 1
        for name in self.parameters:
            g = gradients[name]
            m, v = self.moments[name]
            m[...] = self.beta1 * m + (1 - self.beta1) * g
            v[...] = self.beta2 * v + (1 - self.beta2) * g * g
            m_hat = m / (1 - self.beta1 ** self.t)
            v_hat = v / (1 - self.beta2 ** self.t)
            self.parameters[name] -= self.learning_rate * m_hat / np.sqrt(v_hat + self.eps)
'''),
        'm and v are one dictionary': ('self.m = self.v = {...} makes both names point to one and the same dictionary, so v starts from the new m and overwrites it; the chained assignment looks like a shorter way to make two empty stores', '''\
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.m = self.v = {k: np.zeros(w.shape) for k, w in parameters.items()}
        self.t = 0

    def step(self, gradients):
        self.t += 1
        b1, b2 = self.beta1, self.beta2
        for k in self.parameters:
            g = gradients[k]
            self.m[k] = b1 * self.m[k] + (1 - b1) * g
            self.v[k] = b2 * self.v[k] + (1 - b2) * g * g
            m_hat = self.m[k] / (1 - b1 ** self.t)
            v_hat = self.v[k] / (1 - b2 ** self.t)
            self.parameters[k] -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.eps)
'''),
        'gradient squared in place, v not corrected': ("two: (1) g *= g squares the caller's gradient array in place to save a temporary, so the gradients do not stay as they were; (2) only m gets its bias correction, v is used as it is, because the student remembered one division and not the other", '''\
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.t = 0
        self.m, self.v = {}, {}
        for name, value in parameters.items():
            self.m[name] = np.zeros(value.shape)
            self.v[name] = np.zeros(value.shape)

    def step(self, gradients):
        self.t += 1
        for name, w in self.parameters.items():
            g = gradients[name]
            self.m[name] += (1 - self.beta1) * (g - self.m[name])
            g *= g
            self.v[name] += (1 - self.beta2) * (g - self.v[name])
            m_hat = self.m[name] / (1 - self.beta1 ** self.t)
            v_hat = self.v[name]
            w -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.eps)
'''),
    },
    "e11_f1": {
        'only classes that occur': ('the loop runs over the classes that occur in labels or predictions (np.unique) and ignores the argument, so an unused class has no entry (wrong length, macro mean too high); language models write it because sklearn does so by default', '''\
def f1_scores(labels, predictions, classes):
    labels = np.asarray(labels)
    predictions = np.asarray(predictions)
    scores = []
    for k in np.union1d(labels, predictions):
        tp = np.sum((labels == k) & (predictions == k))
        fp = np.sum((labels != k) & (predictions == k))
        fn = np.sum((labels == k) & (predictions != k))
        denominator = 2 * tp + fp + fn
        scores.append(2 * tp / denominator if denominator > 0 else 0.0)
    return np.array(scores)


def macro_f1(labels, predictions, classes):
    return float(np.mean(f1_scores(labels, predictions, classes)))
'''),
        'macro F1 from the mean precision and the mean recall': ('macro_f1 averages precision and recall over the classes and takes the harmonic mean of the two averages, instead of the mean of the F1s; both definitions go round under one name', '''\
def _precision_recall(labels, predictions, classes):
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    precision = np.zeros(classes)
    recall = np.zeros(classes)
    for k in range(classes):
        tp = np.sum((predictions == k) & (labels == k))
        if tp > 0:
            precision[k] = tp / np.sum(predictions == k)
            recall[k] = tp / np.sum(labels == k)
    return precision, recall


def _harmonic(p, r):
    s = p + r
    return np.where(s > 0, 2 * p * r / np.where(s > 0, s, 1), 0.0)


def f1_scores(labels, predictions, classes):
    return _harmonic(*_precision_recall(labels, predictions, classes))


def macro_f1(labels, predictions, classes):
    p, r = _precision_recall(labels, predictions, classes)
    return float(_harmonic(p.mean(), r.mean()))
'''),
        'arithmetic mean, weighted by how often a class occurs': ("two: (1) F1 is the ordinary mean (precision + recall) / 2 and not the harmonic one, because mean is what the student remembers; (2) macro_f1 weights every class with its share of the labels (sklearn's 'weighted'), because rare classes seem less important", '''\
def f1_scores(labels, predictions, classes):
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    f1 = np.zeros(classes)
    for k in range(classes):
        tp = np.sum((predictions == k) & (labels == k))
        if tp == 0:
            continue
        precision = tp / np.sum(predictions == k)
        recall = tp / np.sum(labels == k)
        f1[k] = (precision + recall) / 2
    return f1


def macro_f1(labels, predictions, classes):
    support = np.bincount(labels, minlength=classes)
    return float(np.average(f1_scores(labels, predictions, classes), weights=support))
'''),
    },
    "e12_embedding": {
        'repeated tokens counted once': ('dW[ids] += dy: with fancy indexing a token that stands several times gets only its last dy, the others are lost; everyone expects += to accumulate', '''\
def embedding(ids, W):
    return W[ids]


def embedding_backward(dy, ids, W):
    dW = np.zeros(W.shape)
    dW[ids] += dy
    dW[0] = 0
    return dW
'''),
        'padding gives zeros in the forward pass': ('embedding sets the rows of token 0 to zero, although y = W[ids] holds for 0 too; the sentence about padding belongs to the gradient, the student applied it to both', '''\
def embedding(ids, W):
    y = W[ids]
    y[ids == 0] = 0
    return y


def embedding_backward(dy, ids, W):
    dW = np.zeros_like(W, dtype=float)
    for n in range(ids.shape[0]):
        for l in range(ids.shape[1]):
            if ids[n, l] != 0:
                dW[ids[n, l]] += dy[n, l]
    return dW
'''),
        'mean over the places, padding learns': ('two: (1) each row is divided by the number of places of its token, so that frequent words do not get too much (a mean instead of a sum); (2) row 0 is not set to zero: the remark about padding was overlooked', '''\
def embedding(ids, W):
    return np.array([[W[token] for token in row] for row in ids])


def embedding_backward(dy, ids, W):
    V, D = W.shape
    flat_ids = ids.reshape(-1)
    flat_dy = dy.reshape(-1, D)
    dW = np.zeros((V, D))
    np.add.at(dW, flat_ids, flat_dy)
    counts = np.bincount(flat_ids, minlength=V)
    dW /= np.maximum(counts, 1)[:, None]
    return dW
'''),
    },
    "e13_tokenizer": {
        'apostrophes and hyphens everywhere': ("an apostrophe or a hyphen counts as part of a word wherever it stands, also at the ends, doubled or alone ('quoted', a--b, -): the student treats it as one more letter and did not look at its neighbours", '''\
def tokenize(text):
    tokens, word, marks = [], "", ""
    for c in text.lower() + " ":
        if c.isalnum() or c in "'-":
            word += c
        elif word:
            tokens.append(word)
            word = ""
        if c in "!?":
            marks += c
        elif marks:
            # a word may have begun already, so the marks come first
            tokens.append(marks)
            marks = ""
    return tokens


def token_ids(texts, vocabulary, length):
    index = {}
    for i, token in enumerate(vocabulary):
        index[token] = i + 2
    result = []
    for text in texts:
        ids = [index.get(token, 1) for token in tokenize(text)][:length]
        ids += [0] * (length - len(ids))
        result.append(ids)
    return result
'''),
        'unknown tokens dropped': ("token_ids leaves out tokens that are not in the vocabulary instead of giving them the id 1, so that later tokens move forward; bag-of-words tutorials do so, and a list comprehension with 'if t in index' is quickly written", '''\
import re


def tokenize(text):
    return re.findall(r"[^\\W_]+(?:['-][^\\W_]+)*|[!?]+", text.lower())


def token_ids(texts, vocabulary, length):
    index = {t: i + 2 for i, t in enumerate(vocabulary)}
    out = []
    for text in texts:
        ids = [index[t] for t in tokenize(text) if t in index]
        ids = ids[:length]
        out.append(ids + [0] * (length - len(ids)))
    return out
'''),
    },
    "e14_calibration_error": {
        'bins closed on the wrong side': ('the bin is int(confidence * bins), that is [b/B, (b+1)/B), with 1.0 pushed into the last: a confidence right on an edge lands one bin too high; it is the usual histogram habit', '''\
def calibration_error(p, labels, bins):
    p = np.asarray(p)
    labels = np.asarray(labels)
    conf = p.max(axis=1)
    correct = (p.argmax(axis=1) == labels).astype(float)
    index = np.minimum((conf * bins).astype(int), bins - 1)
    ece = 0.0
    for b in range(bins):
        sel = index == b
        if sel.any():
            ece += sel.mean() * abs(correct[sel].mean() - conf[sel].mean())
    return float(ece)
'''),
        'probability of the label, bins all weigh the same': ("two: (1) the confidence is taken to be the probability of the true label instead of the largest one, by the habit of cross-entropy; (2) the bins are averaged plainly instead of weighted with their share of the examples, 'the mean gap'", '''\
def calibration_error(p, labels, bins):
    n = len(labels)
    confidence = p[np.arange(n), labels]
    hit = p.argmax(axis=1) == labels
    edges = np.arange(bins + 1) / bins
    gaps = []
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.sum() == 0:
            continue
        gaps.append(abs(hit[inside].mean() - confidence[inside].mean()))
    return float(sum(gaps) / len(gaps))
'''),
    },
    "e15_temperature": {
        'logarithms divided instead of scores': ('the temperature divides the log-probabilities after log_softmax instead of the scores before it, so the loss is just the old one over T and the largest candidate always wins; the student thinks that dividing commutes with log_softmax', '''\
from given import log_softmax


def temperature_loss(z, labels, temperature):
    log_p = log_softmax(z) / temperature
    return -np.mean(log_p[np.arange(len(labels)), labels])


def best_temperature(z, labels, candidates):
    return min(candidates, key=lambda t: temperature_loss(z, labels, t))
'''),
    },
    "e16_attention_pool": {
        'masked scores become zero': ('scores of hidden positions are multiplied by the mask, so they become 0 and still get exp(0) in the softmax, where they should count nothing; the student is used to mask by multiplying (the weights are zeroed afterwards, but the sum below was too large)', '''\
from given import softmax


def attention_pool(x, w, mask):
    mask = np.asarray(mask)
    e = x @ w
    e = e * mask
    a = softmax(e) * mask
    return (a[:, :, None] * x).sum(axis=1)
'''),
        'masked after the softmax, mean instead of sum': ('two: (1) the softmax runs over all positions and the mask is applied afterwards without a new normalisation, so the weights of the visible ones sum to less than 1; (2) the weighted rows are averaged over L with mean instead of summed, because the text says weighted mean', '''\
def attention_pool(x, w, mask):
    scores = np.einsum("nld,d->nl", x, w)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = weights / weights.sum(axis=1, keepdims=True)
    weights = weights * mask
    return np.mean(weights[..., None] * x, axis=1)
'''),
    },
    "e17_layer_norm": {
        'x centred in place': ("x -= mean and x /= std work in the caller's array, so after the call x holds the normalised numbers: a residual connection would add the wrong thing; the result itself is right and the student never looked at x again", '''\
def layer_norm(x, gamma, beta, eps):
    x -= x.mean(axis=1, keepdims=True)
    x /= np.sqrt((x ** 2).mean(axis=1, keepdims=True) + eps)
    return gamma * x + beta
'''),
    },
    "e18_momentum": {
        'weight decay beside the velocity': ('weight decay shrinks the weight directly in the update (as AdamW does) and does not enter the velocity, so it is not remembered in later steps; the first step is still right', '''\
class SGD:
    def __init__(self, parameters, learning_rate, momentum, weight_decay):
        self.parameters = parameters
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay
        self.v = {name: np.zeros(w.shape) for name, w in parameters.items()}

    def step(self, gradients):
        for name, w in self.parameters.items():
            self.v[name] = self.momentum * self.v[name] + gradients[name]
            w -= self.learning_rate * (self.v[name] + self.weight_decay * w)
'''),
    },
    "e19_soft_targets": {
        'smoothing shared among the others only': ('the label keeps 1 - smoothing and the other classes share smoothing / (classes - 1): rows still sum to 1, but this is the other common definition, in which the label itself gets nothing of the uniform part', '''\
def one_hot(labels, classes):
    return np.eye(classes)[labels]


def smoothed(labels, classes, smoothing):
    hot = one_hot(labels, classes)
    return hot * (1 - smoothing) + (1 - hot) * smoothing / (classes - 1)
'''),
    },
}
