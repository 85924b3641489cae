FORWARD = """
def conv2d(x, W, stride, padding):
    kh, kw, C, K = W.shape
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    H = (x.shape[1] - kh) // stride + 1
    V = (x.shape[2] - kw) // stride + 1
    y = np.zeros((len(x), H, V, K))
    for i in range(kh):
        for j in range(kw):
            y += x[:, i:i + stride * H:stride, j:j + stride * V:stride] @ W[i, j]
    return y
"""
BACKWARD = """
def conv2d_backward(dy, x, W, stride, padding):
    kh, kw, C, K = W.shape
    p = padding
    xp = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
    H, V = dy.shape[1:3]
    dxp, dW = np.zeros(xp.shape), np.zeros(W.shape)
    for i in range(kh):
        for j in range(kw):
            here = np.s_[:, i:i + stride * H:stride, j:j + stride * V:stride]
            dW[i, j] = np.einsum('nhwc,nhwk->ck', xp[here], dy)
            dxp[here] += dy @ W[i, j].T
    return dxp[:, p:p + x.shape[1], p:p + x.shape[2]], dW
"""
RIGHT = {
    "a loop over the kernel": FORWARD + BACKWARD,
    "windows and einsum": """
from numpy.lib.stride_tricks import sliding_window_view
def conv2d(x, W, stride, padding):
    p = padding
    x = np.pad(x, [(0, 0), (p, p), (p, p), (0, 0)])
    v = sliding_window_view(x, W.shape[:2], (1, 2))[:, ::stride, ::stride]
    return np.einsum('nhwcij,ijck->nhwk', v, W)
def conv2d_backward(dy, x, W, stride, padding):
    p = padding
    xp = np.pad(x, [(0, 0), (p, p), (p, p), (0, 0)])
    v = sliding_window_view(xp, W.shape[:2], (1, 2))[:, ::stride, ::stride]
    dW = np.tensordot(v, dy, ([0, 1, 2], [0, 1, 2])).transpose(1, 2, 0, 3)
    dxp = np.zeros_like(xp, dtype=float)
    for a in range(dy.shape[1]):
        for b in range(dy.shape[2]):
            dxp[:, a * stride:a * stride + W.shape[0], b * stride:b * stride + W.shape[1]] += \\
                np.einsum('nk,ijck->nijc', dy[:, a, b], W)
    return dxp[:, p:xp.shape[1] - p, p:xp.shape[2] - p], dW
""",
    "a loop over the places, float32": """
def conv2d(x, W, stride, padding):
    x, W = x.astype(np.float32), W.astype(np.float32)
    kh, kw, C, K = W.shape
    N, H, V, _ = x.shape
    z = np.zeros((N, H + 2 * padding, V + 2 * padding, C), np.float32)
    z[:, padding:padding + H, padding:padding + V] = x
    h, w = (H + 2 * padding - kh) // stride + 1, (V + 2 * padding - kw) // stride + 1
    y = np.empty((N, h, w, K), np.float32)
    F = W.reshape(-1, K)
    for a in range(h):
        for b in range(w):
            y[:, a, b] = z[:, a * stride:a * stride + kh, b * stride:b * stride + kw].reshape(N, -1) @ F
    return y
""" + BACKWARD,
}
WRONG = {
    "flipped": ("kernel-flipped", FORWARD.replace("@ W[i, j]", "@ W[kh - 1 - i, kw - 1 - j]") + BACKWARD),
    "padding on one side only": ("padding-one-side", FORWARD.replace(
        "(padding, padding), (padding, padding)", "(0, 2 * padding), (0, 2 * padding)") + BACKWARD),
    "dx still padded": ("dx-not-cropped", FORWARD + BACKWARD.replace(
        "dxp[:, p:p + x.shape[1], p:p + x.shape[2]]", "dxp")),
    "places overwritten": ("overlap-overwritten", FORWARD + BACKWARD.replace("dxp[here] +=", "dxp[here] =")),
    "the mean over the batch and flipped": ("kernel-flipped dW-mean", FORWARD.replace(
        "@ W[i, j]", "@ W[kh - 1 - i, kw - 1 - j]") + BACKWARD.replace(
        "return dxp", "dW /= len(x)\n    return dxp")),
}
