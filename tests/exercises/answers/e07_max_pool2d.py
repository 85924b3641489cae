FORWARD = """
def max_pool2d(x, size, stride):
    N, H, W, C = x.shape
    h, w = (H - size) // stride + 1, (W - size) // stride + 1
    y = np.zeros((N, h, w, C))
    for a in range(h):
        for b in range(w):
            y[:, a, b] = x[:, a * stride:a * stride + size, b * stride:b * stride + size].max(axis=(1, 2))
    return y
"""
BACKWARD = """
def max_pool2d_backward(dy, x, size, stride):
    N, h, w, C = dy.shape
    dx = np.zeros(x.shape)
    n, c = np.meshgrid(np.arange(N), np.arange(C), indexing='ij')
    for a in range(h):
        for b in range(w):
            window = x[:, a * stride:a * stride + size, b * stride:b * stride + size].reshape(N, -1, C)
            i, j = np.divmod(window.argmax(axis=1), size)
            dx[n, a * stride + i, b * stride + j, c] += dy[:, a, b]
    return dx
"""
RIGHT = {
    "a loop over the places": FORWARD + BACKWARD,
    "a loop inside the window": """
def parts(x, size, stride):
    h, w = (x.shape[1] - size) // stride + 1, (x.shape[2] - size) // stride + 1
    return [(np.s_[:, i:i + stride * h:stride, j:j + stride * w:stride]) for i in range(size) for j in range(size)]
def max_pool2d(x, size, stride):
    return np.max([x[p] for p in parts(x, size, stride)], axis=0)
def max_pool2d_backward(dy, x, size, stride):
    stack = np.array([x[p] for p in parts(x, size, stride)])
    winner = stack.argmax(axis=0)
    dx = np.zeros(x.shape)
    for k, p in enumerate(parts(x, size, stride)):
        dx[p] += np.where(winner == k, dy, 0)
    return dx
""",
    "views": """
from numpy.lib.stride_tricks import sliding_window_view as view
def max_pool2d(x, size, stride):
    return view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride].max(axis=(-1, -2)).astype(np.float32)
""" + BACKWARD,
}
WRONG = {
    "all that are equal": ("ties-all", FORWARD + """
def max_pool2d_backward(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for a in range(dy.shape[1]):
        for b in range(dy.shape[2]):
            here = np.s_[:, a * stride:a * stride + size, b * stride:b * stride + size]
            dx[here] += (x[here] == x[here].max(axis=(1, 2), keepdims=True)) * dy[:, a:a + 1, b:b + 1]
    return dx
"""),
    "last write wins": ("overlap-overwritten", FORWARD + BACKWARD.replace("] += dy", "] = dy")),
    "the stride is the size": ("stride-ignored", FORWARD.replace("def max_pool2d(x, size, stride):", "def max_pool2d(x, size, stride):\n    stride = size") + BACKWARD),
    "zero in the window": ("zero-wins", FORWARD.replace("y[:, a, b] = ", "y[:, a, b] = np.maximum(0, ").replace("max(axis=(1, 2))", "max(axis=(1, 2)))") + BACKWARD),
    "all equal ones share, overwritten": ("ties-shared overlap-overwritten", FORWARD + """
def max_pool2d_backward(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for a in range(dy.shape[1]):
        for b in range(dy.shape[2]):
            here = np.s_[:, a * stride:a * stride + size, b * stride:b * stride + size]
            won = x[here] == x[here].max(axis=(1, 2), keepdims=True)
            dx[here] = won / won.sum(axis=(1, 2), keepdims=True) * dy[:, a:a + 1, b:b + 1]
    return dx
"""),
}
