RIGHT = {
    "matmul": """
def linear(x, W, b):
    return x @ W + b
def linear_backward(dy, x, W):
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)
""",
    "einsum and a list": """
def linear(x, W, b):
    return np.einsum('ni,ik->nk', x, W) + b[None, :]
def linear_backward(dy, x, W):
    return [np.einsum('nk,ik->ni', dy, W), np.einsum('ni,nk->ik', x, dy), np.ones(len(dy)) @ dy]
""",
    "a column of ones": """
def linear(x, W, b):
    return np.hstack([x, np.ones((len(x), 1))]) @ np.vstack([W, b])
def linear_backward(dy, x, W):
    ext = np.hstack([x, np.ones((len(x), 1))])
    d = ext.T @ dy
    return np.dot(dy, W.transpose()), d[:-1], d[-1]
""",
    "broadcast": """
def linear(x, W, b):
    return (x[:, :, None] * W[None]).sum(axis=1) + b
def linear_backward(dy, x, W):
    return (dy[:, None, :] * W).sum(2), (x[:, :, None] * dy[:, None, :]).sum(0), dy.sum(0)
""",
}
WRONG = {
    "bias forgotten": ("no-bias", """
def linear(x, W, b):
    return x @ W
def linear_backward(dy, x, W):
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)
"""),
    "mean over the batch": ("divided-by-n", """
def linear(x, W, b):
    return x @ W + b
def linear_backward(dy, x, W):
    n = len(x)
    return dy @ W.T, x.T @ dy / n, dy.sum(axis=0) / n
"""),
    "bias gradient per row": ("db-not-summed", """
def linear(x, W, b):
    return x @ W + b
def linear_backward(dy, x, W):
    return dy @ W.T, x.T @ dy, dy
"""),
    "dW transposed": ("dW-transposed", """
def linear(x, W, b):
    return np.dot(x, W) + b
def linear_backward(dy, x, W):
    return np.dot(dy, W.T), np.dot(dy.T, x), dy.sum(0)
"""),
    "db is a mean and dW too, no bias": ("no-bias db-mean", """
def linear(x, W, b):
    return x @ W
def linear_backward(dy, x, W):
    return dy @ W.T, x.T @ dy, dy.mean(axis=0)
"""),
}
