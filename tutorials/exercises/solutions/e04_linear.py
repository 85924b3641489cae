def linear(x, W, b):
    return x @ W + b


def linear_backward(dy, x, W):
    # y_nk = sum_i x_ni W_ik + b_k. The index that is summed over on the right is the one that a product removes:
    # dx_ni = sum_k dy_nk W_ik, dW_ik = sum_n x_ni dy_nk, db_k = sum_n dy_nk.
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)
