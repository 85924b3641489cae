NUMBERS: dict = {}  # of the docstrings; tests put in those of each variant


def predicted_place():
    # f'(w) = a (w - c), so w - c becomes (w - c) - rate a (w - c) = (1 - rate a) (w - c): the same factor every time.
    n = NUMBERS
    return n["c"] + (1 - n["rate"] * n["a"]) ** n["steps"] * (n["w"] - n["c"])


def measured_place(a, c, w, rate, steps):
    for _ in range(steps):
        w = w - rate * a * (w - c)
    return w


def predicted_limit():
    # The factor 1 - rate a is above -1 as long as rate < 2 / a. Between 1/a and 2/a it is negative: w jumps past c
    # and comes nearer all the same.
    return 2 / NUMBERS["steep"]


def measured_limit(a, c, w, rates):
    for rate in rates:
        if abs(measured_place(a, c, w, rate, 1) - c) >= 0.999999 * abs(w - c):
            return rate


def predicted_steps():
    # The smallest k with |1 - rate a|^k <= 1/1000. Neither c nor the start matters.
    factor, k = 1 - 0.1 * NUMBERS["slow"], 0
    while factor**k > 1e-3:
        k += 1
    return k


def measured_steps(a, c, w, rate):
    start, steps = abs(w - c), 0
    while abs(w - c) > start / 1000:
        w = w - rate * a * (w - c)
        steps += 1
    return steps
