"""Exercise 28. Predict, then measure: classifiers that look at nothing (20 minutes, easy).

First work out every prediction on paper, from the numbers in its docstring, and write it in: four decimals are enough.
Then write the functions that measure, and run the check: where the two differ, find out why. Students have different
numbers.
Check with: python -m tutorials.exercises check 28
"""

VARIANT = 0  # whose numbers these are: leave it as it is


def predicted_accuracy():
    """Of 76 examples, 28, 11 and 37 are of class 0, 1 and 2. A classifier always answers with the commonest class. What
    share of them does it get right?
    """
    raise NotImplementedError("exercise 28: predicted_accuracy")


def measured_accuracy(labels):
    """The accuracy of always answering with the commonest of labels (N,). Example: labels [0, 1, 1, 2]: 0.5."""
    raise NotImplementedError("exercise 28: measured_accuracy")


def predicted_macro_f1():
    """Its macro F1 over the three classes. (F1 of a class is 2 TP / (2 TP + FP + FN), 0 without a true positive.)"""
    raise NotImplementedError("exercise 28: predicted_macro_f1")


def measured_macro_f1(labels, classes):
    """The macro F1 over all classes of always answering with the commonest of labels (N,).
    Example: labels [0, 1, 1, 2], 3 classes: 0.2222, a third of class 1's 2 * 2 / (2 * 2 + 2 + 0).
    """
    raise NotImplementedError("exercise 28: measured_macro_f1")


def predicted_log_loss():
    """Another one answers every time with the three shares as its probabilities. What is its mean cross-entropy on
    these examples?
    """
    raise NotImplementedError("exercise 28: predicted_log_loss")


def measured_log_loss(labels, classes):
    """The mean of -log p at the label, over labels (N,), where p (classes,) is always the share of each class in
    labels; every class occurs. Example: labels [0, 1, 1, 2], 3 classes: p = [0.25, 0.5, 0.25], 1.0397.
    """
    raise NotImplementedError("exercise 28: measured_log_loss")
