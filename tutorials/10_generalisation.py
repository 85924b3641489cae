# %% [markdown]
# # 10. Making it generalise
#
# You build: batch normalisation with its backward pass, dropout, weight decay, augmentation and a residual connection,
# and you read a measurement of what each of them is worth. You need: lessons 5, 6 and 7. Minutes: 45.
#
# A network learns 100 digits by heart: all right in training, every tenth wrong on new ones. That gap is
# **overfitting**. There is a shelf full of remedies, and advice on all of them. Which help, by how much, and how
# would you know?
#
# ## By hand: batch normalisation
#
# **Batch normalisation** brings each channel to mean 0 and variance 1 over the $N$ values that it has in the batch (of
# images, one for each example and place), then scales by $\gamma$ and shifts by $\beta$, which are learned. One
# channel, four examples, $x = (1, 3, 5, 7)$: mean 4, variance $(9 + 1 + 1 + 9)/4 = 5$, so $\hat x = (-3, -1, 1,
# 3)/\sqrt5 = (-1.34, -0.45, 0.45, 1.34)$.
#
# In use there is no batch. So training keeps a **running mean**: after each batch, a tenth of the new mean is mixed
# in, running mean $\leftarrow 0.9 \cdot$ running mean $+\,0.1 \cdot$ mean; and likewise a running variance (times
# $N/(N - 1)$, since a batch's own variance is a little too small on average). In use these stand in. A network thus
# has two modes. (That tenth is often called `momentum`; it has nothing to do with lesson 6.)
#
# **The way back.** Each $x_m$ reaches each output: directly, through the mean and through $\sigma =
# \sqrt{\mathrm{var} + \epsilon}$. With $\hat x_n = (x_n - \mathrm{mean})/\sigma$, the pieces are
# $\partial\,\mathrm{mean}/\partial x_m = 1/N$; $\partial\,\mathrm{var}/\partial x_m = 2(x_m - \mathrm{mean})/N$ (what
# goes through the mean cancels, for the deviations sum to 0), hence $\partial\sigma/\partial x_m = (x_m -
# \mathrm{mean})/(N\sigma) = \hat x_m/N$. The rule for quotients puts them together, $\partial\hat x_n/\partial x_m =
# \big((\delta_{nm} - \frac1N)\,\sigma - (x_n - \mathrm{mean})\,\hat x_m/N\big)/\sigma^2$, and with $d_n =
# \gamma\,dy_n$, the gradient at $\hat x_n$, the chain rule sums over $n$:
#
# $$\frac{\partial \hat x_n}{\partial x_m} = \frac1\sigma\Big(\delta_{nm} - \frac1N - \frac{\hat x_n \hat x_m}N\Big),
# \qquad dx_m = \sum_n d_n \frac{\partial \hat x_n}{\partial x_m} = \frac{1}{\sigma}\Big(d_m - \overline{d} - \hat x_m\,
# \overline{d\,\hat x}\Big)$$
#
# (A bar is a mean over the batch.) And $\gamma$ meets every $\hat x_n$, $\beta$ every output as it is: $d\gamma =
# \sum_n dy_n\,\hat x_n$, $d\beta = \sum_n dy_n$. The formula for $dx$ makes sense: a shift of all $x$ changes no
# output, so the mean of $d$ falls out, and a stretch of all $x$ none either (if $\epsilon = 0$), so the part along
# $\hat x$ does. The same done over the features of one example, instead of over the batch, is *layer normalisation*
# (exercise 17): it needs no second mode.
# %%
import json

import numpy as np
from lesson import ROOT, check, panels, show, tiles


def batch_norm(x, gamma, beta, eps=1e-5):
    sigma = np.sqrt(x.var(axis=0) + eps)  # (C,)
    xhat = (x - x.mean(axis=0)) / sigma  # (N, C)
    return gamma * xhat + beta, xhat, sigma


def batch_norm_backward(dy, xhat, sigma, gamma):
    d = gamma * dy  # (N, C)
    dx = (d - d.mean(axis=0) - xhat * (d * xhat).mean(axis=0)) / sigma  # (N, C)
    return dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)  # dx, dgamma, dbeta


by_hand = batch_norm(np.array([[1.0], [3.0], [5.0], [7.0]]), 1.0, 0.0, eps=0)[0][:, 0]
print("normalised:", by_hand.round(2))
check("1, 3, 5, 7 become -1.34, -0.45, 0.45, 1.34", np.allclose(by_hand, [-1.3416, -0.4472, 0.4472, 1.3416], atol=1e-4))

rng = np.random.default_rng(0)
x, dy = rng.standard_normal((6, 3)) * 4 + 2, rng.standard_normal((6, 3))
gamma, beta = rng.standard_normal(3), rng.standard_normal(3)
y, xhat, sigma = batch_norm(x, gamma, beta)
dx, dgamma, dbeta = batch_norm_backward(dy, xhat, sigma, gamma)
measured = np.zeros_like(x)
for index in np.ndindex(x.shape):
    step = np.zeros_like(x)
    step[index] = 1e-5
    measured[index] = ((batch_norm(x + step, gamma, beta)[0] - batch_norm(x - step, gamma, beta)[0]) * dy).sum() / 2e-5
check("measured and derived dx agree to 8 decimals", abs(measured - dx).max() < 1e-8)
check("each column of dx sums to 0: a shift of the batch changes nothing", np.allclose(dx.sum(axis=0), 0))

from minnet.layers import BatchNorm, Dropout, Linear, Residual, Sequential

layer = BatchNorm(3).astype(np.float64)
layer.gamma[...], layer.beta[...] = gamma, beta
same_y, same_dx = np.allclose(layer.train().forward(x), y), np.allclose(layer.backward(dy), dx)
check("our batch normalisation is minnet's, forward and back", same_y and same_dx and np.allclose(layer.dgamma, dgamma))
# %% [markdown]
# ## Dropout, and weight decay
#
# **Dropout** sets each number to 0 with probability $p$ and divides the others by $1 - p$. By hand, $x = 6$, $p =
# \frac13$: 0 in one case of three, 9 in two: the mean is 6, so nothing needs to change when it is switched off in
# use. No unit can rely on another one being there (Srivastava and others, JMLR 15, 2014).
#
# **Weight decay** adds $\frac\lambda2 \sum W^2$ to the loss, thus $\lambda W$ to the gradient ($\lambda$ is no
# curvature here): $W \leftarrow (1 - \eta\lambda) W - \eta\,dW$. A weight for which no example speaks fades away. By
# hand, $\eta = 0.1$, $\lambda = 0.5$: times 0.95 a step; $0.95^{14} = 0.49$, halved in 14 steps.
#
# With plain SGD, adding $\lambda W$ to the gradient and shrinking $W$ are the same. With Adam they are not: $\lambda W$
# in the gradient would be divided by $\sqrt s$ like everything else (lesson 6), so that weights with large gradients
# would fade less. *AdamW* therefore leaves the gradient alone and shrinks $W$ itself, by $\eta\lambda W$ (Loshchilov
# and Hutter, arXiv 1711.05101).
# %%
p, x = 1 / 3, np.full((200, 500), 6.0)  # (N, D)
dropped = x * (np.random.default_rng(1).random(x.shape, np.float32) >= p) / (1 - p)  # float32, as minnet draws
print(f"after dropout: values {np.unique(dropped)}, mean {dropped.mean():.2f}")
check("dropout keeps the mean of 100,000 numbers to 1 %", abs(dropped.mean() / 6 - 1) < 0.01)
theirs = Dropout(p, rng=1).train().forward(x)
check("with the same random numbers, our dropout is minnet's", np.allclose(theirs, dropped))
check("in evaluation mode dropout does nothing", np.array_equal(Dropout(p).eval().forward(x), x))

from minnet.optimizers import SGD

W = rng.standard_normal((4, 2))
linear = Linear(4, 2).astype(np.float64)
linear.W[...], linear.dW, linear.db = W, np.zeros((4, 2)), np.zeros(2)  # no example speaks
optimizer = SGD(linear, 0.1, weight_decay=0.5)
for _ in range(14):
    optimizer.step()
    W = (1 - 0.1 * 0.5) * W
check(
    "14 steps of weight decay by hand and in minnet leave 49 %",
    np.allclose(linear.W, W) and abs(0.95**14 - 0.49) < 0.005,
)
# %% [markdown]
# ## A way around: residual connections
#
# Twenty layers, each of which leaves 0.29 of the size of what passes through, leave $0.29^{20} = 2 \cdot 10^{-11}$,
# both forwards and on the way back (lesson 9). A **residual connection** adds the input to what the layer makes of
# it, $y = x + f(x)$. So $dx$ is $dy$ plus what $f$ sends back for $dy$: one copy of $dy$ arrives as it was.
# %%
sizes = {}
for kind in ("stacked", "residual"):
    layers = []
    for seed in range(20):
        body = Linear(32, 32, rng=seed)
        body.W *= 0.5  # Linear's start, PyTorch's too (lesson 9), passes on 1/sqrt(3) = 0.58 of the size, this 0.29
        layers.append(Residual(body) if kind == "residual" else body)
    model = Sequential(*layers).astype(np.float64)
    model.forward(rng.standard_normal((64, 32)))
    gradients = [rng.standard_normal((64, 32))]
    for layer in reversed(model.layers):
        gradients.append(layer.backward(gradients[-1]))
    sizes[kind] = np.array([np.linalg.norm(gradient) for gradient in gradients])
    print(f"{kind}: {sizes[kind][-1] / sizes[kind][0]:.0e} of the gradient arrives at the first layer")
check("stacked, less than a millionth of the gradient arrives", sizes["stacked"][-1] < 1e-6 * sizes["stacked"][0])
check("with residual connections, at least all of it arrives", sizes["residual"][-1] > sizes["residual"][0])
from minnet.canvas import BLUE, ORANGE

figure, (axis,) = panels(1, height=2.5, title="With a way around, the gradient arrives")
for kind, style in (("residual", {"color": BLUE}), ("stacked", {"color": ORANGE, "linestyle": "--"})):
    axis.semilogy(sizes[kind] / sizes[kind][0], **style, label=kind)
axis.set(xlabel="layers walked back", ylabel="gradient, start = 1", xticks=range(0, 21, 5))
axis.legend(frameon=False)
arrived = {kind: size[-1] / size[0] for kind, size in sizes.items()}
show(
    figure,
    f"After twenty layers the gradient has {arrived['stacked']:.0e} of its size when they are stacked, and "
    f"{arrived['residual']:.1f} times its size with residual connections.",
)
# %% [markdown]
# ## Augmentation
#
# More examples would help most. **Augmentation** makes them: change pictures in ways that leave the class alone.
# Which ways those are, no formula says: *you* know. A cat in a mirror is a cat. A 2 in a mirror is nothing.
# %%
from minnet import data
from minnet.data import Augment

digits = data.load("digits", validation=0)
two = digits.train.x[digits.train.y == 2][:1]  # (1, 8, 8, 1)
shift, mirror = Augment(flip=False, shift=1, padding="zeros"), Augment(flip=True, shift=0)
shifted = shift(np.repeat(two, 500, axis=0), np.random.default_rng(0))  # (500, 8, 8, 1)
different = np.unique(shifted, axis=0)  # (kinds, 8, 8, 1)
kinds = len(different)
print(f"one picture, shifted by up to a pixel: {kinds} different ones")
check("shifts by a pixel make nine pictures of one", kinds == 9)
figure, axes = tiles(5, 5, label=0.2, title="Four of these are a two, and one no longer is")
mirrored = mirror(np.repeat(two, 9, axis=0), np.random.default_rng(0))
flipped = mirrored[[not np.array_equal(m, two[0]) for m in mirrored]][0]
moved = [picture for picture in different if not np.array_equal(picture, two[0])]  # eight
names = ("as written", "shifted", "shifted", "shifted", "mirrored")
for axis, picture, name in zip(axes, (two[0], *moved[::3], flipped), names, strict=True):
    axis.imshow(picture[..., 0], cmap="Greys")
    axis.set_xlabel(name)
show(figure, f"A two as written, three of its {kinds - 1} shifts by up to a pixel each way, and its mirror image.")
# %% [markdown]
# ## What each is worth: a measurement
#
# `python -m tutorials.experiments.generalisation` trains a small convolutional network on 100 digits, with each switch
# alone, five seeds each, and tests on 1,597 other digits. (The one-cycle schedule rises for the first 30 % of the run,
# then falls like lesson 6's half cosine wave.) A seed decides the 100 digits, the start and the order; for one seed all
# variants get the same 100. So differences are taken seed by seed, and the bars are 95 % intervals over the seeds: mean
# $\pm\,2.78$ standard deviations$\,/\sqrt5$, where many seeds would have 1.96 (lesson 13). 2.78 is *Student's factor*
# for five: a deviation that is itself estimated from so few may well be too small. We read the saved results.
# %%
saved = json.loads((ROOT / "tutorials" / "results" / "generalisation.json").read_text(encoding="utf-8"))
rows = saved["variants"]
print(saved["command"], f"({saved['seconds']:.0f} seconds)")
for name, row in rows.items():
    train = np.mean([run["train_accuracy"] for run in row["runs"]])
    print(
        f"{name:<24} test {row['test_accuracy']:.1%}, against plain {100 * row['difference']:+.1f} "
        f"± {100 * row['difference_interval']:.1f} points, train {train:.0%}"
    )
better = [name for name, row in rows.items() if row["difference"] > row["difference_interval"]]
worse = [name for name, row in rows.items() if -row["difference"] > row["difference_interval"]]
unknown = [name for name in rows if name not in (*better, *worse, "plain")]
print("better:", ", ".join(better), "| worse:", ", ".join(worse), "| not known:", ", ".join(unknown))
check("mirror images make it worse: the whole interval lies below 0", "mirror images" in worse)
check("together, all but mirrors make it better: the whole interval lies above 0", "all but mirror images" in better)
check("twice the images make it better: the whole interval lies above 0", "twice the images" in better)
check("of at least four switches, five seeds cannot say whether they help", len(unknown) >= 4)
accuracy = {name: np.array([run["test_accuracy"] for run in row["runs"]]) for name, row in rows.items()}  # (5,) each
alone = sum(accuracy[name] - accuracy["plain"] for name in list(rows)[1:8])  # (5,): the seven that are put together
more = 100 * (accuracy["all but mirror images"] - accuracy["plain"] - alone)  # (5,): in points
half = 2.78 * more.std(ddof=1) / np.sqrt(5)
print(f"the seven one by one: {100 * alone.mean():+.1f} points; together {more.mean():+.1f} ± {half:.1f} more")
check("five seeds cannot say whether the seven bring more together than one by one", abs(more.mean()) < half)
names = list(rows)[1:]
figure, (axis,) = panels(1, height=3.8, title="What each switch is worth, on 100 digits")
for place, name in enumerate(reversed(names)):
    row = rows[name]
    colour = BLUE if name in better else ORANGE if name in worse else "grey"
    axis.errorbar(
        100 * row["difference"], place, xerr=100 * row["difference_interval"], fmt="o", color=colour, capsize=3
    )
    axis.text(-0.02, place, name, ha="right", va="center", fontsize=8.5, transform=axis.get_yaxis_transform())
box = axis.get_position()
axis.set_position([box.x0 + 0.12, box.y0, box.width - 0.12, box.height])
axis.axvline(0, color="black", linewidth=0.8)
axis.set(xlabel="test accuracy against plain, in points", yticks=[])
gain = {name: f"{100 * row['difference']:+.1f}" for name, row in rows.items()}
show(
    figure,
    f"Differences to plain ({rows['plain']['test_accuracy']:.1%}) with 95 % intervals over five seeds: twice "
    f"the images {gain['twice the images']} points, all together {gain['all but mirror images']}, mirror images "
    f"{gain['mirror images']}. Grey: not known.",
)
# %% [markdown]
# ## The surprise
#
# Most of the shelf, one by one, shows nothing. Not "does not work": with five seeds the intervals hold 0, and a point
# of accuracy more or less would hide in them. But *together* they are worth four points, as much as twice the data, and
# that whole interval is far from 0. Do they need each other, say because batch normalisation steadies the steps that
# dropout and shifts make restless? One by one they add up to 1.5 points, so together they bring 2.6 more; but the
# interval of that is 2.6 ± 4.6, so this, too, five seeds cannot say. Small gains that nobody sees may just add up. And
# read single intervals with care: each misses its truth once in twenty, so of ten independent ones at least one does in
# four tables out of ten ($1 - 0.95^{10} = 0.40$; ours share the plain runs, so this is rough).
#
# Augmentation, the remedy with the best reputation for photographs, does not shine here, and mirrors do harm. The
# digits stand in the middle of their pictures, in training as in the test: whoever trains on shifted ones solves a
# harder problem than is asked. What makes a remedy good is not in the remedy but in the match with the task. On
# CIFAR-10, with another network and 45,000 photographs, the order may be another one: measure there.
#
# ## Now you: one pair, live
#
# The same code, for one seed and fewer passes: plain, and with all but mirrors. One seed proves nothing; it shows
# that it runs.
# %%
from tutorials.experiments.generalisation import run

live = {name: run(name, seed=0, epochs=30) for name in ("plain", "all but mirror images")}
for name, found in live.items():
    print(f"{name}: train {found['train_accuracy']:.0%}, test {found['test_accuracy']:.1%}")
check(
    "plain is right on at least 98 of its 100 training digits and on less than 95 % of the others",
    live["plain"]["train_accuracy"] >= 0.98 and live["plain"]["test_accuracy"] < 0.95,
)
# %% [markdown]
# ## What can go wrong
#
# - **`eval()` forgotten** before testing: dropout goes on dropping, batch normalisation looks at the test batch, and
#   the answer to one picture depends on its neighbours.
# - **A batch of one row** has variance 0: all outputs of a batch normalisation would be $\beta$. minnet refuses it.
# - **Weight decay on $\gamma$, $\beta$ and biases** pulls them to 0 for no reason; minnet leaves arrays of one axis
#   alone.
# - **A switch that needs another rate.** "It does not help" often means: it was tried with the settings of something
#   else.
# - **Augmenting the test images**, or splitting after augmenting: copies of a picture on both sides.
#
# ## Check yourself
#
# **1.** Batch normalisation of $(2, 2, 8, 8)$, $\epsilon = 0$, $\gamma = 2$, $\beta = 1$?
#
# <details><summary>Answer</summary>
#
# Mean 5, deviation 3: $\hat x = (-1, -1, 1, 1)$, $y = (-1, -1, 3, 3)$.
#
# </details>
#
# **2.** There, $dy = (1, 1, 1, 1)$. What is $dx$?
#
# <details><summary>Answer</summary>
#
# 0: raising all outputs alike is $\beta$'s business; no change of $x$ can do it.
#
# </details>
#
# **3.** Dropout with $p = 0.2$ on $x = 4$. Which values, and which variance?
#
# <details><summary>Answer</summary>
#
# 0 or 5; mean 4, variance $0.2 \cdot 16 + 0.8 \cdot 1 = 4$.
#
# </details>
#
# **4.** $\eta = 0.01$, $\lambda = 0.1$: in how many steps is an unused weight halved?
#
# <details><summary>Answer</summary>
#
# $\log 2 / 0.001 \approx 693$.
#
# </details>
#
# **5.** Five seeds give differences of $+1, +3, -1, +2, 0$ points: mean 1, standard deviation 1.58 (from $N - 1 = 4$,
# as in the table). Does it help?
#
# <details><summary>Answer</summary>
#
# $1 \pm 2.78 \cdot 1.58/\sqrt5 = 1 \pm 2.0$: not known.
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e08_batch_norm.py`, `e09_dropout.py` and `e17_layer_norm.py`; and if you left out the weight
# decay of `e18_momentum.py`, now is the time. Check them with `python -m tutorials.exercises check 8`, and so on.
# Further, with everything you know: `e29_improve_digits.py` and `e30_improve_few.py`, a better network on a budget.
