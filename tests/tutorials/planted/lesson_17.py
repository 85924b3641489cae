"""Changes of lesson 17: each turns one claim red."""

PLANTED = [
    (
        "automatic differentiation finds df/da = 8 and df/db = 3",
        "parent.grad = parent.grad + hand_on",
        "parent.grad = hand_on",
    ),
    ("the tape's loss is minnet's", "-(t * np.log(p)).sum(axis=1).mean()", "-(t * np.log(p)).sum(axis=1).sum()"),
    ("the tape's gradients are minnet's hand-derived ones", "dy * (p - t) / len(t)", "dy * (p - t)"),
    (
        "with a batch of 256 the tape keeps at least 8 times as many results as there are weights",
        "rng.standard_normal((256, 64))",
        "rng.standard_normal((25, 64))",
    ),
    ("with reordered rows the scores agree to 5 decimals", ".transpose(2, 0, 1).reshape(-1)", ".reshape(-1)"),
    (
        "the careless version has the right shape and the wrong scores",
        "careless = channels_first @ W +",
        "careless = channels_first @ weight.T +",
    ),
    ("our reordered weight is minnet's", 'state["5.weight"], weight)', 'state["5.weight"], W.T)'),
    (
        "there and back again, the network says exactly the same",
        "back.forward(images), scores)",
        "back.forward(images[::-1]), scores)",
    ),
]
