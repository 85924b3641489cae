LOOK = """
def embedding(ids, W):
    return W[ids]
"""
RIGHT = {
    "add.at": LOOK + """
def embedding_backward(dy, ids, W):
    dW = np.zeros(W.shape)
    np.add.at(dW, ids, dy)
    dW[0] = 0
    return dW
""",
    "one-hot product": """
def embedding(ids, W):
    return np.eye(len(W))[ids] @ W
def embedding_backward(dy, ids, W):
    h = np.eye(len(W))[ids]
    h[..., 0] = 0
    return np.einsum('nlv,nld->vd', h, dy)
""",
    "take, and bincount by column": """
def embedding(ids, W):
    return np.take(W, ids, axis=0)
def embedding_backward(dy, ids, W):
    flat, d = ids.ravel(), dy.reshape(-1, W.shape[1])
    out = np.stack([np.bincount(flat, weights=d[:, j], minlength=len(W)) for j in range(W.shape[1])], axis=1)
    out[0] *= 0
    return out
""",
    "masked dy in float32": LOOK + """
def embedding_backward(dy, ids, W):
    d = (dy * (ids != 0)[:, :, None]).astype(np.float32)
    out = np.zeros_like(W, dtype=np.float32)
    np.add.at(out, ids.reshape(-1), d.reshape(-1, d.shape[-1]))
    return out
""",
}
WRONG = {
    "repeated tokens counted once": ("repeats-lost", LOOK + """
def embedding_backward(dy, ids, W):
    dW = np.zeros(W.shape)
    dW[ids] += dy
    dW[0] = 0
    return dW
"""),
    "padding learns": ("padding-learns", LOOK + """
def embedding_backward(dy, ids, W):
    dW = np.zeros(W.shape)
    np.add.at(dW, ids, dy)
    return dW
"""),
    "both": ("repeats-lost padding-learns", LOOK + """
def embedding_backward(dy, ids, W):
    dW = np.zeros_like(W)
    dW[ids] += dy
    return dW
"""),
    "the mean of the places": ("divided-by-count", LOOK + """
def embedding_backward(dy, ids, W):
    dW = np.zeros(W.shape)
    np.add.at(dW, ids, dy)
    count = np.bincount(ids.ravel(), minlength=len(W))
    dW /= np.maximum(count, 1)[:, None]
    dW[0] = 0
    return dW
"""),
    "four loops": ("loop", LOOK + """
def embedding_backward(dy, ids, W):
    dW = np.zeros(W.shape)
    for n in range(ids.shape[0]):
        for l in range(ids.shape[1]):
            if ids[n, l] != 0:
                dW[ids[n, l]] += dy[n, l]
    return dW
"""),
    "padding shifted, divided by N": ("ids-shifted divided-by-n", """
def embedding(ids, W):
    return W[ids - 1]
def embedding_backward(dy, ids, W):
    dW = np.zeros(W.shape)
    np.add.at(dW, ids, dy)
    dW[0] = 0
    return dW / len(ids)
"""),
}
