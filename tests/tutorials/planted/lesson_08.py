"""Changes of lesson 8: each turns one claim red, on photographs and on digits alike."""

PLANTED = [
    ("the parameters are as many as on paper", "Linear(last, 10, rng=3)", "Linear(last, 10, bias=False, rng=3)"),
    ("your own pieces give the model's scores to 0.001", "h = pool(np.maximum(conv(h, model[place]), 0))",
     "h = pool(abs(conv(h, model[place])))"),
    ("the loss starts within 0.3 of log 10", "criterion, optimizer, schedule = SoftmaxCrossEntropy()",
     "model[11].W *= 30; criterion, optimizer, schedule = SoftmaxCrossEntropy()"),
    ("more test pictures are right than the 38 % asked of photographs, or the 85 % of digits",
     "range(0, N - 49, 50)", "range(0, 100, 50)"),
    ("the worst place costs more than three times what the middling place costs",
     "np.mean([abs(np.median(drop)) for drop in drops])", "np.mean([abs(drop).max() for drop in drops])"),
    ("steps at random cost less than 8 points", "rng.choice([-1, 1], test.x.shape)",
     "rng.choice([-64, 64], test.x.shape)"),
    ("the same steps against the network cost more than 15", "np.sign(dx)}", "-np.sign(dx)}"),
]  # fmt: skip
