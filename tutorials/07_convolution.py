# %% [markdown]
# # 7. Convolution
#
# You build: convolution as seven loops and as one matrix product, its backward pass, and max pooling. You need:
# lesson 5. Minutes: 45.
#
# Lesson 4 left a scandal: shuffle the pixels of all pictures, and softmax regression does not notice. It does not
# know that two pixels lie side by side; and a stroke that it has learned at the left, it has not learned at the right.
# How do we tell a network that a picture is a picture?
#
# ## By hand: a small window
#
# Look at the picture through a small window, and ask the same question everywhere. The question is a **filter**, a few
# weights; the answer at each place is a weighted sum. Sliding it over the picture is **convolution**:
#
# $$\begin{pmatrix} 1 & 2 & 0 \\ 0 & 1 & 3 \\ 2 & 0 & 1 \end{pmatrix} \text{ with the filter }
# \begin{pmatrix} 1 & -1 \\ 0 & 2 \end{pmatrix} \text{ gives }
# \begin{pmatrix} 1 & 8 \\ -1 & 0 \end{pmatrix}$$
#
# Upper left: $1 \cdot 1 - 1 \cdot 2 + 0 \cdot 0 + 2 \cdot 1 = 1$. Upper right: $2 - 0 + 0 + 2 \cdot 3 = 8$. Lower left:
# $0 - 1 + 0 + 0 = -1$. Lower right: $1 - 3 + 0 + 2 = 0$.
#
# A window of height $k_h$ fits $H - k_h + 1$ times into a picture of height $H$. With a border of $P$ zeros around
# the picture, its **padding**, and with a **stride** of $S$ places from window to window, it fits $\lfloor (H + 2P -
# k_h)/S \rfloor + 1$ times ($\lfloor\;\rfloor$: rounded down). A picture has **channels** (red, green, blue); a
# filter has weights for each, and adds up. $K$ filters give $K$ new channels, each called a **feature map**.
#
# ## Seven loops
#
# $$y_{nhwk} = \sum_{i,j,c} x_{n,\,h+i,\,w+j,\,c}\; W_{ijck}$$
#
# Seven indices, seven loops: over pictures $n$, places $(h, w)$ and filters $k$; then over the window's places $(i, j)$
# and channels $c$. (In code the picture's width is `width`, for `W` are the weights.)
# %%
import time

import numpy as np
from lesson import check, panels, show

from minnet.blas import at_most_blas_threads


def conv_loops(x, W):  # (N, H, W, C), (kh, kw, C, K)
    (N, H, width, C), (kh, kw, _, K) = x.shape, W.shape
    y = np.zeros((N, H - kh + 1, width - kw + 1, K))
    for n, h, w, k in np.ndindex(y.shape):  # four loops
        for i, j, c in np.ndindex(kh, kw, C):  # three more
            y[n, h, w, k] += x[n, h + i, w + j, c] * W[i, j, c, k]
    return y


small = np.array([[1.0, 2, 0], [0, 1, 3], [2, 0, 1]])[None, :, :, None]  # (1, 3, 3, 1)
question = np.array([[1.0, -1], [0, 2]])[:, :, None, None]  # (2, 2, 1, 1)
print(conv_loops(small, question)[0, :, :, 0])
check("seven loops give what we had by hand", np.array_equal(conv_loops(small, question).ravel(), [1, 8, -1, 0]))


# %% [markdown]
# ## One matrix product
#
# At each place, the window is a row of $k_h k_w C$ numbers, and the filter is a column of as many. So write all windows
# below each other: the whole convolution is *one* matrix product, which computers are best at. `sliding_window_view`
# shows the windows without copying a number; `reshape` then copies them out, each pixel up to nine times for a
# $3 \times 3$ filter.
# %%
def windows_of(x, kh, kw):
    view = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))  # (N, H', W', C, kh, kw)
    return view.transpose(0, 1, 2, 4, 5, 3)  # (N, H', W', kh, kw, C)


def conv(x, W):
    kh, kw, C, K = W.shape
    windows = windows_of(x, kh, kw)
    rows = windows.reshape(-1, kh * kw * C)  # (N*H'*W', kh*kw*C)
    return (rows @ W.reshape(-1, K)).reshape(*windows.shape[:3], K)


def conv_blocks(x, W, size=4):
    return np.concatenate([conv(x[i : i + size], W) for i in range(0, len(x), size)])


# The clock of this thread stands still while other programs have the core; where it is too coarse, the wall clock.
clock = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-6 else time.perf_counter


def seconds(f, *arguments):
    times = []
    with at_most_blas_threads(1):  # several, on cores that others use too, would wait for each other
        for _ in range(3):
            started = clock()
            f(*arguments)
            times.append(clock() - started)
    return min(times)


rng = np.random.default_rng(0)
x, W = rng.standard_normal((2, 16, 16, 3)), rng.standard_normal((3, 3, 3, 8))
check(
    "windows, blocks and loops agree to 1e-12",
    max(abs(f(x, W) - conv_loops(x, W)).max() for f in (conv, conv_blocks)) < 1e-12,
)
slow, fast = seconds(conv_loops, x, W), seconds(conv, x, W)
print(f"the matrix product is about {10 ** round(np.log10(slow / fast)):,} times as fast as the loops")
check("one matrix product is at least 20 times as fast as seven loops", slow > 20 * fast)
many, W32 = rng.standard_normal((64, 32, 32, 16)), rng.standard_normal((3, 3, 16, 16))
copied = 64 * 30 * 30 * 9 * 16 * 8 / 1e6
print(f"64 pictures: windows of {copied:.0f} MB at once, or {copied / 16:.1f} MB a block of four")
print(f"time at once / in blocks: {seconds(conv, many, W32) / seconds(conv_blocks, many, W32):.1f}")


# %% [markdown]
# The third step, blocks, is about memory: copied windows of 66 MB travel to main memory and back, those of a few
# pictures may stay close to the processor. How much that brings depends on the machine (lesson 16). minnet does all
# three: windows, one product, in blocks.
#
# ## Going back
#
# Each product $x\,W$ passes $dy$ on to its two factors (lesson 5). For $W_{ijck}$ that is the sum over all places where
# it was used, and with the windows as rows it is the `Linear` layer again: $dW = \text{rows}^\top dy$.
#
# For $x$: the pixel $(u, v)$ was seen at window place $(i, j)$ by the output $(u - i, v - j)$, so, with $dy = 0$ where
# there is no such output,
#
# $$dx_{nuvc} = \sum_{i,j,k} dy_{n,\,u-i,\,v-j,\,k}\; W_{ijck}$$
#
# The same sum as in the forward pass, except for the minus signs. Give $dy$ a border of $k_h - 1$ rows and $k_w - 1$
# columns of zeros: its row $u - i$ is then row $u + (k_h - 1 - i)$, and with $i' = k_h - 1 - i$, which runs through the
# filter from its end, there is a plus again. So the filter is turned by 180 degrees (and its channels exchanged, for
# the sum is over $k$ now). **The backward pass of a convolution is a convolution** (with stride 1).
# %%
def conv_backward(dy, x, W):
    kh, kw, C, K = W.shape
    rows = windows_of(x, kh, kw).reshape(-1, kh * kw * C)
    dW = (rows.T @ dy.reshape(-1, K)).reshape(W.shape)
    padded = np.pad(dy, ((0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1), (0, 0)))
    dx = conv(padded, W[::-1, ::-1].transpose(0, 1, 3, 2))  # turned, and K, C exchanged
    return dx, dW


dy = rng.standard_normal(conv(x, W).shape)  # (2, 14, 14, 8)
dx, dW = conv_backward(dy, x, W)
# A small step in every entry at once: each changes the loss by its gradient times its step, and effects add.
step = rng.standard_normal(x.shape), rng.standard_normal(W.shape)  # a random direction in x and W
up, down = (conv(x + s * step[0], W + s * step[1]) for s in (1e-5, -1e-5))
slope = (dy * (up - down)).sum() / 2e-5
check(
    "along a random direction, measured and derived slopes agree to 1e-7",
    abs(slope / ((dx * step[0]).sum() + (dW * step[1]).sum()) - 1) < 1e-7,
)
# %% [markdown]
# ### With padding and a stride
#
# Padding: pad $x$ first, and cut the border off $dx$ in the end. A stride: of all windows only every $S$-th is used,
# down and across: $y_{nhwk} = \sum_{i,j,c} x_{n,\,hS+i-P,\,wS+j-P,\,c}\,W_{ijck}$, where $x$ is 0 outside. There is
# another way to see the whole sum that works for any stride, forwards and back: loop over the few places $(i, j)$ *of
# the filter*. For each, all outputs at once see the pixels `x[:, i : i + S * Hy : S, j : j + S * Wy : S]`, of shape
# $(N, H_y, W_y, C)$ with $H_y \times W_y$ outputs ($H', W'$ in the exercise); times `W[i, j]`, $(C, K)$, that is this
# place's part of $y$. Going back, each part is a `Linear` layer (lesson 5): $dW$ of this place is those pixels times
# $dy$, and $dy$ times `W[i, j]` transposed is *added* to the same slice of $dx$.
#
# ## Pooling
#
# Whether an eye is at row 14 or 15 does not matter. **Max pooling** keeps the largest of each $2 \times 2$ window and
# halves the picture; going back, $dy$ goes to the winner alone. By hand: from $\begin{pmatrix} 1 & 5 \\ 2 & 0
# \end{pmatrix}$ remains 5, and $dy = 3$ becomes $\begin{pmatrix} 0 & 3 \\ 0 & 0 \end{pmatrix}$. If two are equally
# large, one of them has to be chosen, in minnet the first. If windows overlap (a stride smaller than the window), a
# pixel that wins twice gets the sum. For those, go place by place again: the slices of all $(i, j)$, stacked along a
# new axis, have their `max` and `argmax` over it; going back, $dy$ is added to the slice of each place where it is the
# winner.
#
# ## The same in minnet
# %%
from minnet.layers import Conv2d, Flatten, GlobalMaxPool, Linear, MaxPool2d, ReLU, Sequential


def pool(x):  # (N, H, W, C) -> (N, H/2, W/2, C)
    N, H, width, C = x.shape
    x = x[:, : H // 2 * 2, : width // 2 * 2]  # an odd last row or column is never seen
    return x.reshape(N, H // 2, 2, width // 2, 2, C).max(axis=(2, 4))


layer = Conv2d(3, 8, 3, bias=False).astype(np.float64)
layer.W[...] = W
theirs = layer.forward(x)
their_dx = layer.backward(dy)
check("convolution forwards is minnet's", np.allclose(conv(x, W), theirs, atol=1e-10))
check(
    "convolution backwards is minnet's", np.allclose(dx, their_dx, atol=1e-10) and np.allclose(dW, layer.dW, atol=1e-10)
)
check("pooling is minnet's", np.array_equal(pool(x), MaxPool2d(2).forward(x)))
# %% [markdown]
# ## What a filter sees
#
# Two filters on a digit: one asks "brighter below than above?", the other "brighter right than left?".
# %%
from minnet import data

digits = data.load("digits")
edge = np.array([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]])
two = np.stack([edge, edge.T], axis=-1)[:, :, None]  # (3, 3, 1, 2)
nine = digits.test.x[38:39] / 255.0  # (1, 8, 8, 1)
maps = conv(np.pad(nine, ((0, 0), (1, 1), (1, 1), (0, 0))), two)[0]  # (8, 8, 2)
figure, axes = panels(3, height=2.8, title="Two filters ask two questions of a 9: each finds its own edges")
asked = ("the picture", "brighter below?", "brighter right?")
top = abs(maps).max()
for panel, picture, name in zip(axes, (nine[0, :, :, 0], maps[..., 0], maps[..., 1]), asked, strict=True):
    panel.imshow(picture, cmap="gray", clim=(0, 1) if panel is axes[0] else (-top, top))
    panel.set(xlabel=f"column ({name})", ylabel="row")
show(
    figure,
    f"Two feature maps, from {-top:.1f} (black) over 0 (grey) to {top:.1f} (white). Edges answer, flat regions do not.",
)
# %% [markdown]
# ## The receptive field
#
# How many pixels can one output see? Its **receptive field** starts with one place and grows with every layer by
# $(k - 1)$ times the product of all strides before it: five $3 \times 3$ layers see $1 + 5 \cdot 2 = 11$ pixels each
# way. Backpropagation measures it: put $dy = 1$ at one output, and look where $dx$ is not 0. It shows more than the
# formula, namely how much each pixel counts (its influence is here the square of $dx$, over ten untrained networks):
# %%
seen = np.zeros((21, 21))
for seed in range(10):
    net = Sequential(*[Conv2d(1 if i == 0 else 8, 8, 3, padding=1, rng=10 * seed + i) for i in range(5)])
    y = net.forward(np.zeros((1, 21, 21, 1), np.float32))
    dy = np.zeros_like(y)
    dy[0, 10, 10, 0] = 1
    seen += net.backward(dy)[0, :, :, 0].astype(float) ** 2
touched = int((seen.max(axis=0) > 1e-12 * seen.max()).sum())
share = seen[8:13, 8:13].sum() / seen.sum()
print(f"pixels touched in a row: {touched}; the middle 5 x 5 have {share:.0%} of the influence")
check("five 3x3 layers see 11 pixels each way", touched == 11)
check("a fifth of the pixels, the middle 5 x 5, has more than half of the influence", share > 0.5)
figure, (axes,) = panels(1, height=2.9, width=3.9, title="Most influence comes from the middle")
axes.imshow(np.sqrt(seen), cmap="gray_r")
axes.set(xlabel="column", ylabel="row")
show(
    figure,
    f"How strongly each pixel moves one output of five untrained layers: {share:.0%} comes from the middle 5 x 5.",
)
# %% [markdown]
# ## An experiment that surprises: one pixel to the right
#
# Train softmax regression and a small convolutional network on the digits. Then move all *test* pictures one pixel
# to the right. You would hardly notice.
# %%
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import Adam

train_x, test_x = (split.x.astype(np.float32) / 255 for split in (digits.train, digits.test))
moved = np.pad(test_x, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]  # (360, 8, 8, 1)
cnn = [Conv2d(1, 16, 3, padding=1, rng=0), ReLU(), Conv2d(16, 32, 3, padding=1, rng=1), ReLU(), GlobalMaxPool()]
models = {  # GlobalMaxPool keeps the largest answer of each feature map: (N, H, W, 32) -> (N, 32)
    "softmax regression": Sequential(Flatten(), Linear(64, 10, rng=0)),
    "convolution": Sequential(*cnn, Linear(32, 10, rng=2)),
}
rights = {}
for name, model in models.items():
    criterion, optimizer, rng = SoftmaxCrossEntropy(), Adam(model, 0.01), np.random.default_rng(0)
    for _ in range(500):
        rows = rng.integers(len(train_x), size=32)
        criterion.forward(model.forward(train_x[rows]), digits.train.y[rows])
        model.backward(criterion.backward())
        optimizer.step()
    rights[name] = [(model.forward(x).argmax(axis=1) == digits.test.y).mean() for x in (test_x, moved)]
    print(f"{name}: {rights[name][0]:.1%} right, moved by one pixel {rights[name][1]:.1%}")
loss = {name: before - after for name, (before, after) in rights.items()}
check("softmax regression loses more than 25 points", loss["softmax regression"] > 0.25)
check("the convolutional network loses less than half as many", loss["convolution"] < loss["softmax regression"] / 2)
# %% [markdown]
# A convolution of a moved picture is the moved convolution, exactly, away from the border; and the largest answer of a
# map does not care where it was. Nobody taught the network that: it is built in. That is worth more than many
# examples, as long as it is true of the data. (What would you expect of it when the pixels are shuffled as in lesson 4?
# Try.)
#
# ## What can go wrong
#
# - **Channels first or last.** Ours are last, $(N, H, W, C)$. Those of PyTorch, a widely used framework (lesson 17),
#   are first. `reshape` does not exchange axes, `transpose` does.
# - **The flip.** In mathematics, convolution turns the filter by 180 degrees first. Without that, the operation is
#   called *cross-correlation*; deep learning computes that one and calls it convolution. Learned filters do not mind.
# - **Sizes that do not divide.** Height 7, window 2, stride 2: the last row is never seen.
# - **Forgetting where windows overlap.** Each pixel was seen up to nine times; its nine gradients are *added*. In code:
#   `dx[...] += ...`, never `=`.
# - **Counting parameters wrongly.** A filter spans all channels: $3 \cdot 3 \cdot C$ weights, not 9.
#
# ## Check yourself
#
# **1.** A picture of $28 \times 28$, a $5 \times 5$ filter, padding 1, stride 2. How large is the result?
#
# <details><summary>Answer</summary>
#
# $\lfloor (28 + 2 - 5)/2 \rfloor + 1 = 13$ each way.
#
# </details>
#
# **2.** A layer from 16 to 64 channels with $3 \times 3$ filters and biases. How many parameters?
#
# <details><summary>Answer</summary>
#
# $9 \cdot 16 \cdot 64 + 64 = 9{,}280$, for pictures of any size.
#
# </details>
#
# **3.** Two $3 \times 3$ layers, a $2 \times 2$ pooling, one more $3 \times 3$ layer. The receptive field?
#
# <details><summary>Answer</summary>
#
# $1 + 2 + 2 = 5$; pooling adds 1: 6; then a step is two pixels wide, so $+4$: 10.
#
# </details>
#
# **4.** The row $(2, 0, 1)$ with the filter $(1, -1)$ gives $(2, -1)$. With $dy = (1, 10)$: $dW$ and $dx$?
#
# <details><summary>Answer</summary>
#
# $dW = (2 \cdot 1 + 0 \cdot 10,\; 0 \cdot 1 + 1 \cdot 10) = (2, 10)$; $dx = (1,\; -1 + 10,\; -10) = (1, 9, -10)$.
#
# </details>
#
# **5.** Why are two $3 \times 3$ layers with a ReLU between them preferred to one $5 \times 5$ layer?
#
# <details><summary>Answer</summary>
#
# They see as far, with 18 weights a pair of channels instead of 25, and they bend once more.
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e06_conv2d.py`: convolution with padding and stride, there and back, best place by place.
# `e07_max_pool2d.py`: max pooling, with windows that may overlap. Check them with `python -m tutorials.exercises check
# 6`, and `check 7`. Further: `e25_predict_network.py`, a convolution's shape and cost, on paper and then measured.
