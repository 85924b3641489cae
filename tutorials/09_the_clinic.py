# %% [markdown]
# # 9. The clinic
#
# You build: the initialisation that keeps a signal alive through ten layers, a diagnosis for seven sick networks, and a
# recipe. You need: lessons 5 and 6. Minutes: 45.
#
# A network that does not learn raises no error. It runs, prints a loss, and the loss does not fall; or it falls, and
# the result is worthless. What is wrong? There are a handful of usual illnesses, and each has its own signs. Here you
# give them to a healthy network one by one, so that you know them when you meet them.
#
# ## By hand: a signal through ten layers
#
# **Initialisation** is where the weights start. A layer adds up $D$ products, $a_k = \sum_i h_i W_{ik}$. Draw the
# weights at random with mean 0, independently of each other. Then for given $h_i$ the products are independent and of
# mean 0, too, the mean square of $h_i W_{ik}$ is $h_i^2\,\mathrm{Var}(W)$, and for a sum of such numbers the mean
# squares add (in the square of the sum, the products of two different ones have mean 0). With $\overline{h^2}$ for the
# mean of the $h_i^2$:
#
# $$\mathrm{Var}(a) = D \cdot \mathrm{Var}(W) \cdot \overline{h^2}$$
#
# By hand ("size" is the root of the mean square; $\mathrm{Var}$, the variance, is the mean square about the mean, and
# its root the standard deviation): $D = 100$ inputs of size 1, weights of size 0.01. Then $\mathrm{Var}(a) = 100 \cdot
# 0.0001 \cdot 1 = 0.01$, so $a$ has the size 0.1. If weights $w$ and $-w$ are equally likely, so are $a$ and $-a$ (for
# large $D$ any weights of mean 0 nearly do). So ReLU cuts off half of the values, and with them half of the mean
# square: $\overline{h^2} = 0.005$. Each layer multiplies the mean square by 0.005; after ten layers it is $10^{-23}$.
# With weights of size 1 each layer multiplies by 50: $10^{17}$. (Below, $D = 256$, and sizes are printed: weights of
# 0.01 multiply the size by $\sqrt{256 \cdot 0.0001/2} = 0.113$ a layer, $3 \cdot 10^{-10}$ in ten.) What multiplies by
# exactly 1?
#
# $$\tfrac12 \cdot D \cdot \mathrm{Var}(W) = 1 \quad\Rightarrow\quad \mathrm{Var}(W) = \frac2D$$
#
# That is **He initialisation** (arXiv 1502.01852). Going back, $dh = da\,W^\top$ is a sum of the same kind, over the
# outputs: with equally wide layers the same size keeps the gradient alive. When it dies on the way back, one speaks of
# a **vanishing gradient**; when it blows up, of an **exploding gradient**.
# %%
import numpy as np
from lesson import check, panels, show

rng = np.random.default_rng(0)
D = 256


def sizes_through(scale, depth=10):
    """Root mean square of the activations after each layer, and of the gradient before each, going back."""
    h, kept, forwards, backwards = rng.standard_normal((200, D)), [], [], []
    for _ in range(depth):
        W = rng.standard_normal((D, D)) * scale
        h = np.maximum(h @ W, 0)  # (200, 256)
        kept.append((W, h > 0))
        forwards.append(np.sqrt((h**2).mean()))
    dh = rng.standard_normal((200, D))
    for W, on in reversed(kept):
        dh = (dh * on) @ W.T  # (200, 256)
        backwards.append(np.sqrt((dh**2).mean()))
    return forwards, backwards


default = np.sqrt(1 / (3 * D))  # PyTorch draws evenly from -1/sqrt(D) to 1/sqrt(D): variance 1/(3D)
starts = {"0.01": 0.01, "PyTorch's default": default, "He": np.sqrt(2 / D), "0.2": 0.2}
sizes = {name: sizes_through(scale) for name, scale in starts.items()}
for name, (forwards, backwards) in sizes.items():
    print(f"{name:18} activations after 10 layers {forwards[-1]:.1e}, gradient {backwards[-1]:.1e}")
kept = [sizes["He"][0][-1], sizes["He"][1][-1]]
check("He initialisation keeps activations and gradients within a factor of 3", min(kept) > 1 / 3 and max(kept) < 3)
check("with weights of size 0.01 less than 1e-8 of the signal arrives", sizes["0.01"][0][-1] < 1e-8)
check("with weights of size 0.2 it is more than 1000 times as large", sizes["0.2"][0][-1] > 1000)

from minnet.initializers import he

theirs = he((D, D), 0)
check("minnet's He weights have our size to 2 %", abs(theirs.std() / np.sqrt(2 / D) - 1) < 0.02)
# %%
from minnet import canvas
from minnet.canvas import BLUE, ORANGE

figure, axes = panels(2, height=2.9, title="Only one size keeps the signal alive, both ways")
for i, panel in enumerate(axes):
    for (name, both), style in zip(sizes.items(), ("o:", "s--", "o-", "^-."), strict=True):
        panel.semilogy(
            range(1, len(both[i]) + 1), both[i], style, color=BLUE if name == "He" else ORANGE, label=name, markersize=3
        )
    panel.set(xlabel=("layer", "layers walked back")[i], ylabel=("activation (RMS)", "gradient (RMS)")[i])
axes[0].legend(frameon=False, fontsize=8, loc="lower left")
show(
    figure,
    f"He initialisation ends at {kept[0]:.2f} and {kept[1]:.2f}; each of the others leaves by a fixed factor a layer.",
)
# %% [markdown]
# ## The patient
#
# A network of lesson 5 on the digits: 64, 32, 10, SGD with a rate of 0.5, ten epochs. Every illness is one change.
# %%
from minnet import data
from minnet.layers import Linear, ReLU, Sequential, Softmax
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD

digits = data.load("digits")
train_x, test_x = (split.x.reshape(-1, 64).astype(np.float32) / 255 for split in (digits.train, digits.test))
train_y, test_y = digits.train.y, digits.test.y


def network(end=()):
    hidden, scores = Linear(64, 32, rng=1), Linear(32, 10, rng=2)
    hidden.W[...] = he(hidden.W.shape, 1)
    return Sequential(hidden, ReLU(), scores, *end)


def train(model, x=train_x, y=train_y, learning_rate=0.5, epochs=10, shuffle=True):
    """The mean loss of every ten steps."""
    criterion, optimizer, rng, losses = SoftmaxCrossEntropy(), SGD(model, learning_rate), np.random.default_rng(0), []
    for _ in range(epochs):
        order = rng.permutation(len(x)) if shuffle else np.argsort(y, kind="stable")
        for start in range(0, len(x), 32):
            rows = order[start : start + 32]
            losses.append(criterion.forward(model.forward(x[rows]), y[rows]))
            model.backward(criterion.backward())
            optimizer.step()
    return np.array(losses[: len(losses) // 10 * 10]).reshape(-1, 10).mean(axis=1)


def right(model, x=test_x, y=test_y):
    return (model.forward(x).argmax(axis=1) == y).mean()


healthy = network()
curves = {"healthy": train(healthy)}
print(f"healthy: right on test pictures {right(healthy):.1%}")
check("the healthy network gets more than 93 % right", right(healthy) > 0.93)
# %% [markdown]
# ## Seven illnesses
#
# Six of them, and the healthy network, are trained below and shown as A to G, each point the mean of ten steps. Read
# the table, then give each its name.
#
# | illness | sign | cure |
# |---|---|---|
# | 1. learning rate too high | the loss jumps above its start, or is `nan` | new weights, a tenth of the rate |
# | 2. all weights zero | the loss stays at $\log K$; weights and $dW$ of the hidden layer are 0 | random weights (He) |
# | 3. unscaled input | the loss starts far above $\log K$ | mean 0, size 1; new weights |
# | 4. dead ReLUs | units that are 0 for *every* example; weights are not 0 | bias 0, or new weights (He) |
# | 5. no shuffling | saw teeth; the last classes win | a new order each epoch |
# | 6. softmax twice | the loss cannot fall below 1.46 | scores into the loss |
# | 7. test data in training | the test is as good as the training, too good | split first; look for copies |
#
# A lower rate keeps a network from 1 and 4; it does not bring back one that has them already.
# %%
sick = {name: network() for name in ("rate too high", "all zero", "unscaled input", "dead ReLUs", "no shuffling")}
sick["softmax twice"] = network([Softmax()])
curves["rate too high"] = train(sick["rate too high"], learning_rate=30)
for array in sick["all zero"].named_parameters().values():
    array[...] = 0
curves["all zero"] = train(sick["all zero"])
curves["unscaled input"] = train(sick["unscaled input"], x=train_x * 255)
sick["dead ReLUs"][0].b[...] = -20  # as one step that was far too long may leave it
curves["dead ReLUs"] = train(sick["dead ReLUs"])
curves["no shuffling"] = train(sick["no shuffling"], shuffle=False)
curves["softmax twice"] = train(sick["softmax twice"])

off, names = (
    {},
    ("no shuffling", "rate too high", "healthy", "all zero", "softmax twice", "unscaled input", "dead ReLUs"),
)
ward = dict(zip("ABCDEFG", names, strict=True))
for letter, name in ward.items():
    model, curve = sick.get(name, healthy), curves[name]
    off[name] = (model[1].forward(model[0].forward(test_x)) <= 0).all(axis=0).mean()
    size = np.sqrt((model[0].W ** 2).mean())
    signs = f"units always off {off[name]:4.0%}, hidden weights of size {size:.2g}"
    print(f"{letter}: loss {curve[0]:10.2f} -> {curve[-1]:5.2f}; {signs}")
check("1: with a rate of 30 the loss rises above twice log 10", curves["rate too high"].max() > 2 * np.log(10))
check("2: from zero, the hidden weights are still zero after ten epochs", not sick["all zero"][0].W.any())
criterion = SoftmaxCrossEntropy()
check(
    "3: with pixels of 0 to 255 the loss starts above 10",
    criterion.forward(network().forward(train_x * 255), train_y) > 10,
)
check(
    "4: with a bias of -20 all units are off, and the loss stays above 2.2",
    off["dead ReLUs"] == 1 and curves["dead ReLUs"][-1] > 2.2,
)
check(
    "5: without shuffling it gets at least 15 points fewer right", right(sick["no shuffling"]) < right(healthy) - 0.15
)
check("6: with softmax twice no loss is below log(1 + 9/e) = 1.461", curves["softmax twice"].min() > 1.461)
# %%
figure = canvas.new(7.6, 3.9, "One of these seven is healthy. Which, and what have the others?")
for i, (letter, name) in enumerate(ward.items()):
    panel = canvas.panel(figure, 0.6 + 1.78 * (i % 4), 2.2 - 1.75 * (i // 4), 1.3, 1.15)
    panel.semilogy(np.linspace(0, 10, len(curves[name])), np.clip(curves[name], 0, 90), color=BLUE)
    panel.axhline(np.log(10), color=ORANGE, linestyle="--", linewidth=1, zorder=0)
    panel.set(ylim=(0.03, 100), xticks=(0, 5, 10), xlabel="epoch" if i > 2 else "", ylabel="" if i % 4 else "loss")
    panel.text(10, 50, letter, ha="right", va="center", weight="bold")
ends = ", ".join(f"{letter} {curves[name][-1]:.2f}" for letter, name in ward.items())
show(figure, f"Loss over ten epochs; dashed: log 10 = 2.30; above 90 cut off. The last ten steps: {ends}.")
# %% [markdown]
# <details><summary>Which is which?</summary>
#
# A: no shuffling (5), saw teeth. B: rate too high (1), it jumps and never comes down. C: healthy. D: all zero (2),
# flat from the first step, weights of size 0. E: softmax twice (6), slow, and above 1.46 for good. F: unscaled input
# (3), millions within ten steps, then flat. G: dead ReLUs (4), flat like D, but its weights are alive.
#
# </details>
#
# ### The cure
#
# Mend the cause in the patient itself, keep all other weights, and train it once more as the healthy one was.
# %%
for array in (sick["all zero"][0].W, sick["all zero"][2].W):
    array[...] = he(array.shape, 1)
sick["dead ReLUs"][0].b[...] = 0
sick["softmax twice"] = Sequential(*sick["softmax twice"].layers[:-1])
cured = {}
for name, model in sick.items():  # now with a rate of 0.5, scaled input and shuffling for all
    train(model)
    cured[name] = right(model)
print({name: f"{share:.0%}" for name, share in cured.items()})
check("four of the six are cured: more than 90 % right", sum(share > 0.9 for share in cured.values()) == 4)
late = max(cured["rate too high"], cured["unscaled input"])
check("after too high a rate or unscaled input it is too late: less than 50 % right", late < 0.5)
# %% [markdown]
# Two died of it. Their first steps were so long that every hidden unit ended up off, for every picture that we asked,
# and a unit that is off gets no gradient: no rate brings it back. Start those again, with new weights.
#
# Number 7 is the worst, because its curves are the most beautiful. Train on 200 pictures, into which half of the test
# pictures have slipped; the other half is what the world will bring:
# %%
leaked = network()
train(leaked, np.concatenate([train_x[:200], test_x[:180]]), np.concatenate([train_y[:200], test_y[:180]]), epochs=40)
claimed, true = right(leaked, test_x[:180], test_y[:180]), right(leaked, test_x[180:], test_y[180:])
print(f"claimed: {claimed:.1%}; on pictures that it has not seen: {true:.1%}")
check("7: the leaked test claims at least 3 points more than is true", claimed - true > 0.03)
# %% [markdown]
# ## Why zero is not enough: the experiment that surprises
#
# In softmax regression all weights may start at 0 (lesson 4). In a network with a hidden layer, 0 stays 0: $h = 0$,
# so $dW_2 = 0$; $W_2 = 0$, so $dh = 0$. Then start all hidden weights at 0.1 instead, and give every hidden unit the
# same row of random weights into the scores: gradients are not zero, the loss falls. And then?
# %%
equal = network()
equal[0].W[...] = 0.1
equal[2].W[...] = equal[2].W[:1]  # the same row for each hidden unit
curve = train(equal, epochs=3)
spread = abs(equal[0].W - equal[0].W[:, :1]).max()
print(f"loss {curve[0]:.2f} -> {curve[-1]:.2f}; the 32 units differ by {spread:.0e}; right: {right(equal):.1%}")
check("32 units that start equal still differ by less than 0.01", spread < 0.01)  # up to the rounding of float32
check("the 32 equal units get less than 60 % right", right(equal) < 0.6)
# %% [markdown]
# You paid for 32 units and have one. Equal units get equal gradients, take equal steps, and stay equal for ever: only
# chance can tell them apart. **Random weights are there to break the symmetry**, He initialisation (K. He and others)
# only chooses their size.
#
# ## The recipe
#
# 1. **Look at the data**: ten examples with their labels, the mean and size of the input.
# 2. **The loss at the start is $\log K$.** If not: scaling, initialisation, labels.
# 3. **Overfit 50 examples.** A network that cannot learn 50 examples by heart has a bug. It need not make sense: even
#    labels drawn from a hat will do.
# 4. **Then all examples**, with the rate of the finder (lesson 6); look at both curves.
# 5. **Change one thing at a time**, and write down what you expect before you look.
# %%
x50, hat = train_x[:50], np.random.default_rng(7).integers(10, size=50)
memory = network()
begin = SoftmaxCrossEntropy().forward(memory.forward(x50), hat)
train(memory, x50, hat, learning_rate=0.3, epochs=500)
print(f"loss at the start {begin:.2f}; right on 50 labels from a hat: {right(memory, x50, hat):.0%}")
check("step 2: the loss starts within 0.5 of log 10", abs(begin - np.log(10)) < 0.5)
check("step 3: 50 labels from a hat are learned by heart", right(memory, x50, hat) == 1)
# %% [markdown]
# Step 3 has a second lesson: 100 % on the training examples proves nothing about the world. Here there *was* nothing to
# learn.
#
# ## What can go wrong
#
# - **Two illnesses at once.** Cure one, and the curve does not change. Go back to the smallest healthy case.
# - **Judging by one number at the end.** The curve of the first hundred steps says more.
# - **A loss that is printed as the mean of the epoch so far** hides jumps.
# - **Copies**: the same picture twice, once in training and once in the test. Splitting by chance then leaks.
# - **minnet's Trainer refuses** some of these for you (softmax twice, a loss that is not finite). Our own loop above
#   does not, and your next tool may not.
#
# ## Check yourself
#
# **1.** A layer has 450 inputs and is followed by ReLU. What is the standard deviation of He initialisation?
#
# <details><summary>Answer</summary>
#
# $\sqrt{2/450} = 0.067$.
#
# </details>
#
# **2.** Inputs of mean square 4, 50 of them, weights of size 0.3. The size of the sums?
#
# <details><summary>Answer</summary>
#
# $\sqrt{50 \cdot 0.09 \cdot 4} = 4.24$.
#
# </details>
#
# **3.** Three classes; the loss starts at 1.10 and stays there. Two suspects, and how do you tell them apart?
#
# <details><summary>Answer</summary>
#
# Zero weights or dead units (or a rate near 0, but then $dW$ of the hidden layer is not 0). Activations and $dW$ are
# 0 in both, so look at the hidden weights themselves: 0, or not.
#
# </details>
#
# **4.** With softmax twice and two classes, what is the lowest loss?
#
# <details><summary>Answer</summary>
#
# $\log(1 + 1/e) = 0.313$: the scores are at most $(1, 0)$.
#
# </details>
#
# **5.** Training accuracy 99.8 %, test accuracy 99.7 %, on a task where people reach 95 %. Your first act?
#
# <details><summary>Answer</summary>
#
# Look for test examples in the training data: compare them, exactly and nearly.
#
# </details>
#
# ## Exercises
#
# This lesson has none to hand in. In pairs: one gives the healthy network an illness, of the seven or a new one, and
# shows the curve and nothing else; the other names it, says which number would prove it, and cures it.
