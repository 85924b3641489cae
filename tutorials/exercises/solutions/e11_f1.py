import numpy as np


def f1_scores(labels, predictions, classes):
    # 2 TP + FP + FN = (TP + FP) + (TP + FN): how often the class is predicted plus how often it is there.
    hits = np.bincount(labels[labels == predictions], minlength=classes)
    both = np.bincount(predictions, minlength=classes) + np.bincount(labels, minlength=classes)
    return 2 * hits / np.maximum(both, 1)  # where both is 0, so are the hits


def macro_f1(labels, predictions, classes):
    return f1_scores(labels, predictions, classes).mean()
