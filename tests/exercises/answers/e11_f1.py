MACRO = """
def macro_f1(labels, predictions, classes):
    return f1_scores(labels, predictions, classes).mean()
"""
RIGHT = {
    "a loop over the classes": """
def f1_scores(labels, predictions, classes):
    out = np.zeros(classes)
    for k in range(classes):
        tp = np.sum((labels == k) & (predictions == k))
        total = np.sum(labels == k) + np.sum(predictions == k)
        out[k] = 2 * tp / total if total else 0
    return out
""" + MACRO,
    "a confusion matrix": """
def f1_scores(labels, predictions, classes):
    M = np.zeros((classes, classes), int)
    np.add.at(M, (labels, predictions), 1)
    tp = np.diag(M)
    return 2 * tp / np.maximum(M.sum(0) + M.sum(1), 1)
def macro_f1(labels, predictions, classes):
    return float(sum(f1_scores(labels, predictions, classes)) / classes)
""",
    "precision and recall in plain Python": """
def f1_scores(labels, predictions, classes):
    found = []
    for k in range(classes):
        tp = sum(1 for y, p in zip(labels, predictions) if y == p == k)
        said = list(predictions).count(k)
        there = list(labels).count(k)
        precision = tp / said if said else 0.0
        recall = tp / there if there else 0.0
        found.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return found
def macro_f1(labels, predictions, classes):
    return np.mean(f1_scores(labels, predictions, classes))
""",
    "bincount": """
def f1_scores(labels, predictions, classes):
    tp = np.bincount(labels[labels == predictions], minlength=classes)
    both = np.bincount(labels, minlength=classes) + np.bincount(predictions, minlength=classes)
    return np.divide(2 * tp, both, out=np.zeros(classes), where=both > 0)
""" + MACRO,
}
WRONG = {
    "0/0 left alone": ("undefined-nan", """
def f1_scores(labels, predictions, classes):
    tp = np.array([np.sum((labels == k) & (predictions == k)) for k in range(classes)])
    both = np.array([np.sum(labels == k) + np.sum(predictions == k) for k in range(classes)])
    with np.errstate(all='ignore'):
        return 2 * tp / both
""" + MACRO),
    "precision and recall averaged": ("arithmetic-mean", """
def f1_scores(labels, predictions, classes):
    out = []
    for k in range(classes):
        tp = np.sum((labels == k) & (predictions == k))
        p = tp / max(np.sum(predictions == k), 1)
        r = tp / max(np.sum(labels == k), 1)
        out.append((p + r) / 2)
    return np.array(out)
""" + MACRO),
    "only the classes that occur": ("classes-from-labels", """
def f1_scores(labels, predictions, classes):
    out = []
    for k in np.unique(labels):
        tp = np.sum((labels == k) & (predictions == k))
        out.append(2 * tp / (np.sum(labels == k) + np.sum(predictions == k)))
    return np.array(out)
""" + MACRO),
    "weighted by support": ("macro-weighted", """
def f1_scores(labels, predictions, classes):
    out = np.zeros(classes)
    for k in range(classes):
        tp = np.sum((labels == k) & (predictions == k))
        total = np.sum(labels == k) + np.sum(predictions == k)
        out[k] = 2 * tp / total if total else 0
    return out
def macro_f1(labels, predictions, classes):
    return np.average(f1_scores(labels, predictions, classes), weights=np.bincount(labels, minlength=classes))
"""),
    "two forgotten, mean over those above zero": ("factor-two-missing macro-skips-zeros", """
def f1_scores(labels, predictions, classes):
    out = np.zeros(classes)
    for k in range(classes):
        tp = np.sum((labels == k) & (predictions == k))
        total = np.sum(labels == k) + np.sum(predictions == k)
        out[k] = tp / total if total else 0
    return out
def macro_f1(labels, predictions, classes):
    f = f1_scores(labels, predictions, classes)
    return f[f > 0].mean() if (f > 0).any() else 0.0
"""),
}
