import numpy as np

NUMBERS: dict = {}  # of the docstrings; tests put in those of each variant


def predicted_accuracy():
    # It is right exactly on the examples of the commonest class.
    return max(NUMBERS["counts"]) / NUMBERS["total"]


def measured_accuracy(labels):
    return (labels == np.bincount(labels).argmax()).mean()


def predicted_macro_f1():
    # The commonest class, n of N: TP = n, FP = N - n, FN = 0, so F1 = 2n / (n + N). The other two have no true
    # positive, so 0; the mean is over three. That is why macro F1 unmasks what accuracy flatters.
    n, total = max(NUMBERS["counts"]), NUMBERS["total"]
    return 2 * n / (n + total) / 3


def measured_macro_f1(labels, classes):
    said = np.full(len(labels), np.bincount(labels).argmax())
    f1 = []
    for k in range(classes):
        tp, fp, fn = (
            ((said == k) & (labels == k)).sum(),
            ((said == k) & (labels != k)).sum(),
            ((said != k) & (labels == k)).sum(),
        )
        f1.append(2 * tp / max(2 * tp + fp + fn, 1))
    return np.mean(f1)


def predicted_log_loss():
    # A share s of the examples costs -log s each: the mean is the entropy of the shares.
    s = np.array(NUMBERS["counts"]) / NUMBERS["total"]
    return -(s * np.log(s)).sum()


def measured_log_loss(labels, classes):
    p = np.bincount(labels, minlength=classes) / len(labels)
    return -np.log(p[labels]).mean()
