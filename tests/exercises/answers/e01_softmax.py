RIGHT = {
    "float32": """
def softmax(z):
    z = np.asarray(z, dtype=np.float32)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
""",
    "through log space": """
def softmax(z):
    shifted = z - np.max(z, axis=-1)[:, None]
    return np.exp(shifted - np.log(np.exp(shifted).sum(-1))[:, None])
""",
    "transposed, with a helper": """
def columns(t):
    t = t - t.max(0)
    t = np.exp(t)
    return t / t.sum(0)

def softmax(z):
    return columns(np.array(z).T).T
""",
    "logaddexp": """
def softmax(z):
    return np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))
""",
}
WRONG = {
    "the formula as it stands": ("no-shift", """
def softmax(z):
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)
"""),
    "one maximum for everything": ("batch-maximum", """
def softmax(z):
    e = np.exp(z - np.max(z))
    return e / np.sum(e, axis=1, keepdims=True)
"""),
    "sum over everything": ("sum-over-batch", """
def softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    return e / np.sum(e)
"""),
    "axis 0": ("wrong-axis", """
def softmax(z):
    e = np.exp(z - np.max(z, axis=0, keepdims=True))
    return e / np.sum(e, axis=0, keepdims=True)
"""),
    "in place, and one maximum": ("in-place batch-maximum", """
def softmax(z):
    z -= z.max()
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)
"""),
    "row by row, filling an array like z": ("integer-result loop", """
def softmax(z):
    out = np.zeros_like(z)
    for n in range(len(z)):
        e = np.exp(z[n] - max(z[n]))
        out[n] = e / sum(e)
    return out
"""),
}
