import numpy as np


def calibration_error(p, labels, bins):
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    # n_b/N |accuracy - confidence| = |sum of (right - confidence) in the bin| / N: the bin's size cancels.
    return np.abs(np.bincount(place, weights=right - confidence)).sum() / len(p)
