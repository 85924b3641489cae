NUMBERS: dict = {}  # of the docstrings; tests put in those of each variant


def predicted_shape():
    # A filter's first place is at -padding, its last at H + padding - kernel: the way between is H + 2 padding -
    # kernel long, holds that // stride steps, and one place more than steps. There are as many channels as filters.
    n = NUMBERS
    out = (n["side"] + 2 * n["padding"] - n["kernel"]) // n["stride"] + 1
    return n["batch"], out, out, n["filters"]


def measured_shape(x, W, stride, padding):
    def places(length, kernel):
        return len([i for i in range(0, length + 2 * padding, stride) if i + kernel <= length + 2 * padding])

    return x.shape[0], places(x.shape[1], W.shape[0]), places(x.shape[2], W.shape[1]), W.shape[3]


def predicted_parameters():
    # A filter looks at every channel of the input: kernel * kernel * C weights, and one bias.
    n = NUMBERS
    return (n["kernel"] ** 2 * n["channels"] + 1) * n["filters"]


def measured_parameters(W, b):
    return W.size + b.size


def predicted_multiply_adds():
    # At every place of the output, every filter multiplies each of its weights once.
    n = NUMBERS
    return predicted_shape()[1] ** 2 * n["filters"] * n["kernel"] ** 2 * n["channels"]


def measured_multiply_adds(x, W, stride, padding):
    # Every place of the output, for each filter: as many products as a filter has weights.
    _, h, w, k = measured_shape(x, W, stride, padding)
    return sum(W[..., 0].size for _ in range(h) for _ in range(w) for _ in range(k))
