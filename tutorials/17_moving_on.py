# %% [markdown]
# # 17. Appendix: moving on
#
# You build: a tiny automatic differentiation, and the weights of a minnet network in the layout of another framework.
# You need: lessons 0, 5 and 7. Minutes: 30.
#
# You have written every backward pass by hand. Nobody who trains networks for a living does: they write the forward
# pass, call `loss.backward()`, and the gradients are there. Is that magic, and was the work by hand in vain? And how
# do you take a network that you trained here to PyTorch, or bring one back?
#
# ## By hand: a tape
#
# $f = (a + b) \cdot a$ at $a = 3$, $b = 2$. While calculating forward, write down each step and its local slopes:
#
# | step | value | slopes |
# |---|---|---|
# | $c = a + b$ | 5 | $\partial c/\partial a = 1$, $\partial c/\partial b = 1$ |
# | $f = c \cdot a$ | 15 | $\partial f/\partial c = a = 3$, $\partial f/\partial a = c = 5$ |
#
# Now read the list from below. $f$ has slope 1. It gives $3$ to $c$ and $5$ to $a$. Then $c$ hands its 3 on: 3 to
# $a$, 3 to $b$. Sum: $df/da = 5 + 3 = 8$, $df/db = 3$. (Check: $f = a^2 + ab$, $df/da = 2a + b = 8$.)
#
# That is all: **automatic differentiation** is the chain rule of lesson 5, read off a list of what was done.
# %%
import importlib.util

import numpy as np
from lesson import check, panels, show


class Value:
    """A number or array that remembers how it was made: its parents, and what to hand to each of them.

    Each step stores small functions. `lambda dy: dy * other.data` is made now, remembers `other`, and runs later, when
    backward knows dy. Both sides of a step have to be Values: `a + Value(1.0)`.
    """

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = np.asarray(data, float), parents, 0.0

    def __add__(self, other):
        return Value(self.data + other.data, ((self, lambda dy: dy), (other, lambda dy: dy)))

    def __mul__(self, other):
        return Value(self.data * other.data, ((self, lambda dy: dy * other.data), (other, lambda dy: dy * self.data)))

    def __matmul__(self, other):
        return Value(
            self.data @ other.data, ((self, lambda dy: dy @ other.data.T), (other, lambda dy: self.data.T @ dy))
        )

    def relu(self):
        return Value(np.maximum(self.data, 0), ((self, lambda dy: dy * (self.data > 0)),))

    def cross_entropy(self, t):
        p = np.exp(self.data - self.data.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)  # (N, K)
        loss = -(t * np.log(p)).sum(axis=1).mean()
        return Value(loss, ((self, lambda dy: dy * (p - t) / len(t)),))

    def backward(self):
        order, seen = [], set()

        def visit(value):  # parents first: the tape
            if id(value) not in seen:
                seen.add(id(value))
                for parent, _ in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        self.grad = np.ones_like(self.data)
        for value in reversed(order):  # and read from below
            for parent, hand_on in value.parents:
                parent.grad = parent.grad + hand_on(value.grad)


a, b = Value(3.0), Value(2.0)
f = (a + b) * a
f.backward()
print("f", f.data, "df/da", a.grad, "df/db", b.grad)
check("automatic differentiation finds df/da = 8 and df/db = 3", a.grad == 8 and b.grad == 3)
# %% [markdown]
# Look at what is in the class: for each operation, its forward line and *somebody's hand-derived* backward line.
# Matrix product: $dy\,W^\top$ and $x^\top dy$, from lesson 5. Cross-entropy: $p - t$, from lesson 3. Frameworks have
# a thousand such pairs; what is automatic is the bookkeeping, above all `parent.grad + ...`, the sum over all ways.
#
# ## The same as minnet
#
# A network of two layers, with its gradients from the tape and from minnet's hand-written layers. (Without biases: our
# `__add__` does not know broadcasting, see below.)
# %%
from minnet.layers import BatchNorm, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from minnet.losses import SoftmaxCrossEntropy

rng = np.random.default_rng(0)
x, y = rng.standard_normal((8, 5)), rng.integers(3, size=8)  # (N, D), (N,)
model = Sequential(Linear(5, 6, bias=False, rng=1), ReLU(), Linear(6, 3, bias=False, rng=2)).astype(np.float64)
loss = SoftmaxCrossEntropy()
theirs = loss.forward(model.forward(x), y)
model.backward(loss.backward())
W1, W2 = Value(model.layers[0].W), Value(model.layers[2].W)
ours = ((Value(x) @ W1).relu() @ W2).cross_entropy(np.eye(3)[y])
ours.backward()
check("the tape's loss is minnet's", np.isclose(ours.data, theirs))
check(
    "the tape's gradients are minnet's hand-derived ones",
    np.allclose(W1.grad, model.layers[0].dW) and np.allclose(W2.grad, model.layers[2].dW),
)
# %% [markdown]
# ## An experiment that surprises: what the tape remembers
#
# The tape keeps every intermediate result until backward has used it. That is why training needs so much more memory
# than predicting, and why it grows with *depth* and *batch*, not with the number of weights. We count the numbers that
# a chain of layers of width 64 keeps.
# %%
kept = {}
for depth in (1, 2, 4, 8, 16):
    h = first = Value(rng.standard_normal((256, 64)))
    for _ in range(depth):
        h = (h @ Value(rng.standard_normal((64, 64)) / 8)).relu()
    numbers, queue, seen = {"results": 0, "weights": 0}, [h], set()
    while queue:
        value = queue.pop()
        if id(value) not in seen:
            seen.add(id(value))
            numbers["results" if value.parents or value is first else "weights"] += value.data.size
            queue += [parent for parent, _ in value.parents]
    kept[depth] = numbers
depths = list(kept)
results, weights = (np.array([kept[depth][name] for depth in depths]) for name in ("results", "weights"))
check(
    "with a batch of 256 the tape keeps at least 8 times as many results as there are weights",
    (results >= 8 * weights).all(),
)
from minnet.canvas import BLUE, ORANGE

figure, (axis,) = panels(1, height=2.6, title="Training remembers every step until it has walked back")
axis.plot(depths, results / 1e3, "o-", color=BLUE, label="results kept for backward")
axis.plot(depths, weights / 1e3, "s--", color=ORANGE, label="weights")
axis.set(xlabel="layers", ylabel="thousand numbers")
axis.legend(frameon=False)
show(
    figure,
    f"With 16 layers and a batch of 256 the tape holds {results[-1] / 1e3:.0f} thousand results beside "
    f"{weights[-1] / 1e3:.0f} thousand weights.",
)
# %% [markdown]
# A hand-written layer decides what it keeps. ReLU above keeps its whole input; the *sign* would do, a bit a number
# instead of 64. Softmax and cross-entropy in one (lesson 3) keep $p$ and skip a Jacobian. When a framework is slow or
# runs out of memory, somebody writes such a pair by hand again. Now you can.
#
# ## Carrying weights over
#
# PyTorch has the same layers in another order of axes. Images are channels first, $(N, C, H, W)$; `Linear` keeps
# `weight` as (out, in) and computes $x W^\top + b$; a convolution keeps (out, in, kh, kw). And one trap: `Flatten`
# reads an image in the order of its axes, C, H, W there and H, W, C here. So the inputs of the next Linear must be
# reordered too: rows of our $W$, columns of PyTorch's `weight`. Get that wrong and everything has the right shape, no
# error is raised, and the answers are rubbish.
# %%
network = Sequential(
    Conv2d(3, 5, 3, padding=1, rng=1), BatchNorm(5), ReLU(), MaxPool2d(2), Flatten(), Linear(4 * 3 * 5, 10, rng=2)
).eval()
network.layers[1].running_mean[...] = rng.standard_normal(5) / 4  # as if it had been trained
images = rng.standard_normal((2, 8, 6, 3)).astype(np.float32)  # (N, H, W, C)
scores = network.forward(images)  # (2, 10)

flat = network.layers[4]
before = network.layers[3].forward(
    network.layers[2].forward(network.layers[1].forward(network.layers[0].forward(images)))
)
channels_first = before.transpose(0, 3, 1, 2).reshape(2, -1)  # (2, 60): what PyTorch's Flatten gives
W = network.layers[5].W  # (60, 10)
order = np.arange(60).reshape(4, 3, 5).transpose(2, 0, 1).reshape(-1)  # where feature (c, h, w) stands here
weight = W[order].T  # (10, 60): PyTorch's layout
ours = channels_first @ weight.T + network.layers[5].b
careless = channels_first @ W + network.layers[5].b  # shapes fit, no error
print(f"right order: difference {abs(ours - scores).max():.0e}; careless: {abs(careless - scores).max():.2f}")
check("with reordered rows the scores agree to 5 decimals", abs(ours - scores).max() < 1e-5)
check(
    "the careless version has the right shape and the wrong scores",
    careless.shape == scores.shape and abs(careless - scores).max() > 0.1,
)

from minnet.interop import from_torch, to_torch

state = to_torch(network, input_shape=(8, 6, 3))  # PyTorch's names and layouts, as NumPy arrays
print({name: array.shape for name, array in state.items()})
check("our reordered weight is minnet's", np.array_equal(state["5.weight"], weight))
back = Sequential(
    Conv2d(3, 5, 3, padding=1, rng=7), BatchNorm(5), ReLU(), MaxPool2d(2), Flatten(), Linear(4 * 3 * 5, 10, rng=8)
).eval()
from_torch(back, state, input_shape=(8, 6, 3))
check("there and back again, the network says exactly the same", np.array_equal(back.forward(images), scores))
# %% [markdown]
# Now in PyTorch, if it is installed here (`pip install torch`; no other lesson needs it). Note how alike the two read.
# %%
if importlib.util.find_spec("torch") is None:
    print("PyTorch is not installed: this cell is skipped.")
else:
    import torch
    from torch import nn

    twin = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(60, 10)
    ).eval()
    twin.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    with torch.no_grad():
        answer = twin(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(answer, scores, atol=1e-5)  # raises if they differ
    print("PyTorch's scores are minnet's, to 5 decimals")
# %% [markdown]
# `minnet.interop.save_safetensors` writes the same arrays to a file that PyTorch reads, and back, without PyTorch
# being installed and without pickle (a pickle can run anything on the computer of whoever opens it).
#
# ## What can go wrong
#
# - **`parent.grad = ` instead of `+ `**: a value used twice loses a way. $df/da$ above would be 3.
# - **Broadcasting**: in $xW + b$ the one row $b$ is added to $N$ rows, so its gradient must be summed over them (lesson
#   5). Our `__add__` hands back $N$ rows; frameworks sum over every axis that was stretched.
# - **Gradients that add up from step to step**: PyTorch adds to `grad` until told to forget, `optimizer.zero_grad()`.
#   minnet's backward overwrites.
# - **`eval()` forgotten**: batch norm and dropout behave as in training.
# - **Softmax in the model**: PyTorch's `CrossEntropyLoss` takes scores too, as minnet's.
# - **Different numbers in the same place**: `eps`, `momentum` of batch norm (PyTorch's and minnet's is the share of the
#   *new* value, others' that of the old), scaling of inputs. Compare layer by layer, on one batch, in float64.
#
# ## Check yourself
#
# **1.** $f = a \cdot b + b$ at $a = 2$, $b = 5$. What does the tape hand to $b$, and from where?
#
# <details><summary>Answer</summary>
#
# $2$ from the product, $1$ from the sum: 3.
#
# </details>
#
# **2.** A minnet `Linear(784, 10)`. The shape of PyTorch's `weight`? And of a `Conv2d(16, 32, 5)`'s?
#
# <details><summary>Answer</summary>
#
# (10, 784), and (32, 16, 5, 5) from (5, 5, 16, 32).
#
# </details>
#
# **3.** Feature maps of 2 rows, 3 columns, 4 channels are flattened. Which place has (row 1, column 2, channel 3),
# counted from 0, here and in PyTorch?
#
# <details><summary>Answer</summary>
#
# Here $1 \cdot 12 + 2 \cdot 4 + 3 = 23$, the last; there $3 \cdot 6 + 1 \cdot 3 + 2 = 23$, the last as well. But (0,
# 0, 1) has place 1 here and 6 there.
#
# </details>
#
# **4.** Why must the tape be read in reverse order?
#
# <details><summary>Answer</summary>
#
# A value may only hand on its gradient when all that it flows into have handed theirs to it.
#
# </details>
#
# **5.** A batch twice as large: what doubles on the tape, and what does not?
#
# <details><summary>Answer</summary>
#
# All results double; weights and their gradients do not.
#
# </details>
#
# ## Exercises
#
# This lesson has no file of its own. Teach `__add__` broadcasting, and check it with the gradient check of lesson 5.
# Then give `Value` a convolution, with lesson 7's backward.
