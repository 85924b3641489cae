"""Changes of lesson 7: each turns one claim red."""

PLANTED = [
    ("seven loops give what we had by hand", "y[n, h, w, k] += x[n, h + i, w + j, c]",
     "y[n, h, w, k] += x[n, h + j, w + i, c]"),
    ("windows, blocks and loops agree to 1e-12", "return view.transpose(0, 1, 2, 4, 5, 3)",
     "return view.transpose(0, 1, 2, 5, 4, 3)"),
    ("one matrix product is at least 20 times as fast as seven loops", "slow, fast = seconds(conv_loops, x, W)",
     "slow, fast = seconds(conv, x, W)"),
    ("along a random direction, measured and derived slopes agree to 1e-7", "W[::-1, ::-1].transpose(0, 1, 3, 2)",
     "W.transpose(0, 1, 3, 2)"),
    ("convolution forwards is minnet's", "layer.W[...] = W", "layer.W[...] = W[::-1]"),
    ("convolution backwards is minnet's", "their_dx = layer.backward(dy)", "their_dx = layer.backward(2 * dy)"),
    ("pooling is minnet's", "width // 2, 2, C).max(axis=(2, 4))", "width // 2, 2, C).mean(axis=(2, 4))"),
    ("five 3x3 layers see 11 pixels each way", "for i in range(5)])", "for i in range(4)])"),
    ("a fifth of the pixels, the middle 5 x 5, has more than half of the influence", "seen[8:13, 8:13].sum()",
     "seen[10:11, 8:13].sum()"),
    ("softmax regression loses more than 25 points", "[:, :, :-1]  # (360, 8, 8, 1)", "[:, :, 1:]  # (360, 8, 8, 1)"),
    ("the convolutional network loses less than half as many", 'loss["convolution"] < loss',
     '1 - loss["convolution"] < loss'),
]  # fmt: skip
