"""20 right and 30 wrong answers to exercises 8 to 20, as different students would write them."""

RIGHT = {
    "e08_batch_norm": {
        "einsum and features in rows": r"""
class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        xt = np.asarray(x, dtype=float).T
        if self.training:
            n = xt.shape[1]
            mean = np.einsum("cn->c", xt) / n
            d = xt - mean[:, None]
            ss = np.einsum("cn,cn->c", d, d)
            var = ss / n
            # moving towards the batch's numbers, in place
            self.running_mean += self.momentum * (mean - self.running_mean)
            self.running_var += self.momentum * (ss / (n - 1) - self.running_var)
        else:
            d = xt - self.running_mean[:, None]
            var = self.running_var
        self.scale = (var + self.eps) ** -0.5
        self.xhat_t = d * self.scale[:, None]
        return (self.xhat_t * self.gamma[:, None] + self.beta[:, None]).T

    def backward(self, dy):
        self.dgamma = np.einsum("nc,cn->c", dy, self.xhat_t)
        self.dbeta = np.einsum("nc->c", dy)
        n = len(dy)
        inner = n * np.asarray(dy).T - self.dbeta[:, None] - self.xhat_t * self.dgamma[:, None]
        return ((self.gamma * self.scale / n)[:, None] * inner).T
""",
        "backward by the chain rule, small nodes": r"""
def _center(x):
    mean = x.mean(0, keepdims=True)
    return x - mean, mean

class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps = eps
        self.momentum = momentum
        self.gamma = np.ones(channels)
        self.beta = np.zeros(channels)
        self.running_mean = np.zeros(channels)
        self.running_var = np.ones(channels)
        self.training = True

    def _blend(self, old, new):
        return (1 - self.momentum) * old + self.momentum * new

    def forward(self, x):
        if not self.training:
            a = self.gamma / np.sqrt(self.running_var + self.eps)
            return x * a + (self.beta - self.running_mean * a)
        c, mean = _center(x)
        var = np.square(c).mean(0)
        self.running_mean = self._blend(self.running_mean, mean[0])
        self.running_var = self._blend(self.running_var, np.var(x, axis=0, ddof=1))
        std = np.sqrt(var + self.eps)
        xhat = c / std
        self.cache = c, std, xhat
        return self.gamma * xhat + self.beta

    def backward(self, dy):
        c, std, xhat = self.cache
        N = dy.shape[0]
        self.dgamma = (dy * xhat).sum(0)
        self.dbeta = dy.sum(0)
        dxhat = dy * self.gamma
        dstd = -(dxhat * c).sum(0) / std ** 2
        dvar = dstd / (2 * std)
        dc = dxhat / std + 2 * c * dvar / N
        return dc - dc.mean(0)
""",
    },
    "e09_dropout": {
        "divide where kept": r"""
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng
        self.training = True
        self.keep = None

    def _route(self, a):
        if self.keep is None:
            return a
        return np.divide(a, 1 - self.p, out=np.zeros(np.shape(a)), where=self.keep)

    def forward(self, x):
        self.keep = ~(self.rng.random(x.shape) < self.p) if self.training else None
        return self._route(x)

    def backward(self, dy):
        return self._route(dy)
""",
        "closure remembered for backward": r"""
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng, self.training = p, rng, True
        self.backward_path = lambda g: g

    def forward(self, x):
        if not self.training:
            self.backward_path = lambda g: 1.0 * g
        else:
            u = self.rng.random(x.shape)
            scale = np.array([1 / (1 - self.p) if v >= self.p else 0.0 for v in u.ravel()]).reshape(x.shape)
            self.backward_path = lambda g, scale=scale: g * scale
        return self.backward_path(x)

    def backward(self, dy):
        return self.backward_path(dy)
""",
    },
    "e10_adam": {
        "a little object for each weight": r"""
class _Moments:
    def __init__(self, shape):
        self.m = np.zeros(shape)
        self.s = np.zeros(shape)

    def update(self, g, b1, b2):
        self.m += (1 - b1) * (g - self.m)
        self.s += (1 - b2) * (np.square(g) - self.s)

class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.moments = {name: _Moments(np.shape(w)) for name, w in parameters.items()}
        self.p1 = self.p2 = 1.0

    def step(self, gradients):
        self.p1 *= self.beta1
        self.p2 *= self.beta2
        for name in list(self.parameters):
            mo = self.moments[name]
            mo.update(gradients[name], self.beta1, self.beta2)
            direction = mo.m / (1 - self.p1) / (np.sqrt(mo.s / (1 - self.p2)) + self.eps)
            self.parameters[name] = self.parameters[name] - self.learning_rate * direction
""",
        "corrected step size, in place": r"""
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.t = 0
        self.m, self.s = {}, {}

    def step(self, gradients):
        self.t += 1
        c1 = 1 - self.beta1 ** self.t
        root = (1 - self.beta2 ** self.t) ** 0.5
        for k, g in gradients.items():
            self.m[k] = self.beta1 * self.m.get(k, 0.0) + (1 - self.beta1) * g
            self.s[k] = self.beta2 * self.s.get(k, 0.0) + (1 - self.beta2) * g * g
            # section 2 of the paper: the same update with the corrections pulled out
            w = self.parameters[k]
            w -= self.learning_rate * root / c1 * self.m[k] / (np.sqrt(self.s[k]) + self.eps * root)
""",
    },
    "e11_f1": {
        "confusion matrix with add.at": r"""
def f1_scores(labels, predictions, classes):
    C = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(C, (labels, predictions), 1)
    tp = C.diagonal()
    total = C.sum(0) + C.sum(1)          # (TP + FP) + (TP + FN)
    return 2 * tp / np.maximum(total, 1)

def macro_f1(labels, predictions, classes):
    return float(f1_scores(labels, predictions, classes).sum() / classes)
""",
        "sets of positions": r"""
def _dice(a, b):
    return 2 * len(a & b) / (len(a) + len(b)) if a & b else 0.0

def f1_scores(labels, predictions, classes):
    where = lambda values, k: {i for i, v in enumerate(values) if v == k}
    return np.array([_dice(where(labels, k), where(predictions, k)) for k in range(classes)])

def macro_f1(labels, predictions, classes):
    return sum(f1_scores(labels, predictions, classes)) / classes
""",
    },
    "e12_embedding": {
        "one-hot einsum": r"""
def _hot(ids, V):
    return (np.asarray(ids)[..., None] == np.arange(V)).astype(np.float32).astype(float)

def embedding(ids, W):
    return np.einsum("nlv,vd->nld", _hot(ids, len(W)), W)

def embedding_backward(dy, ids, W):
    hot = _hot(ids, len(W))
    hot[:, :, 0] = 0
    return np.einsum("nlv,nld->vd", hot, dy)
""",
        "flat views and add.at": r"""
def embedding(ids, W):
    ids = np.asarray(ids)
    return np.asarray(W).take(ids.ravel(), axis=0).reshape(*ids.shape, -1)

def embedding_backward(dy, ids, W):
    flat, rows = np.reshape(ids, -1), np.reshape(dy, (-1, np.shape(W)[1]))
    real = flat != 0
    dW = np.zeros(np.shape(W))
    np.add.at(dW, flat[real], rows[real])
    return dW
""",
    },
    "e13_tokenizer": {
        "one regular expression": r"""
import re

_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[!?]+")

def tokenize(text):
    return _TOKEN.findall(text.lower())

def token_ids(texts, vocabulary, length):
    ids = {}
    for i, token in enumerate(vocabulary, start=2):
        ids.setdefault(token, i)
    rows = [[ids.get(t, 1) for t in tokenize(text)] for text in texts]
    return [(row + [0] * length)[:length] for row in rows]
""",
        "walk over characters": r"""
def tokenize(text):
    s = text.lower() + "  "
    tokens, i = [], 0
    while i < len(s):
        start = i
        if s[i].isalnum():
            while s[i].isalnum() or (s[i] in "'-" and s[i - 1].isalnum() and s[i + 1].isalnum()):
                i += 1
            tokens.append(s[start:i])
        elif s[i] in "!?":
            while s[i] in "!?":
                i += 1
            tokens.append(s[start:i])
        else:
            i += 1
    return tokens

def token_ids(texts, vocabulary, length):
    result = []
    for text in texts:
        row = [0] * length
        for place, token in zip(range(length), tokenize(text)):
            row[place] = vocabulary.index(token) + 2 if token in vocabulary else 1
        result.append(row)
    return result
""",
    },
    "e14_calibration_error": {
        "searchsorted and bincount": r"""
def calibration_error(p, labels, bins):
    p, labels = np.asarray(p), np.asarray(labels)
    confidence = p.max(axis=1)
    right = p.argmax(axis=1) == labels
    which = np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")
    # N_b / N |acc - conf| = |sum of (right - confidence)| / N
    gaps = np.bincount(which, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(p))
""",
        "plain loop over bins": r"""
def calibration_error(p, labels, bins):
    N = len(p)
    conf = [max(row) for row in p]
    hit = [list(row).index(c) == y for row, c, y in zip(p, conf, labels)]
    error = 0.0
    for b in range(bins):
        members = [n for n in range(N) if b / bins < conf[n] <= (b + 1) / bins]
        if not members:
            continue
        accuracy = sum(hit[n] for n in members) / len(members)
        mean = sum(conf[n] for n in members) / len(members)
        error += len(members) / N * abs(accuracy - mean)
    return error
""",
    },
    "e15_temperature": {
        "differences to the label's score": r"""
def temperature_loss(z, labels, temperature):
    z = np.asarray(z, dtype=float) / temperature
    own = np.take_along_axis(z, np.asarray(labels)[:, None], axis=1)
    return float(np.logaddexp.reduce(z - own, axis=1).mean())

def best_temperature(z, labels, candidates):
    return min(candidates, key=lambda T: temperature_loss(z, labels, T))
"""
    },
    "e16_attention_pool": {
        "loop over texts with given softmax": r"""
from given import softmax

def attention_pool(x, w, mask):
    y = np.zeros((x.shape[0], x.shape[2]))
    for n in range(len(x)):
        rows = x[n][mask[n]]
        if len(rows):
            y[n] = (softmax((rows @ w)[None])  @ rows)[0]
    return y
"""
    },
    "e17_layer_norm": {
        "transposed, centred first": r"""
def layer_norm(x, gamma, beta, eps):
    C = x.shape[1]
    t = x.T - x.T.sum(0) / C
    length = np.sqrt(np.einsum("cn,cn->n", t, t) + C * eps)
    return np.multiply(t / length * np.sqrt(C), gamma[:, None]).T + beta
"""
    },
    "e18_momentum": {
        "velocity carries the learning rate": r"""
class SGD:
    def __init__(self, parameters, learning_rate, momentum, weight_decay):
        self.parameters = parameters
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay
        self.move = dict.fromkeys(parameters, 0.0)

    def step(self, gradients):
        for name, g in gradients.items():
            w = self.parameters[name]
            self.move[name] = self.momentum * self.move[name] - self.learning_rate * (g + self.weight_decay * w)
            self.parameters[name] = w + self.move[name]
"""
    },
    "e19_soft_targets": {
        "float32 identity, broadcasting": r"""
def one_hot(labels, classes):
    return np.eye(classes, dtype=np.float32)[np.asarray(labels, dtype=int)].astype(np.float64)

def smoothed(labels, classes, smoothing):
    t = one_hot(labels, classes)
    return t + smoothing * (1 / classes - t)
"""
    },
    "e20_hierarchical_softmax": {
        "gather the ways, logaddexp, add.at": r"""
from given import sigmoid

def _ways(x, W, labels, nodes, turns):
    i = np.asarray(nodes)[labels]
    t = np.asarray(turns)[labels]
    return i, t, t * np.einsum("nd,nld->nl", x, W[i])

def path_loss(x, W, labels, nodes, turns):
    i, t, s = _ways(x, W, labels, nodes, turns)
    return float((np.logaddexp(0, -s) * (t != 0)).sum() / len(x))

def path_loss_backward(x, W, labels, nodes, turns):
    i, t, s = _ways(x, W, labels, nodes, turns)
    d = (sigmoid(s) - 1) * t / len(x)
    dx = np.einsum("nl,nld->nd", d, W[i])
    dW = np.zeros(W.shape)
    np.add.at(dW, i.ravel(), (d[:, :, None] * x[:, None, :]).reshape(-1, x.shape[1]))
    return dx, dW
"""
    },
}

_BN_INIT = r"""
class BatchNorm:
    def __init__(self, channels, eps, momentum):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True
"""
_BN_BACK = r"""
    def backward(self, dy):
        self.dgamma = (dy * self.xhat).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        return self.gamma / self.std * (dy - dy.mean(axis=0) - self.xhat * (dy * self.xhat).mean(axis=0))
"""
_DROP_INIT = r"""
class Dropout:
    def __init__(self, p, rng):
        self.p, self.rng = p, rng
        self.training = True
        self.mask = None
"""
_ADAM_INIT = r"""
class Adam:
    def __init__(self, parameters, learning_rate, beta1, beta2, eps):
        self.parameters = parameters
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
"""
_EMB = r"""
def embedding(ids, W):
    return W[ids]
"""

WRONG = {
    "e08_batch_norm": {
        "biased running variance": (
            "The running variance takes the batch's biased variance; the factor N / (N - 1) is forgotten, because the same `var` is at hand and most blog posts do it so.",
            _BN_INIT
            + r"""
    def forward(self, x):
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var
        else:
            mean, var = self.running_mean, self.running_var
        self.std = np.sqrt(var + self.eps)
        self.xhat = (x - mean) / self.std
        return self.gamma * self.xhat + self.beta
"""
            + _BN_BACK,
        ),
        "momentum the Keras way round": (
            "momentum weighs the old running value instead of the new batch (Keras's and the course notes' convention, running = momentum * running + (1 - momentum) * batch).",
            _BN_INIT
            + r"""
    def forward(self, x):
        N = x.shape[0]
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var * N / (N - 1)
        else:
            mean, var = self.running_mean, self.running_var
        self.std = np.sqrt(var + self.eps)
        self.xhat = (x - mean) / self.std
        return self.gamma * self.xhat + self.beta
"""
            + _BN_BACK,
        ),
        "mean moves, variance is constant": (
            "backward subtracts the mean of dy but leaves out the term of the variance (- xhat mean(dy xhat)); a student forgets that the variance depends on x as well.",
            _BN_INIT
            + r"""
    def forward(self, x):
        N = x.shape[0]
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * N / (N - 1)
        else:
            mean, var = self.running_mean, self.running_var
        self.std = np.sqrt(var + self.eps)
        self.xhat = (x - mean) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.xhat).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        dxhat = dy * self.gamma
        return (dxhat - dxhat.mean(axis=0)) / self.std
""",
        ),
        "batch statistics always, eps outside": (
            "two: (1) outside training the batch's own mean and variance still normalise, the running ones are collected but never used; (2) eps is added to the standard deviation instead of to the variance under the root.",
            _BN_INIT
            + r"""
    def forward(self, x):
        N = x.shape[0]
        mean, var = np.mean(x, axis=0), np.var(x, axis=0)
        if self.training:
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * N / (N - 1)
        self.std = np.sqrt(var) + self.eps
        self.xhat = (x - mean) / self.std
        return self.gamma * self.xhat + self.beta
"""
            + _BN_BACK,
        ),
    },
    "e09_dropout": {
        "classic dropout": (
            "The kept numbers aren't enlarged in training; instead everything is multiplied by 1 - p outside training, as in the original paper and not as the stub says.",
            _DROP_INIT
            + r"""
    def forward(self, x):
        if not self.training:
            self.mask = np.full(x.shape, 1 - self.p)
            return x * (1 - self.p)
        self.mask = self.rng.random(x.shape) >= self.p
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask
""",
        ),
        "p taken for the keep probability": (
            "p is read as the probability to keep: the mask is u < p and the scale 1 / p, as in old TensorFlow's keep_prob.",
            _DROP_INIT
            + r"""
    def forward(self, x):
        if not self.training:
            self.mask = 1.0
            return x
        self.mask = (self.rng.random(x.shape) < self.p) / self.p
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask
""",
        ),
        "one mask for the whole training": (
            "The mask is drawn once and kept as long as the shape stays the same, since the student thinks that forward and backward must share it and so caches it for good.",
            _DROP_INIT
            + r"""
    def forward(self, x):
        if not self.training:
            return x
        if self.mask is None or self.mask.shape != x.shape:
            self.mask = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.mask

    def backward(self, dy):
        if not self.training:
            return dy
        return dy * self.mask
""",
        ),
        "in place, and unscaled backward": (
            "two: (1) forward writes into the caller's x (x[drop] = 0, x /= 1 - p), to save memory; (2) backward only zeroes the dropped places and forgets the factor 1 / (1 - p).",
            _DROP_INIT
            + r"""
    def forward(self, x):
        if not self.training:
            self.mask = np.ones(x.shape, dtype=bool)
            return x
        self.mask = self.rng.random(x.shape) >= self.p
        x[~self.mask] = 0
        x /= 1 - self.p
        return x

    def backward(self, dy):
        return np.where(self.mask, dy, 0.0)
""",
        ),
    },
    "e10_adam": {
        "no bias correction": (
            "m and s are used as they are, without division by 1 - beta^t; the first steps are off. The course's RMSprop code was extended in a hurry.",
            _ADAM_INIT
            + r"""
        self.m = {k: np.zeros_like(w) for k, w in parameters.items()}
        self.s = {k: np.zeros_like(w) for k, w in parameters.items()}

    def step(self, gradients):
        for k, g in gradients.items():
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * g
            self.s[k] = self.beta2 * self.s[k] + (1 - self.beta2) * g ** 2
            self.parameters[k] = self.parameters[k] - self.learning_rate * self.m[k] / (np.sqrt(self.s[k]) + self.eps)
""",
        ),
        "t counts parameters": (
            "self.t += 1 stands inside the loop over the parameters, so that t counts arrays and not steps; with a single array nobody notices.",
            _ADAM_INIT
            + r"""
        self.m = {k: np.zeros_like(w) for k, w in parameters.items()}
        self.s = {k: np.zeros_like(w) for k, w in parameters.items()}
        self.t = 0

    def step(self, gradients):
        for k in self.parameters:
            self.t += 1
            g = gradients[k]
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * g
            self.s[k] = self.beta2 * self.s[k] + (1 - self.beta2) * g ** 2
            mh = self.m[k] / (1 - self.beta1 ** self.t)
            sh = self.s[k] / (1 - self.beta2 ** self.t)
            self.parameters[k] = self.parameters[k] - self.learning_rate * mh / (np.sqrt(sh) + self.eps)
""",
        ),
        "m and s share one dict": (
            "self.m = self.s = {...} makes both names the same dict, so that s starts from the m just written; chained assignment looks tidy.",
            _ADAM_INIT
            + r"""
        self.m = self.s = {k: np.zeros_like(w) for k, w in parameters.items()}
        self.t = 0

    def step(self, gradients):
        self.t += 1
        for k, g in gradients.items():
            m, s = self.m[k], self.s[k]
            self.m[k] = m = self.beta1 * m + (1 - self.beta1) * g
            self.s[k] = s = self.beta2 * s + (1 - self.beta2) * g ** 2
            mh = m / (1 - self.beta1 ** self.t)
            sh = s / (1 - self.beta2 ** self.t)
            self.parameters[k] = self.parameters[k] - self.learning_rate * mh / (np.sqrt(sh) + self.eps)
""",
        ),
        "t one ahead, eps under the root": (
            "two: (1) t starts at 1 and is raised before use, so the first step corrects with t = 2; (2) eps is added under the square root.",
            _ADAM_INIT
            + r"""
        self.t = 1
        self.m = {k: np.zeros_like(w) for k, w in parameters.items()}
        self.v = {k: np.zeros_like(w) for k, w in parameters.items()}

    def step(self, gradients):
        self.t += 1
        for k, g in gradients.items():
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * g
            self.v[k] = self.beta2 * self.v[k] + (1 - self.beta2) * g * g
            m_hat = self.m[k] / (1 - self.beta1 ** self.t)
            v_hat = self.v[k] / (1 - self.beta2 ** self.t)
            self.parameters[k] = self.parameters[k] - self.learning_rate * m_hat / np.sqrt(v_hat + self.eps)
""",
        ),
    },
    "e11_f1": {
        "intersection over union": (
            "The score is TP / (TP + FP + FN) (Jaccard): the twos of the formula were cancelled wrongly.",
            r"""
def f1_scores(labels, predictions, classes):
    result = np.zeros(classes)
    for k in range(classes):
        tp = np.sum((labels == k) & (predictions == k))
        fp = np.sum((labels != k) & (predictions == k))
        fn = np.sum((labels == k) & (predictions != k))
        if tp > 0:
            result[k] = tp / (tp + fp + fn)
    return result

def macro_f1(labels, predictions, classes):
    return float(np.mean(f1_scores(labels, predictions, classes)))
""",
        ),
        "F1 of the mean precision and recall": (
            "macro_f1 averages precision and recall over the classes and takes the harmonic mean of these averages, instead of the mean of the F1 scores; both definitions go round under the name.",
            r"""
def _pr(labels, predictions, classes):
    precision, recall = np.zeros(classes), np.zeros(classes)
    for k in range(classes):
        tp = np.sum((labels == k) & (predictions == k))
        precision[k] = tp / max(np.sum(predictions == k), 1)
        recall[k] = tp / max(np.sum(labels == k), 1)
    return precision, recall

def f1_scores(labels, predictions, classes):
    p, r = _pr(np.asarray(labels), np.asarray(predictions), classes)
    return np.where(p + r > 0, 2 * p * r / np.where(p + r > 0, p + r, 1), 0.0)

def macro_f1(labels, predictions, classes):
    p, r = _pr(np.asarray(labels), np.asarray(predictions), classes)
    p, r = p.mean(), r.mean()
    return 2 * p * r / (p + r) if p + r else 0.0
""",
        ),
        "macro only over classes that occur": (
            "macro_f1 averages only over classes that stand in labels or predictions, as scikit-learn does without labels=, instead of over all classes.",
            r"""
def f1_scores(labels, predictions, classes):
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    tp = np.bincount(labels[labels == predictions], minlength=classes)
    total = np.bincount(labels, minlength=classes) + np.bincount(predictions, minlength=classes)
    return 2 * tp / np.maximum(total, 1)

def macro_f1(labels, predictions, classes):
    present = np.union1d(labels, predictions)
    return float(f1_scores(labels, predictions, classes)[present].mean())
""",
        ),
        "nan for absent classes, weighted mean": (
            "two: (1) f1_scores divides 0 by 0 for a class that is neither present nor predicted, which gives nan instead of 0; (2) macro_f1 weighs the classes by how often they stand in labels (nans skipped).",
            r"""
def f1_scores(labels, predictions, classes):
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    out = np.empty(classes)
    with np.errstate(invalid="ignore"):
        for k in range(classes):
            tp = np.sum((labels == k) & (predictions == k))
            fp = np.sum((labels != k) & (predictions == k))
            fn = np.sum((labels == k) & (predictions != k))
            out[k] = np.float64(2 * tp) / (2 * tp + fp + fn)
    return out

def macro_f1(labels, predictions, classes):
    support = np.bincount(labels, minlength=classes)
    return float(np.nansum(f1_scores(labels, predictions, classes) * support) / support.sum())
""",
        ),
    },
    "e12_embedding": {
        "plain += with repeated ids": (
            "dW[ids] += dy keeps only the last of several equal tokens, since numpy buffers the indexed addition.",
            _EMB
            + r"""
def embedding_backward(dy, ids, W):
    dW = np.zeros_like(W, dtype=float)
    dW[ids] += dy
    dW[0] = 0
    return dW
""",
        ),
        "padding learns too": (
            "The row of token 0 gathers its gradient like all others; the sentence about padding was overlooked.",
            _EMB
            + r"""
def embedding_backward(dy, ids, W):
    dW = np.zeros(W.shape)
    np.add.at(dW, ids, dy)
    return dW
""",
        ),
        "padding zeroed in dy itself": (
            "To keep the padding out, dy[ids == 0] = 0 is written into the caller's array; the result is right, but dy is changed.",
            _EMB
            + r"""
def embedding_backward(dy, ids, W):
    dy[ids == 0] = 0
    dW = np.zeros(W.shape)
    np.add.at(dW, ids, dy)
    return dW
""",
        ),
        "padding embedded as zeros, mean of gradients": (
            "two: (1) embedding gives zeros for token 0 instead of W[0], for padding `is zero anyway`; (2) backward divides each row by the number of its tokens, a mean instead of a sum.",
            r"""
def embedding(ids, W):
    y = W[ids].astype(float)
    y[ids == 0] = 0
    return y

def embedding_backward(dy, ids, W):
    dW = np.zeros(W.shape)
    np.add.at(dW, ids, dy)
    counts = np.bincount(ids.ravel(), minlength=len(W))
    dW /= np.maximum(counts, 1)[:, None]
    dW[0] = 0
    return dW
""",
        ),
    },
    "e13_tokenizer": {
        "ASCII letters only": (
            "[a-z0-9] stands for letters and digits, so umlauts and other scripts are dropped or split words.",
            r"""
import re

def tokenize(text):
    return re.findall(r"[a-z0-9]+(?:['-][a-z0-9]+)*|[!?]+", text.lower())

def token_ids(texts, vocabulary, length):
    index = {t: i + 2 for i, t in enumerate(vocabulary)}
    rows = []
    for text in texts:
        ids = [index.get(t, 1) for t in tokenize(text)][:length]
        rows.append(ids + [0] * (length - len(ids)))
    return rows
""",
        ),
        "\\w with underscore, padding in front": (
            "two: (1) \\w+ takes the underscore for a letter, so a_b stays one token; (2) short rows are filled with 0 in front, as Keras's pad_sequences does by default.",
            r"""
import re

def tokenize(text):
    return re.findall(r"\w+(?:['-]\w+)*|[!?]+", text.lower())

def token_ids(texts, vocabulary, length):
    index = {t: i + 2 for i, t in enumerate(vocabulary)}
    rows = []
    for text in texts:
        ids = [index.get(t, 1) for t in tokenize(text)][:length]
        rows.append([0] * (length - len(ids)) + ids)
    return rows
""",
        ),
    },
    "e14_calibration_error": {
        "edges belong to the upper bin": (
            "The bin is int(confidence * bins), which puts a confidence on an edge (0.5 of two bins) into the upper bin instead of the lower.",
            r"""
def calibration_error(p, labels, bins):
    p = np.asarray(p)
    conf = p.max(axis=1)
    correct = p.argmax(axis=1) == labels
    which = np.minimum((conf * bins).astype(int), bins - 1)
    error = 0.0
    for b in range(bins):
        inside = which == b
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - conf[inside].mean())
    return float(error)
""",
        ),
        "all non-empty bins weigh the same": (
            "The gaps of the bins are averaged plainly over the non-empty bins instead of being weighed by the number of examples in them.",
            r"""
def calibration_error(p, labels, bins):
    p = np.asarray(p)
    conf = p.max(axis=1)
    correct = p.argmax(axis=1) == labels
    gaps = []
    for b in range(bins):
        inside = (conf > b / bins) & (conf <= (b + 1) / bins)
        if inside.any():
            gaps.append(abs(correct[inside].mean() - conf[inside].mean()))
    return float(np.mean(gaps))
""",
        ),
    },
    "e15_temperature": {
        "log-probabilities divided, last of equals": (
            "two: (1) the temperature divides the log-probabilities after log_softmax instead of the scores before it, so nothing is normalised afterwards; (2) best_temperature compares with <= and so returns the last of several equal candidates.",
            r"""
from given import softmax, log_softmax

def temperature_loss(z, labels, temperature):
    z = np.asarray(z)
    log_p = log_softmax(z) / temperature
    return -float(np.mean(log_p[np.arange(len(z)), labels]))

def best_temperature(z, labels, candidates):
    best, best_loss = None, float("inf")
    for T in candidates:
        loss = temperature_loss(z, labels, T)
        if loss <= best_loss:
            best, best_loss = T, loss
    return best
""",
        ),
    },
    "e16_attention_pool": {
        "masked scores become 0": (
            "The scores are multiplied by the mask before the softmax, so a masked position gets the score 0 and still a weight e^0; 0 was taken for `no weight`.",
            r"""
from given import softmax

def attention_pool(x, w, mask):
    e = (x @ w) * mask
    a = softmax(e)
    y = np.einsum("nl,nld->nd", a, x)
    y[~mask.any(axis=1)] = 0
    return y
""",
        ),
    },
    "e17_layer_norm": {
        "eps added to the standard deviation": (
            "x.std() + eps instead of sqrt(var + eps), as in the well-known annotated Transformer post.",
            r"""
def layer_norm(x, gamma, beta, eps):
    mean = x.mean(axis=-1, keepdims=True)
    std = x.std(axis=-1, keepdims=True)
    return gamma * (x - mean) / (std + eps) + beta
""",
        ),
    },
    "e18_momentum": {
        "weight decay written into the gradients": (
            "g += weight_decay * w changes the caller's gradient arrays; g looks like a local variable.",
            r"""
class SGD:
    def __init__(self, parameters, learning_rate, momentum, weight_decay):
        self.parameters = parameters
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay
        self.v = {k: np.zeros_like(w) for k, w in parameters.items()}

    def step(self, gradients):
        for k, w in self.parameters.items():
            g = gradients[k]
            g += self.weight_decay * w
            self.v[k] = self.momentum * self.v[k] + g
            w -= self.learning_rate * self.v[k]
""",
        ),
    },
    "e19_soft_targets": {
        "smoothing shared among the other classes": (
            "The label gets 1 - smoothing and the others smoothing / (classes - 1): rows sum to 1, but it isn't the stub's formula; many posts write it so.",
            r"""
def one_hot(labels, classes):
    out = np.zeros((len(labels), classes))
    out[np.arange(len(labels)), labels] = 1
    return out

def smoothed(labels, classes, smoothing):
    t = one_hot(labels, classes)
    return t * (1 - smoothing) + (1 - t) * smoothing / (classes - 1)
""",
        ),
    },
    "e20_hierarchical_softmax": {
        "log of a sigmoid that is 0": (
            "The loss is -log(sigmoid(s)); given's sigmoid doesn't overflow, but at s = -1000 it is 0 and the loss infinite, against the docstring's promise.",
            r"""
from given import sigmoid

def path_loss(x, W, labels, nodes, turns):
    n, t = nodes[labels], turns[labels]
    s = t * np.einsum("nd,nld->nl", x, W[n])
    with np.errstate(divide="ignore"):
        logs = np.log(sigmoid(s))
    return -float(np.where(t != 0, logs, 0.0).sum() / len(x))

def path_loss_backward(x, W, labels, nodes, turns):
    n, t = nodes[labels], turns[labels]
    s = t * np.einsum("nd,nld->nl", x, W[n])
    d = t * (sigmoid(s) - 1) / len(x)
    dx = np.einsum("nl,nld->nd", d, W[n])
    dW = np.zeros(W.shape)
    np.add.at(dW, n, d[:, :, None] * x[:, None, :])
    return dx, dW
""",
        ),
    },
}
