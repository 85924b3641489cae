import numpy as np


def windows(x, size, stride):
    """(places in a window, N, H', W', C): the windows' numbers, in reading order along the first axis."""
    h, w = (x.shape[1] - size) // stride + 1, (x.shape[2] - size) // stride + 1
    here = [
        np.s_[:, i : i + stride * h : stride, j : j + stride * w : stride] for i in range(size) for j in range(size)
    ]
    return here, np.stack([x[place] for place in here])


def max_pool2d(x, size, stride):
    return windows(x, size, stride)[1].max(axis=0)


def max_pool2d_backward(dy, x, size, stride):
    # argmax gives the first of several equal numbers. Windows overlap, so dx is added to.
    here, stacked = windows(x, size, stride)
    winner = stacked.argmax(axis=0)
    dx = np.zeros(x.shape)
    for number, place in enumerate(here):
        dx[place] += dy * (winner == number)
    return dx
