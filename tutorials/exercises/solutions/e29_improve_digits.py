def config():
    # 10,000 multiply-adds: one 3x3 convolution over all 64 pixels with 8 filters is 64 * 9 * 8 = 4,608; pooling leaves
    # 16 places, and 16 * 8 * 32 + 32 * 10 = 4,416 are left for the linear layers. Only five epochs: batch norm and
    # AdamW learn fast, small batches give more steps, and onecycle lets a large rate end small.
    return {
        "layers": [["conv", 8], "batch_norm", "relu", "max_pool", ["linear", 32], "relu"],
        "optimizer": "adamw",
        "schedule": "onecycle",
        "epochs": 5,
        "batch_size": 16,
        "learning_rate": 0.02,
        "momentum": 0.0,
        "weight_decay": 0.01,
        "label_smoothing": 0.0,
        "shift": 0,
        "seed": 0,
    }
