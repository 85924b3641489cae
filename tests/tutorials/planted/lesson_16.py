"""Changes of lesson 16: each turns one claim red."""

PLANTED = [
    ("the product does 2,000 times as many operations a byte as the sum", '"product": 2 * n**3}', '"product": n**3}'),
    (
        "measured: at least 3 times as many operations a second",
        "seconds(lambda: A @ B)",
        "seconds(lambda: A.astype(np.float16) @ B.astype(np.float16))",  # not for the BLAS
    ),
    (
        "loops and one product give the same, to 5 decimals",
        "transpose(0, 1, 2, 4, 5, 3)",
        "transpose(0, 1, 2, 5, 4, 3)",
    ),
    (
        "one product is at least 20 times as fast as the loops",
        "faster = seconds(lambda: loops",
        "faster = 0 * seconds(lambda: loops",
    ),
    ("both sums are a million", "many[:1_000_000], many[::16]", "many[:1_000_000], many[::17]"),
    (
        "the scattered million takes at least 1.5 times as long",
        "many[:1_000_000], many[::16]",
        "many[::16], many[:1_000_000]",
    ),
    ("pieces change no bit of the result", "whole = in_pieces(16_000_000).copy()", "whole = in_pieces(16_000_000) + 1"),
    ("four multiplications give what six give: 7 and 10", "m[1] - m[2] - m[3]])", "m[1] - m[2] + m[3]])"),
    (
        "minnet chooses Winograd's scheme for 16 channels and 3 x 3 filters",
        "conv = Conv2d(16, 16, 3, bias=False, rng=0)",
        "conv = Conv2d(16, 8, 3, bias=False, rng=0)",
    ),
    (
        "minnet's convolution with a quarter of the products is ours to 5 decimals",
        "windows(images, conv.W)).max()",
        "windows(images, conv.W[::-1])).max()",
    ),
    (
        "four pieces on two threads add up to the whole gradient",
        "shared = ((parts[0] + parts[1]) + parts[2]) + parts[3]",
        "shared = (parts[0] + parts[1]) + parts[2]",
    ),
    ("with each piece's own N the sum is four times too large", "sum(gradient(rows, 64)", "sum(gradient(rows, 256)"),
    (
        "added in a fixed order, a second run gives the same bits",
        "((again[0] + again[1]) + again[2]) + again[3])",
        "((again[0] + again[1]) + again[2]) + again[0])",
    ),
    ("added in another order, some bits differ", "differing = shared != backwards", "differing = shared != shared"),
    (
        "minnet's two workers arrive at our gradient",
        "Batch(x, np.arange(256), labels)",
        "Batch(x, np.arange(256)[::-1].copy(), labels)",
    ),
    (
        "prepared, it gives the same scores",
        "np.allclose(ask(picture)",
        "np.allclose(ask(255 - picture)",
    ),
]
