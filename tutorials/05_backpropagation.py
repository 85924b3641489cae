# %% [markdown]
# # 5. Backpropagation
#
# You build: the layers `Linear` and `ReLU` with their backward passes, and a gradient check. You need: lessons 2 to 4.
# Minutes: 45.
#
# Softmax regression draws straight borders. Points on two rings, one inside the other, cannot be told apart by a
# straight line. A layer in between could bend the border, but nobody tells us what its outputs *should* be: the data
# has labels for the end of the network only. Whose fault is an error, then, and how much of it? The same question
# stands before a network of a hundred layers and a billion parameters, and the answer costs no more than two
# forward passes.
#
# ## By hand: two layers
#
# A **hidden layer** computes $a = xW_1 + b_1$ and passes on $h = \max(a, 0)$, number by number. That bend is called
# **ReLU**, rectified linear unit; each entry of $h$ is the **activation** of one hidden unit. Without the bend, two
# layers would be one: $(xW_1)W_2 = x(W_1W_2)$. Take
#
# $$x = (1, 2),\quad W_1 = \begin{pmatrix} 1 & -1 \\ 0.5 & 0 \end{pmatrix},\; b_1 = (0, 0),\quad
# W_2 = \begin{pmatrix} 1 & -1 \\ 3 & 0 \end{pmatrix},\; b_2 = (-2, 2),\quad \text{truth: class } 0$$
#
# Forwards: $a = (2, -1)$, so $h = (2, 0)$, $z = (2 - 2,\; -2 + 2) = (0, 0)$, $p = (\tfrac12, \tfrac12)$, loss 0.693.
#
# Backwards, from the end, each line using the one before:
#
# 1. $dz = p - t = (-\tfrac12, \tfrac12)$ (lesson 3).
# 2. $dW_2 = h^\top dz = \begin{pmatrix} -1 & 1 \\ 0 & 0 \end{pmatrix}$, $db_2 = dz$ (lesson 4).
# 3. How does the loss react to $h_0$? It acts on $z_0$ with strength 1, on $z_1$ with strength $-1$, and effects add:
#    $dh_0 = 1 \cdot (-\tfrac12) + (-1) \cdot \tfrac12 = -1$. Likewise $dh_1 = 3 \cdot (-\tfrac12) + 0 = -1.5$.
# 4. Through ReLU: $a_0 = 2$ was passed on as it was, so $da_0 = dh_0 = -1$. $a_1 = -1$ was cut off: a little more or
#    less changes nothing, so $da_1 = 0$.
# 5. $dW_1 = x^\top da = \begin{pmatrix} -1 & 0 \\ -2 & 0 \end{pmatrix}$, $db_1 = (-1, 0)$.
#
# That is **backpropagation**: the chain rule, from the end to the start, keeping at each place how the loss reacts to
# it. The second hidden unit was off, and learns nothing from this example.
# %%
import numpy as np
from lesson import check, panels, show

from minnet.functional import softmax

x, W1 = np.array([[1.0, 2.0]]), np.array([[1.0, -1.0], [0.5, 0.0]])  # (1, 2) and (2, 2)
W2, b2 = np.array([[1.0, -1.0], [3.0, 0.0]]), np.array([-2.0, 2.0])
a = x @ W1  # (1, 2); b1 is 0
h = np.maximum(a, 0)  # (1, 2)
p = softmax(h @ W2 + b2)  # (1, 2)
dz = p - np.array([[1.0, 0.0]])  # (1, 2)
dW2 = h.T @ dz  # (2, 1) @ (1, 2) -> (2, 2)
dh = dz @ W2.T  # (1, 2) @ (2, 2) -> (1, 2)
da = dh * (a > 0)  # (1, 2)
dW1 = x.T @ da  # (2, 1) @ (1, 2) -> (2, 2)
check("by hand and in code dW1 is (-1, 0), (-2, 0)", np.array_equal(dW1, [[-1, 0], [-2, 0]]))


# %% [markdown]
# ## The derivation, and two layers to keep
#
# For a batch, $y_{nk} = \sum_i x_{ni} W_{ik} + b_k$. Let somebody hand us $dy_{nk} = \partial L / \partial y_{nk}$.
# Which $y$ does each number touch?
#
# - $W_{ik}$ touches $y_{nk}$ for every $n$, with strength $x_{ni}$:
#   $dW_{ik} = \sum_n x_{ni}\,dy_{nk}$, so $dW = x^\top dy$.
# - $b_k$ touches $y_{nk}$ for every $n$, with strength 1: $db_k = \sum_n dy_{nk}$.
# - $x_{ni}$ touches $y_{nk}$ for every $k$, with strength $W_{ik}$:
#   $dx_{ni} = \sum_k dy_{nk} W_{ik}$, so $dx = dy\,W^\top$.
#
# Each input of ReLU touches one output only: $dx = dy$ where $x > 0$, else 0. (At exactly 0 there is a corner; we
# choose 0.)
#
# So a layer needs to know nothing about the rest of the network. It is handed $dy$, keeps $dW$ and $db$, and hands
# $dx$ to the layer before it, for which it is the next $dy$. It must remember its input from the forward pass.
# %%
class Linear:
    def __init__(self, D, K, rng):
        self.W = rng.standard_normal((D, K)) * np.sqrt(2 / D)  # why this size: lesson 9
        self.b = np.zeros(K)

    def forward(self, x):  # (N, D) -> (N, K)
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):  # (N, K) -> (N, D)
        self.dW = self.x.T @ dy  # (D, N) @ (N, K) -> (D, K)
        self.db = dy.sum(axis=0)  # (K,)
        return dy @ self.W.T  # (N, K) @ (K, D) -> (N, D)


class ReLU:
    def forward(self, x):
        self.on = x > 0
        return x * self.on

    def backward(self, dy):
        return dy * self.on


def loss_and_gradients(layers, x, labels):
    for layer in layers:
        x = layer.forward(x)
    p, N = softmax(x), len(x)  # (N, K)
    loss = -np.log(p[np.arange(N), labels]).mean()
    dy = (p - np.eye(p.shape[1])[labels]) / N  # (N, K)
    for layer in reversed(layers):
        dy = layer.backward(dy)
    return loss, p  # the gradients are in the layers


def step(layers, learning_rate):
    for layer in layers[::2]:  # every other one is a ReLU
        layer.W -= learning_rate * layer.dW
        layer.b -= learning_rate * layer.db


# %% [markdown]
# Two rings, sixteen hidden units:
# %%
rng, hidden = np.random.default_rng(1), 16  # hidden units
labels = np.repeat([0, 1], 100)  # (200,)
angle, radius = rng.uniform(0, 2 * np.pi, 200), np.where(labels == 0, 1, 2) + rng.normal(0, 0.15, 200)
rings = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])  # (200, 2)

straight, bent, rights = [Linear(2, 2, rng)], [Linear(2, hidden, rng), ReLU(), Linear(hidden, 2, rng)], []
for layers in (straight, bent):
    for _ in range(1000):
        loss, p = loss_and_gradients(layers, rings, labels)
        step(layers, 0.3)
    rights.append((p.argmax(axis=1) == labels).mean())
check("a straight border gets at most 65 % of the ring points right", rights[0] <= 0.65)
check("with a hidden layer at least 97 % are right", rights[1] >= 0.97)
# %%
from minnet.canvas import BLUE, ORANGE, PALE

side = np.linspace(-2.7, 2.7, 150)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)  # (22500, 2)
figure, axes = panels(2, height=3.6, width=7.2, title=f"A straight border, and one bent by {hidden} ReLUs")
for panel, layers in zip(axes, (straight, bent), strict=True):
    _, p = loss_and_gradients(layers, grid, np.zeros(len(grid), int))  # any labels: only p is wanted
    panel.contourf(side, side, p[:, 0].reshape(150, 150), [0, 0.5, 1], colors=["#fdf3e3", PALE])
    panel.plot(*rings[:100].T, "o", color=BLUE, markersize=3)
    panel.plot(*rings[100:].T, "^", color=ORANGE, markersize=3)
    panel.set(xlabel="$x_0$", ylabel="$x_1$", aspect="equal")
show(
    figure,
    "Dots: the inner ring; triangles: the outer; darker: where the network says inner. "
    f"Left, no hidden layer, {rights[0]:.0%} right; right, {hidden} units, {rights[1]:.0%}.",
)


# %% [markdown]
# ## The gradient check
#
# A backward pass can be wrong and still run. So we measure: move one parameter a little up and a little down, and
# compare the slope with what backward claims. The **relative error** compares the difference with the size of the
# numbers themselves: $\max|\text{claimed} - \text{measured}| \,/\, \max|\text{measured}|$. The small step is called
# `eps`, for $h$ is the hidden layer here.
# %%
def measure(f, array, eps):
    slopes = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        old = array[place]
        for sign in (1, -1):
            array[place] = old + sign * eps
            slopes[place] += sign * f() / (2 * eps)
        array[place] = old
    return slopes


def relative_error(claimed, measured):
    return abs(claimed - measured).max() / abs(measured).max()


def audit(layers, x, labels, eps=1e-5):
    measured = measure(lambda: loss_and_gradients(layers, x, labels)[0], layers[0].W, eps)
    loss_and_gradients(layers, x, labels)
    return layers[0].dW, measured


rng = np.random.default_rng(2)
x, y = rng.standard_normal((12, 5)), rng.integers(4, size=12)  # (12, 5) and (12,)
network = [Linear(5, 8, rng), ReLU(), Linear(8, 4, rng)]
print(f"relative error: {(error := relative_error(*audit(network, x, y))):.0e}")
check("our backward pass has a relative error below 1e-7", error < 1e-7)


# %% [markdown]
# ## What a bug looks like
#
# Three networks, each with one mistake that raises no error. Plot claimed against measured, one dot for each of the 40
# weights of the first layer: a right gradient lies on the diagonal, and how it leaves the diagonal tells the bug.
# %%
class TwiceReLU(ReLU):
    def backward(self, dy):
        return 2 * dy * self.on  # a constant factor, as of a forgotten 1/N


class WrongMask(ReLU):
    def backward(self, dy):
        return dy * (dy > 0)  # asks the gradient, not the input, which units were on


figure, axes = panels(3, height=3.0, title="Right, a factor of 2, a wrong mask: claimed against measured")
errors = []  # of the three
for panel, bend in zip(axes, (ReLU(), TwiceReLU(), WrongMask()), strict=True):
    claimed, measured = audit([network[0], bend, network[2]], x, y)
    errors.append(relative_error(claimed, measured))
    panel.axline((0, 0), slope=1, color=ORANGE, linestyle="--", linewidth=1)
    panel.plot(measured, claimed, "o", color=BLUE, markersize=3)
    panel.set(xlabel="measured dW", ylabel="claimed dW")
show(figure, f"A line, another line, a cloud: relative errors {errors[0]:.0e}, {errors[1]:.1f} and {errors[2]:.1f}.")
check("a factor of 2 gives a relative error of 1", abs(errors[1] - 1) < 1e-5)
check("the wrong mask gives a relative error above 0.1", errors[2] > 0.1)
# %% [markdown]
# How small should the step be? Not as small as possible. The error of the slope itself shrinks with the square of
# `eps`, but the two losses are stored to 16 digits only, and that rounding is divided by `2 * eps`. With $10^{-12}$
# instead of $10^{-5}$, a right gradient seems wrong in the third digit. Try
# `relative_error(*audit(network, x, y, eps=1e-12))`.
#
# ## The same in minnet
#
# `Sequential` walks forwards and backwards, and `gradcheck` measures every parameter and the input. Ours and theirs,
# with the same weights:
# %%
from minnet import layers as library
from minnet.gradcheck import GradientError, gradcheck
from minnet.losses import SoftmaxCrossEntropy

model = library.Sequential(library.Linear(5, 8), library.ReLU(), library.Linear(8, 4)).astype(np.float64)
for theirs, ours in ((model[0], network[0]), (model[2], network[2])):
    theirs.W[...], theirs.b[...] = ours.W, ours.b
criterion = SoftmaxCrossEntropy()
criterion.forward(model.forward(x), y)
model.backward(criterion.backward())
loss_and_gradients(network, x, y)
check("minnet's dW of the first layer is ours", np.allclose(model[0].dW, network[0].dW, rtol=0, atol=1e-15))


class Forgetful(library.Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = dy.mean(axis=0)  # should be the sum
        return dx


try:
    gradcheck(Forgetful(5, 3, rng=0), x)
except GradientError as error:
    print(said := str(error))
check("gradcheck says that there is one division by the batch size too many", f"too often by N = {len(x)}" in said)


# %% [markdown]
# ## An experiment that surprises: learning from a wrong gradient
#
# In the step $dh = dz\,W_2^\top$, replace $W_2$ by a fixed *random* matrix $B$ that has nothing to do with the network.
# The hidden layer now gets nonsense for a gradient. Train on the digits of lesson 4, with the right and with the wrong
# gradient; and, for comparison, with a hidden layer that is not trained at all.
# %%
class RandomBack(Linear):
    def backward(self, dy):
        super().backward(dy)
        return dy @ self.B.T


from minnet import data

digits, results = data.load("digits"), {}
train_x, test_x = digits.train.x.reshape(-1, 64) / 255, digits.test.x.reshape(-1, 64) / 255
for name in ("right", "fixed", "random"):
    rng = np.random.default_rng(3)
    top = (RandomBack if name == "random" else Linear)(32, 10, rng)
    net = [Linear(64, 32, rng), ReLU(), top]
    top.B = rng.standard_normal((32, 10)) * 0.25
    for _ in range(400):
        rows = rng.integers(len(train_x), size=64)
        loss_and_gradients(net, train_x[rows], digits.train.y[rows])
        step(net[2:] if name == "fixed" else net, 0.5)
    p = loss_and_gradients(net, test_x, digits.test.y)[1]
    results[name] = (p.argmax(axis=1) == digits.test.y).mean()
print("right on test pictures:", {name: f"{share:.1%}" for name, share in results.items()})
check("with a random matrix in the backward pass more than 90 % are right", results["random"] > 0.9)
check("W2 has turned towards B: their correlation is above 0.4", np.corrcoef(top.W.flat, top.B.flat)[0, 1] > 0.4)
# %% [markdown]
# It learns. With nonsense sent back nearly as many pictures are right as with the gradient, and far more than with a
# hidden layer that stays as it was drawn: so that layer, too, has learned something. How? $W_2$ turns towards $B$
# (their *correlation* would be 1 if they had the same pattern, and 0 if they had nothing to do with each other), until
# the wrong gradient points roughly the right way. (The effect is known as feedback alignment: Lillicrap and others,
# arXiv 1411.0247.) Take the practical half of the news: **a falling loss does not prove that your gradient is right.**
# A network with a bug may train nearly as well, and you will blame everything else. Only the measurement tells.
#
# ## What it costs
#
# Forward takes $N D K$ multiplications a layer; backward has two products of the same size. So a step costs about three
# forward passes, whatever the number of parameters. Measuring costs two forward passes *for each parameter*: for a
# million parameters, two million. That is why we derive, and measure only to check.
#
# ## What can go wrong
#
# - **The wrong transpose.** $x\,dy^\top$ has another shape, unless $N = D = K$. Check with sizes that all differ.
# - **Checking with $dy = 1$.** Some mistakes survive it (softmax's Jacobian makes 0 of it, lesson 2). They do not
#   survive random numbers.
# - **float32.** Measured slopes are then good to two or three digits. Check in float64.
# - **A corner.** If an input of ReLU lies within `eps` of 0, measured and claimed differ and nobody is wrong. Draw
#   another input, or make `eps` smaller.
# - **`x[x < 0] = 0`** changes the caller's array. Layers must not write into what they are given.
# - **An input remembered from another batch**: two forward passes, then one backward.
#
# ## Check yourself
#
# **1.** $x = (2, 1)$, one linear layer with $W = \begin{pmatrix} 1 & 0 \\ 2 & -1 \end{pmatrix}$, and $dy = (3, 5)$.
# What are $dW$ and $dx$?
#
# <details><summary>Answer</summary>
#
# $dW = x^\top dy = \begin{pmatrix} 6 & 10 \\ 3 & 5 \end{pmatrix}$; $dx = dy\,W^\top = (3,\; 6 - 5) = (3, 1)$.
#
# </details>
#
# **2.** ReLU gets $x = (-2, 0.5, 3)$ and $dy = (4, -1, 0)$. What is $dx$?
#
# <details><summary>Answer</summary>
#
# $(0, -1, 0)$: the first unit was off; the third was on, but nobody asked it to change.
#
# </details>
#
# **3.** A layer from 300 to 20 numbers, a batch of 50. How many multiplications has the forward pass, and how many the
# backward pass?
#
# <details><summary>Answer</summary>
#
# $50 \cdot 300 \cdot 20 = 300{,}000$, and twice that.
#
# </details>
#
# **4.** The gradient of $W_2$ is right, that of $W_1$ is wrong by a factor that differs from unit to unit. Where do you
# look?
#
# <details><summary>Answer</summary>
#
# Between them: at the activation's backward, which treats each unit by itself. A mistake in the loss would have spoilt
# $dW_2$ too, and one in the last layer's $dx = dy\,W^\top$ would add up the wrong units: no factor for each.
#
# </details>
#
# **5.** All hidden units are off for all examples. What are $dW_1$ and $dW_2$?
#
# <details><summary>Answer</summary>
#
# Both 0: $h = 0$, so $dW_2 = h^\top dz = 0$; and ReLU lets nothing back. Only $b_2$ still learns (lesson 9).
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e04_linear.py`: the linear layer, forward and its three gradients. `e05_relu.py`: ReLU, there and
# back. Check them with `python -m tutorials.exercises check 4`, and `check 5`. On paper: `python -m minnet worksheet`
# makes a page with a tiny network and its numbers, to go through by hand (with `--solved`, the answers). Further:
# `e22_bug_network.py`, a network's gradients with a bug to find.
