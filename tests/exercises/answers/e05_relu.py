RIGHT = {
    "maximum": """
def relu(x):
    return np.maximum(x, 0)
def relu_backward(dy, x):
    return dy * (x > 0)
""",
    "where": """
def relu(x):
    return np.where(x > 0, x, 0.0)
def relu_backward(dy, x):
    return np.where(x > 0, dy, 0)
""",
    "absolute values, copy and mask": """
def relu(x):
    return (np.abs(x) + x) / 2
def relu_backward(dy, x):
    dx = dy.copy()
    dx[x <= 0] = 0
    return dx
""",
}
WRONG = {
    "at zero too": ("passes-at-zero", """
def relu(x):
    return np.maximum(0, x)
def relu_backward(dy, x):
    return dy * (x >= 0)
"""),
    "writes into x": ("in-place", """
def relu(x):
    x[x < 0] = 0
    return x
def relu_backward(dy, x):
    return dy * (x > 0)
"""),
    "by the sign of dy": ("mask-of-dy", """
def relu(x):
    return np.maximum(0, x)
def relu_backward(dy, x):
    return np.maximum(dy, 0)
"""),
    "only the slope": ("dy-forgotten", """
def relu(x):
    return np.maximum(0, x)
def relu_backward(dy, x):
    return (x > 0).astype(float)
"""),
    "leaky, and at zero too": ("leaky passes-at-zero", """
def relu(x):
    return np.where(x > 0, x, 0.01 * x)
def relu_backward(dy, x):
    return np.where(x >= 0, dy, 0)
"""),
}
