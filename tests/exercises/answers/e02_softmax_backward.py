RIGHT = {
    "the short form": """
def softmax_backward(dy, s):
    return s * (dy - (dy * s).sum(axis=1, keepdims=True))
""",
    "the whole Jacobian by einsum": """
def softmax_backward(dy, s):
    J = np.einsum('ni,ij->nij', s, np.eye(s.shape[1])) - np.einsum('ni,nj->nij', s, s)
    return np.einsum('ni,nij->nj', dy, J)
""",
    "matmul and float32": """
def softmax_backward(dy, s):
    dy = dy.astype('float32'); s = s.astype('float32')
    dot = (dy[:, None, :] @ s[:, :, None])[:, 0]
    return dy * s - s * dot
""",
}
WRONG = {
    "only the diagonal": ("diagonal-only", """
def softmax_backward(dy, s):
    return dy * s * (1 - s)
"""),
    "sum without dy": ("sum-without-s", """
def softmax_backward(dy, s):
    return s * (dy - dy.sum(axis=1, keepdims=True))
"""),
    "summed over the batch": ("wrong-axis", """
def softmax_backward(dy, s):
    return s * (dy - (dy * s).sum(axis=0, keepdims=True))
"""),
    "sign": ("plus-sign", """
def softmax_backward(dy, s):
    return s * (dy + np.sum(dy * s, axis=1, keepdims=True))
"""),
    "mean, and s forgotten in front": ("mean-for-sum missing-s", """
def softmax_backward(dy, s):
    return dy - (dy * s).mean(axis=1, keepdims=True)
"""),
}
