import numpy as np
from given import softmax

NUMBERS: dict = {}  # of the docstrings; tests put in those of each variant


def predicted_loss():
    # All scores are 0, so each of the K probabilities is 1/K, and -log(1/K) = log K, whatever the labels.
    return np.log(NUMBERS["classes"])


def measured_loss(x, labels, classes):
    p = softmax(np.zeros((len(x), classes)))
    return -np.log(p[np.arange(len(x)), labels]).mean()


def predicted_bias_gradient():
    # The mean of p - t over the batch: 1/K, less the share of examples that are of the class.
    return 1 / NUMBERS["classes"] - np.array(NUMBERS["counts"]) / NUMBERS["total"]


def measured_bias_gradient(labels, classes):
    p = softmax(np.zeros((len(labels), classes)))
    return (p - np.eye(classes)[labels]).mean(axis=0)


def predicted_floor():
    # Cross-entropy is least where p is the target itself; what remains is the target's entropy.
    n = NUMBERS
    rest = n["smoothing"] / n["classes"]
    top = 1 - n["smoothing"] + rest
    return -top * np.log(top) - (n["classes"] - 1) * rest * np.log(rest)


def measured_floor(classes, smoothing):
    t = np.full(classes, smoothing / classes)
    t[0] += 1 - smoothing
    return -(t * np.log(t)).sum()
