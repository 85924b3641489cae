def config():
    # With 200 examples the training loss reaches zero soon; what is scarce is not steps but evidence. Convolutions
    # share what they learn over the image; dropout, weight decay and smoothed labels keep the network from trusting
    # single pixels. All 40 epochs are used, on batches of 16: 13 steps an epoch.
    return {
        "layers": [
            ["conv", 16],
            "batch_norm",
            "relu",
            "max_pool",
            ["conv", 32],
            "batch_norm",
            "relu",
            "max_pool",
            ["dropout", 0.3],
        ],
        "optimizer": "adamw",
        "schedule": "onecycle",
        "epochs": 40,
        "batch_size": 16,
        "learning_rate": 0.01,
        "momentum": 0.0,
        "weight_decay": 0.3,
        "label_smoothing": 0.1,
        "shift": 0,
        "seed": 0,
    }
