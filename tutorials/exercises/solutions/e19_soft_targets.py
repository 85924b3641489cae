import numpy as np


def one_hot(labels, classes):
    return np.eye(classes)[labels]  # row k of the identity is the one-hot row of k


def smoothed(labels, classes, smoothing):
    return (1 - smoothing) * one_hot(labels, classes) + smoothing / classes
