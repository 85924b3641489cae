"""Exercise 27. Predict, then measure: loss and gradient before learning (20 minutes, easy).

First work out every prediction on paper, from the numbers in its docstring, and write it in: four decimals are enough.
Then write the functions that measure, and run the check: where the two differ, find out why. Students have different
numbers.
`from given import softmax` works here. Check with: python -m tutorials.exercises check 27
"""

VARIANT = 0  # whose numbers these are: leave it as it is


def predicted_loss():
    """A linear classifier of 3 classes whose weights and biases are all 0: what is its softmax cross-entropy,
    the mean over any batch?
    """
    raise NotImplementedError("exercise 27: predicted_loss")


def measured_loss(x, labels, classes):
    """The mean cross-entropy of softmax(x W + b) over the batch x (N, D), labels (N,), with W and b of zeros.
    Example: any x, labels [0, 1], 2 classes: 0.6931.
    """
    raise NotImplementedError("exercise 27: measured_loss")


def predicted_bias_gradient():
    """The gradient of that mean loss with respect to the biases, an array of 3 numbers, for a batch of
    19 examples of which 7, 2 and 10 are of class 0, 1 and 2.
    """
    raise NotImplementedError("exercise 27: predicted_bias_gradient")


def measured_bias_gradient(labels, classes):
    """db (classes,) of the mean cross-entropy of softmax(0) over labels (N,): the sum of p - t, divided by N,
    where t (N, classes) are the labels as one-hot rows.
    Example: labels [0, 0, 1, 1, 1, 1], 3 classes: [0, -0.3333, 0.3333].
    """
    raise NotImplementedError("exercise 27: measured_bias_gradient")


def predicted_floor():
    """With label smoothing 0.1, the target gives each of the 3 classes 0.1 / 3, and
    the true class 1 - 0.1 on top. What is the least cross-entropy that any prediction can reach?
    """
    raise NotImplementedError("exercise 27: predicted_floor")


def measured_floor(classes, smoothing):
    """The cross-entropy -sum_k t_k log p_k of that target t with the best prediction, p = t.
    Example: 2 classes, smoothing 0.5: t = [0.75, 0.25], 0.5623.
    """
    raise NotImplementedError("exercise 27: measured_floor")
