# %% [markdown]
# # 16. Appendix: why it is fast
#
# You build: a stopwatch that can be trusted, a convolution with fewer multiplications, and training that shares a
# batch between threads. You need: lessons 5 and 7. Minutes: 30.
#
# Lesson 7 wrote convolution as seven loops. minnet does the same sums hundreds to thousands of times as fast, in the
# same Python. Where does the time go? Hardly ever into the arithmetic. It goes into Python's bookkeeping, into waiting
# for memory, into work that need not be done, and into cores that stand idle: four causes, and four remedies.
#
# ## By hand: count operations and bytes
#
# Take two matrices of $1000 \times 1000$ numbers of 4 bytes each.
#
# | | operations | bytes moved at least | operations a byte |
# |---|---|---|---|
# | sum $A + B$ | $10^6$ | $12 \cdot 10^6$ | 0.08 |
# | product $AB$ ($10^9$ times, multiply and add) | $2 \cdot 10^9$ | $12 \cdot 10^6$ | 167 |
#
# A core can do tens to hundreds of billions of operations a second, and fetch some ten billion bytes from main
# memory. So the sum waits for memory nearly all of the time, and the product does not. The last column is called
# **arithmetic intensity**. Where it is low, only one thing helps: move fewer bytes. Half the bytes with float32
# instead of float64; fewer passes over an array; or pieces so small that they stay in the **processor cache**, a few
# megabytes beside the core that are ten times as quick as main memory.
# %%
import time

import numpy as np
from lesson import check, panels, show

# The clock of this thread stands still while other programs have the core; where it is too coarse, the wall clock.
clock = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-6 else time.perf_counter


def seconds(work, repeats=7):
    """The quickest of a few runs: what disturbs a run only ever makes it slower."""
    found = []
    for _ in range(repeats):
        started = clock()
        work()
        found.append(clock() - started)
    return min(found)


n = 1000
operations = {"sum": n**2, "product": 2 * n**3}
intensity = {name: count / (3 * 4 * n**2) for name, count in operations.items()}
print({name: round(value, 2) for name, value in intensity.items()})
check(
    "the product does 2,000 times as many operations a byte as the sum",
    np.isclose(intensity["product"] / intensity["sum"], 2000),
)

rng = np.random.default_rng(0)
A, B = (rng.standard_normal((500, 500)).astype(np.float32) for _ in range(2))
big, other, out = (np.ones(8_000_000, np.float32) for _ in range(3))  # 32 MB each: no cache holds them
product = 2 * 500**3 / seconds(lambda: A @ B)
summing = 8_000_000 / seconds(lambda: np.add(big, other, out=out))
print(f"the product does about {product / summing:.0f} times as many operations a second as the sum")
check("measured: at least 3 times as many operations a second", product > 3 * summing)


# %% [markdown]
# ## First remedy: let one call do the loops
#
# Python spends fifty to some hundred nanoseconds on each step of a loop; a core can do a thousand operations
# meanwhile. A convolution as windows and *one* matrix product (lesson 7) is one call. Shapes: $x$ $(N, H, W, C)$,
# filters $(3, 3, C, K)$.
# %%
def loops(x, W):
    N, H, width, C = x.shape
    y = np.zeros((N, H - 2, width - 2, W.shape[3]), x.dtype)
    for n, h, w, k in np.ndindex(y.shape):
        for i, j, c in np.ndindex(3, 3, C):
            y[n, h, w, k] += x[n, h + i, w + j, c] * W[i, j, c, k]
    return y


def windows(x, W):
    patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))  # (N, H', W', C, 3, 3), no copy
    columns = patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, W[..., 0].size)  # (N H' W', 9 C): a copy
    return (columns @ W.reshape(-1, W.shape[3])).reshape(*patches.shape[:3], -1)  # (N, H', W', K)


x = rng.standard_normal((1, 8, 8, 4)).astype(np.float32)
W = rng.standard_normal((3, 3, 4, 8)).astype(np.float32)
check("loops and one product give the same, to 5 decimals", abs(loops(x, W) - windows(x, W)).max() < 1e-5)
faster = seconds(lambda: loops(x, W), 1) / seconds(lambda: windows(x, W))
print(f"one product is about {float(f'{faster:.1g}'):,.0f} times as fast as the loops")
check("one product is at least 20 times as fast as the loops", faster > 20)
# %% [markdown]
# ## Second remedy: respect the memory. An experiment that surprises
#
# We add up a million numbers; then again a million, but each 64 bytes after the last one. Same additions, same count.
# %%
many = np.ones(16_000_000, np.float32)  # 64 MB
near, far = many[:1_000_000], many[::16]  # a million each
slower = seconds(lambda: far.sum()) / seconds(lambda: near.sum())
print(f"the scattered million takes about {slower:.0f} times as long")
check("both sums are a million", near.sum() == far.sum() == 1_000_000)
check("the scattered million takes at least 1.5 times as long", slower > 1.5)
# %% [markdown]
# Memory comes in lines of 64 bytes, 16 numbers. Whoever wants one number pays for sixteen. So the *order in memory*
# decides: minnet lays images out as $(H, W, N, C)$ behind the shape $(N, H, W, C)$, for then shifting all images by a
# pixel moves long runs. You see the shape, the processor sees `x.strides`: how many bytes further the next number of
# each axis lies.
#
# And pieces: nine steps over a large array, each over the whole, or all nine on one piece after another.
# %%
values = rng.standard_normal(16_000_000, dtype=np.float32)  # 64 MB
result = np.empty_like(values)


def in_pieces(size):
    for start in range(0, len(values), size):
        piece = slice(start, start + size)
        result[piece] = values[piece]
        for _ in range(3):
            np.multiply(result[piece], 1.5, out=result[piece])
            np.add(result[piece], 0.5, out=result[piece])
            np.maximum(result[piece], 0, out=result[piece])
    return result


sizes = [2_000, 16_000, 64_000, 500_000, 16_000_000]
times = np.array([seconds(lambda size=size: in_pieces(size), 3) for size in sizes])
whole = in_pieces(16_000_000).copy()
check("pieces change no bit of the result", all(np.array_equal(in_pieces(size), whole) for size in sizes))
from minnet.canvas import BLUE

figure, (axis,) = panels(1, height=2.6, title="Crumbs pay for calls, the whole pays for memory")
axis.plot(np.array(sizes) * 4 / 1024, times / times[-1], "o-", color=BLUE)
axis.axhline(1, color="grey", linestyle=":")
axis.set(xscale="log", xlabel="piece in kilobytes", ylabel="time, whole = 1", ylim=(0, None))
best = times.argmin()
show(
    figure,
    f"Nine steps over 64 MB, in pieces. Here pieces of {sizes[best] * 4 // 1024} kilobytes are quickest, "
    f"crumbs of 8 take {times[0] / times[best]:.0f} times as long, "
    f"the whole {times[-1] / times[best]:.1f}.",
)
# %% [markdown]
# Your picture will differ: how much the whole loses depends on how large the caches are and who else is using them.
# The left end is the same everywhere.
#
# ## Third remedy: multiply less
#
# Two neighbouring outputs of a filter of three, $y_0 = d_0 g_0 + d_1 g_1 + d_2 g_2$ and
# $y_1 = d_1 g_0 + d_2 g_1 + d_3 g_2$, are six multiplications. Winograd found that four are enough:
#
# $$m_1 = (d_0 - d_2)\, g_0,\quad m_2 = (d_1 + d_2) \tfrac{g_0 + g_1 + g_2}2,\quad
# m_3 = (d_2 - d_1) \tfrac{g_0 - g_1 + g_2}2,\quad m_4 = (d_1 - d_3)\, g_2$$
#
# and $y_0 = m_1 + m_2 + m_3$, $y_1 = m_2 - m_3 - m_4$. Multiply out: in $m_2 + m_3$ the terms $d_1 g_1$ and $d_2
# (g_0 + g_2)$ remain, and $m_1$ turns $d_2 g_0$ into $d_0 g_0$; $y_1$ likewise. What depends on $g$ alone is
# calculated once for all places. By hand, $d = (1, 2, 3, 4)$, $g = (1, 0, 2)$: $m = (-2, 7.5, 1.5, -4)$, $y = (7,
# 10)$.
#
# Along both axes: 16 products instead of 36. With 16 channels and 16 tiles (blocks of outputs) or more, minnet uses a
# larger scheme, $4 \times 4$ outputs from $6 \times 6$ inputs: 36 instead of 144, a quarter.
# %%
d, g = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 0.0, 2.0])
m = np.array([d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]])
m *= [g[0], (g[0] + g[1] + g[2]) / 2, (g[0] - g[1] + g[2]) / 2, g[2]]  # the four multiplications
y = np.array([m[0] + m[1] + m[2], m[1] - m[2] - m[3]])
print("products", m, "outputs", y)
check("four multiplications give what six give: 7 and 10", np.array_equal(y, [d[:3] @ g, d[1:] @ g]) and y[0] == 7)

from minnet import winograd
from minnet.layers import Conv2d

images = rng.standard_normal((2, 14, 14, 16)).astype(np.float32)
conv = Conv2d(16, 16, 3, bias=False, rng=0)
check(
    "minnet chooses Winograd's scheme for 16 channels and 3 x 3 filters",
    winograd.suits(images.shape, conv.W.shape, conv.geometry),
)
difference = abs(conv.forward(images) - windows(images, conv.W)).max()
print(f"largest difference to windows and one product: {difference:.0e}")
check("minnet's convolution with a quarter of the products is ours to 5 decimals", difference < 1e-5)
# %% [markdown]
# ## Fourth remedy: all cores
#
# The gradient of a batch is a *sum* over its examples (lesson 3), so it may be summed in any groups: **data
# parallelism**. Each **thread**, a part of the program that runs beside the others, on a core of its own if one is
# free, has a **replica**: the same weights, but its own intermediate results and its own gradients, an array as large
# as the weights, which have to be added to those of the others. The one trap is the $1/N$: it must be the $N$ of the
# whole batch, or four pieces give a gradient four times as large.
#
# Does it scale? If a part $q$ of the time can be shared and the rest cannot, $c$ cores are at most $1/\big((1 - q) +
# q/c\big)$ times as fast (**Amdahl's law**). By hand: $q = 0.9$, $c = 4$: $1/(0.1 + 0.225) = 3.1$; with a thousand
# cores, not even 10.
# %%
from concurrent.futures import ThreadPoolExecutor

from minnet.functional import softmax

x, labels = rng.standard_normal((256, 30)).astype(np.float32), rng.integers(5, size=256)
W = rng.standard_normal((30, 5)).astype(np.float32)


def gradient(rows, denominator):
    dz = (softmax(x[rows] @ W) - np.eye(5, dtype=np.float32)[labels[rows]]) / np.float32(denominator)  # (n, K)
    return x[rows].T @ dz  # (D, K)


whole = gradient(slice(None), 256)
pieces = [slice(start, start + 64) for start in range(0, 256, 64)]
with ThreadPoolExecutor(2) as pool:
    parts = list(pool.map(lambda rows: gradient(rows, 256), pieces))  # in the order of the pieces
    again = list(pool.map(lambda rows: gradient(rows, 256), pieces))
shared = ((parts[0] + parts[1]) + parts[2]) + parts[3]
check("four pieces on two threads add up to the whole gradient", np.allclose(shared, whole, atol=1e-6))
check(
    "with each piece's own N the sum is four times too large",
    np.allclose(sum(gradient(rows, 64) for rows in pieces), 4 * whole, atol=1e-5),
)
check(
    "added in a fixed order, a second run gives the same bits",
    np.array_equal(shared, ((again[0] + again[1]) + again[2]) + again[3]),
)
backwards = ((parts[3] + parts[2]) + parts[1]) + parts[0]
differing = shared != backwards  # (D, K)
print(f"in another order {differing.mean():.0%} of the numbers differ, by at most {abs(shared - backwards).max():.0e}")
check("added in another order, some bits differ", differing.any())
# %% [markdown]
# Rounded sums depend on their order. If pieces were added as threads finish, no run could be repeated. So minnet's
# `Crew` adds in a fixed order, whoever was first:
# %%
from minnet.layers import GlobalMaxPool, Linear, ReLU, Sequential
from minnet.losses import SoftmaxCrossEntropy
from minnet.sharing import Plan, available_cores
from minnet.workers import Batch, Crew

model = Sequential(Linear(30, 5, bias=False))
model.layers[0].W[...] = W
with Crew(model.train(), SoftmaxCrossEntropy(), Plan(workers=2, piece=64)) as crew:  # at most 64 examples a piece
    crew.step(Batch(x, np.arange(256), labels), (0, 0, 0))  # inputs, which rows, labels; (seed, epoch, step)
check("minnet's two workers arrive at our gradient", np.allclose(model.layers[0].dW, whole, atol=1e-6))
# %% [markdown]
# And what does it bring? A step of a network with convolutions, by one worker and by two, in turns. Here the wall clock
# counts, for two threads are to share the work, not to save any.
# %%
photographs, kinds = rng.standard_normal((128, 16, 16, 16)).astype(np.float32), rng.integers(10, size=128)
network = Sequential(Conv2d(16, 32, 3, padding=1, rng=0), ReLU(), GlobalMaxPool(), Linear(32, 10, rng=1)).train()
walls = {1: [], 2: []}
for _ in range(5):
    for workers, times in walls.items():
        with Crew(network, SoftmaxCrossEntropy(), Plan(workers, piece=32)) as crew:
            crew.step(Batch(photographs, np.arange(128), kinds), (0, 0, 0))  # the first step only makes its workspace
            started = time.perf_counter()
            crew.step(Batch(photographs, np.arange(128), kinds), (0, 0, 1))
            times.append(time.perf_counter() - started)
ratio = min(walls[1]) / min(walls[2])
print(f"two workers are {ratio:.1f} times as fast as one, on the {available_cores()} cores of this machine")
# %% [markdown]
# How much depends on the machine and on who else is using its cores: the best case is 2, on a busy machine it is
# about 1 or less. Run this cell when nothing else runs, and put your number into Amdahl's law: which part is shared?
#
# ## One picture at a time
#
# All this pays for batches. With a single picture, what surrounds the arithmetic takes as long as the arithmetic: copy
# the layers' settings, transform the filters, ask for memory, lay out views. None of that depends on the picture; and
# in evaluation a batch norm is a product and a sum with constants, which can move into the filters in front of it.
# Whoever asks a trained network again and again does it once. (The batch norms below have seen noise, no pictures:
# enough to have something to move.)
# %%
from minnet.models import cnn6
from minnet.predictor import Predictor
from minnet.training import predict

net, noise = cnn6((32, 32, 3), 10, (125, 123, 114), (63, 62, 67)), rng.integers(0, 256, (16, 32, 32, 3), np.uint8)
net.train().forward(noise)  # moves the running statistics
picture, ask = noise[:1], Predictor(net)  # a copy of the network as it is now, prepared
check("prepared, it gives the same scores", np.allclose(ask(picture), predict(net, picture), rtol=0, atol=5e-5))
prepared, each_time = (seconds(work, 50) for work in (lambda: ask(picture), lambda: predict(net, picture)))
print(f"one picture: {1e3 * each_time:.1f} ms of a core, everything done each time; {1e3 * prepared:.1f} ms prepared")
# %% [markdown]
# ## What can go wrong
#
# - **Timing once.** The first run loads, allocates, wakes up. Take the quickest of several, in turns with what it is
#   compared to.
# - **Threads upon threads.** Two workers, each calling a matrix product that starts two threads of its own: slower
#   than one. minnet holds the matrix product to one thread a worker.
# - **Optimising what costs nothing.** Measure first: if convolution is 90 % of the time, nothing else matters
#   (Amdahl).
# - **A view** (another shape on the same memory, no copy) **whose numbers do not lie side by side**, handed to a
#   function that copies it each time.
#
# ## Check yourself
#
# **1.** A batch of 128 images of $32 \times 32$ with 64 channels in float32. How large, and how many images fit into 4
# million bytes?
#
# <details><summary>Answer</summary>
#
# $128 \cdot 32 \cdot 32 \cdot 64 \cdot 4 = 33.6$ million bytes; one has 262,144, so 15.
#
# </details>
#
# **2.** 80 % of a step can be shared. How much faster with 2 cores, and with very many?
#
# <details><summary>Answer</summary>
#
# $1/(0.2 + 0.4) = 1.67$; at most 5.
#
# </details>
#
# **3.** ReLU over ten million float32 numbers, into a new array. Bytes moved, and time at 10 GB a second?
#
# <details><summary>Answer</summary>
#
# 80 million at least, 8 ms; the ten million comparisons are a small part of it.
#
# </details>
#
# **4.** Winograd's $y$ for $d = (0, 1, 0, 2)$, $g = (2, 4, 6)$?
#
# <details><summary>Answer</summary>
#
# $m = (0, 6, -2, -6)$: $y = (4, 14)$. Directly: $4$ and $2 + 0 + 12 = 14$.
#
# </details>
#
# **5.** Why does a network of wide fully connected layers gain little from data parallelism?
#
# <details><summary>Answer</summary>
#
# Each replica writes, and somebody adds, gradients as large as the weights: more bytes than its share of the work.
#
# </details>
#
# ## Exercises
#
# This lesson has no file of its own. Time your own `conv2d` of exercise 6 against `conv_loops` of lesson 7 and against
# minnet's `Conv2d`, with the stopwatch above; guess the two ratios before you look.
