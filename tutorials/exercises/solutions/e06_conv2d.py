import numpy as np


# For each place (i, j) of the filter, the x that it meets at all outputs is one strided slice of the padded image: the
# loop runs over the filter, and everything else is a matrix product over the channels.
def places(kh, kw, stride, h, w):
    for i in range(kh):
        for j in range(kw):
            yield i, j, np.s_[:, i : i + stride * h : stride, j : j + stride * w : stride]


def padded(x, padding):
    return np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def conv2d(x, W, stride, padding):
    kh, kw, _, filters = W.shape
    z = padded(x, padding)
    h, w = (z.shape[1] - kh) // stride + 1, (z.shape[2] - kw) // stride + 1
    y = np.zeros((len(x), h, w, filters))
    for i, j, here in places(kh, kw, stride, h, w):
        y += z[here] @ W[i, j]  # (N, H', W', C) @ (C, K)
    return y


def conv2d_backward(dy, x, W, stride, padding):
    kh, kw, _, _ = W.shape
    z = padded(x, padding)
    dz, dW = np.zeros(z.shape), np.zeros(W.shape)
    for i, j, here in places(kh, kw, stride, *dy.shape[1:3]):
        dz[here] += dy @ W[i, j].T  # +=: windows overlap
        dW[i, j] = np.tensordot(z[here], dy, axes=([0, 1, 2], [0, 1, 2]))
    return dz[:, padding : padding + x.shape[1], padding : padding + x.shape[2]], dW
