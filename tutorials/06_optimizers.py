# %% [markdown]
# # 6. Optimizers
#
# You build: SGD, momentum, RMSProp and Adam, a learning-rate finder and a schedule. You need: lessons 4 and 5.
# Minutes: 40.
#
# Backpropagation says which way is down. It does not say how far to go. Too small a step, and training takes for ever;
# too large, and it explodes; and between the two, one number for a million weights is a crude tool. What do the
# famous remedies do, in which situations do they help, and which number should you put in?
#
# ## By hand: a ravine
#
# Near a bottom where it curves at all, a smooth loss is nearly a bowl, and most bowls are ravines: steep one way,
# nearly flat the other. The smallest one has two weights:
#
# $$L(w) = \tfrac12 w_0^2 + \tfrac12 \cdot 100\, w_1^2, \qquad g = \frac{\partial L}{\partial w} = (w_0,\; 100\, w_1)$$
#
# 1 and 100 are the **curvatures** $\lambda$: how fast the slope changes. One step of gradient descent makes
# $w_i \leftarrow w_i - \eta \lambda_i w_i = (1 - \eta \lambda_i)\, w_i$: each step multiplies by the same factor.
#
# | $\eta$ | factor along $w_0$ | factor along $w_1$ | |
# |---|---|---|---|
# | 0.001 | 0.999 | 0.9 | 700 steps to halve $w_0$ |
# | 0.01 | 0.99 | 0 | the steep weight is done in one step |
# | 0.018 | 0.982 | $-0.8$ | zigzag, but it shrinks |
# | 0.02 | 0.98 | $-1$ | hops for ever |
# | 0.021 | 0.979 | $-1.1$ | explodes |
#
# So the steepest direction sets the limit, $\eta < 2/\lambda_{\max}$, and the flattest pays for it. Their ratio, here
# 100, is the **condition number**; gradient descent needs a number of steps in proportion to it: with
# $\eta = 1/\lambda_{\max}$ the flat weight keeps $1 - 1/100$ a step, and falls to a third in about 100.
#
# ## Four rules
#
# In training, the gradient comes from a mini-batch drawn at random, which makes it **stochastic gradient descent**,
# **SGD**. The three others keep a memory for each weight.
#
# **Momentum** remembers the gradients in a velocity $v$: $v \leftarrow 0.9\,v + g$, step $\eta v$. If $g$ is always 1,
# then $v = 1,\ 1.9,\ 2.71, \dots \to 1/(1 - 0.9) = 10$: ten times as fast. If $g$ alternates, $+1, -1, +1, \dots$, then
# $v = 1, -0.1, 0.91, \dots \to \pm 1/1.9 = \pm 0.53$ (in the end each $v$ is minus the last one, $v = -0.9\,v + g$):
# the zigzag is damped.
#
# **RMSProp** remembers sizes: $s \leftarrow 0.9\,s + 0.1\,g^2$, step $\eta\, g / (\sqrt s + \epsilon)$. Every weight
# gets a step of about $\eta$, whether its gradients are large or small (the first is $\sqrt{10}$ times as long, for $s$
# starts at 0). The tiny $\epsilon$, here $10^{-8}$, only
# keeps $0/0$ away where a gradient has always been 0.
#
# **Adam** remembers both, $m \leftarrow \beta_1 m + (1 - \beta_1)\,g$ and $s \leftarrow \beta_2 s + (1 -
# \beta_2)\,g^2$, with $\beta_1 = 0.9$ and $\beta_2 = 0.999$. Both start at 0, so they are too small at first: after
# two steps $m = 0.09\,g_1 + 0.1\,g_2$, whose factors add up to $0.19 = 1 - 0.9^2$, after $t$ steps to $1 -
# \beta_1^t$, and those of $s$ to $1 - \beta_2^t$. Dividing by that is the **bias correction**. By hand, first step:
# $m = 0.1 g$, $s = 0.001 g^2$, corrected $g$ and $g^2$, so the step is $\eta\, g/|g| = \pm \eta$. A gradient of 1000
# and one of 0.001 move their weights equally far.
#
# Momentum's $v$ is a fading *sum*: its factors $1, 0.9, 0.81, \dots$ add up to 10, so where the gradient keeps its
# direction, a tenth of the rate makes steps as long. (Where it alternates, as across the ravine, $v$ is $g/1.9$, so the
# limit is 1.9 times as high: $\eta < 3.8/\lambda_{\max}$.) Adam's $m$ is a *mean*: its factors add up to 1, so its rate
# stays as it is.
# %%
import numpy as np
from lesson import check, panels, show


def sgd(g, memory, t):
    return g


def momentum(g, memory, t):
    memory["v"] = 0.9 * memory.get("v", 0) + g
    return memory["v"]


def rmsprop(g, memory, t):
    memory["s"] = 0.9 * memory.get("s", 0) + 0.1 * g**2
    return g / (np.sqrt(memory["s"]) + 1e-8)


def adam(g, memory, t):
    memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    memory["s"] = 0.999 * memory.get("s", 0) + 0.001 * g**2
    m, s = memory["m"] / (1 - 0.9**t), memory["s"] / (1 - 0.999**t)
    return m / (np.sqrt(s) + 1e-8)


def descend(rule, learning_rate, H, start, steps=400):
    w, memory = np.array(start), {}
    path = [w]
    for t in range(1, steps + 1):
        g = H @ w  # (2, 2) @ (2,) -> (2,): the gradient of half the sum of w_i H_ij w_j, the bowl L
        w = w - learning_rate * rule(g, memory, t)
        path.append(w)
    path = np.array(path)  # (steps + 1, 2)
    return path, 0.5 * (path @ H * path).sum(axis=1)  # and its losses, (steps + 1,)


ravine, start = np.diag([1.0, 100.0]), [-4.0, 1.0]  # H of the ravine above: the curvatures on the diagonal
# The rates: near the best of each in this ravine; Adam's could be any from 0.1 to 1, as we shall see.
RULES = {"SGD": (sgd, 0.018), "momentum": (momentum, 0.01), "RMSProp": (rmsprop, 0.1), "Adam": (adam, 0.2)}
runs = {name: descend(rule, rate, ravine, start) for name, (rule, rate) in RULES.items()}
needed = {name: int((losses >= 0.01).sum()) for name, (_, losses) in runs.items()}
check("each step of SGD multiplies w by 0.982 and -0.8", np.allclose(runs["SGD"][0][50], [-4 * 0.982**50, 0.8**50]))
check("the first step of Adam is the learning rate for both weights", np.allclose(runs["Adam"][0][1], [-3.8, 0.8]))
check("momentum needs less than half as many steps as SGD", needed["momentum"] < needed["SGD"] / 2)
# %%
from minnet.canvas import BLUE, ORANGE

x, y = np.linspace(-4.6, 1.6, 80), np.linspace(-1.5, 1.5, 80)
heights = 0.5 * x[None, :] ** 2 + 50 * y[:, None] ** 2
figure, axes = panels(4, height=2.7, title="Forty steps in the same ravine: SGD gets least far")
for panel, (name, (path, _)) in zip(axes, runs.items(), strict=True):
    panel.contour(x, y, heights, [0.3, 2, 8, 25, 60], colors="#b5b5b5", linewidths=0.7)
    panel.plot(*path[:41].T, ".-", color=BLUE, linewidth=0.9, markersize=3)
    panel.plot(0, 0, "x", color=ORANGE)
    panel.set(xlabel="$w_0$", ylabel="$w_1$" if name == "SGD" else "", xlim=(-4.6, 1.6), ylim=(-1.5, 1.5))
    panel.text(1.5, 1.45, name, ha="right", va="top", backgroundcolor="white")
parts = ", ".join(f"{name} {losses[40]:.2g}" for name, (_, losses) in runs.items())
show(figure, f"From (-4, 1) to the cross. SGD hops across and creeps along. Loss after 40 steps: {parts}.")
# %% [markdown]
# ## The same in minnet
#
# An optimizer of minnet reads `dW` of each layer and writes into `W`. Here a layer with two weights, to which we hand
# the gradient of the ravine:
# %%
from minnet import optimizers, schedules
from minnet.layers import Linear, ReLU, Sequential

THEIRS = {
    "SGD": lambda model: optimizers.SGD(model, 0.018),
    "momentum": lambda model: optimizers.SGD(model, 0.01, momentum=0.9),
    "RMSProp": lambda model: optimizers.RMSProp(model, 0.1, alpha=0.9),  # alpha: the 0.9 of its rule
    "Adam": lambda model: optimizers.Adam(model, 0.2),
}
gaps = {}
for name, make in THEIRS.items():
    layer = Linear(2, 1, bias=False).astype(np.float64)
    layer.W[:, 0] = start
    optimizer = make(layer)
    for _ in range(40):
        layer.dW = ravine @ layer.W  # (2, 1)
        optimizer.step()
    gaps[name] = abs(layer.W[:, 0] - runs[name][0][40]).max()
check("our four rules are minnet's to 1e-6 after 40 steps", max(gaps.values()) < 1e-6)
# %% [markdown]
# ## An experiment that surprises: turn the ravine
#
# Turn the bowl by 45 degrees. It is the same bowl, and the same start in it; only the axes that we call $w_0$ and $w_1$
# have changed. Whom does it bother? At one rate we might compare rates, so momentum and Adam get 25 each.
# %%
R = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)  # turns by 45 degrees


def count(rule, rate, turn):  # the steps with a loss above 0.01, in the ravine turned by a matrix
    return int((descend(rule, rate, turn @ ravine @ turn.T, turn @ start)[1] >= 0.01).sum())


slower = {name: count(rule, rate, R) for name, (rule, rate) in RULES.items()}
print("steps of 400 with a loss above 0.01, turned:", slower, "straight:", needed)
same = [name for name in RULES if slower[name] == needed[name]]
check("to SGD and momentum, and to no other, the turn makes no difference", same == ["SGD", "momentum"])
tried = {"momentum": np.geomspace(0.001, 0.037, 25), "Adam": np.geomspace(0.1, 1, 25)}
straight = {name: np.array([count(RULES[name][0], rate, np.eye(2)) for rate in tried[name]]) for name in tried}
turned = {name: np.array([count(RULES[name][0], rate, R) for rate in tried[name]]) for name in tried}
few = turned["Adam"].min()
check("at 0.037, nearly twice SGD's limit, momentum still gets there", straight["momentum"][-1] < 200)
check("straight, Adam needs fewer than 80 steps at each of the rates", straight["Adam"].max() < 80)
check("turned, it needs more than four times as many at the worst rate as at the best", turned["Adam"].max() > 4 * few)
check("at its best rate, the turn costs Adam less than a fifth of its steps", few < 1.2 * straight["Adam"].min())
# %%
figure, axes = panels(2, height=2.7, title="Turned axes: momentum does not feel them, Adam loses good rates")
for panel, name in zip(axes, tried, strict=True):
    panel.semilogx(tried[name], straight[name], color=BLUE, linewidth=2.4, label=f"{name}, straight")
    panel.semilogx(tried[name], turned[name], "--", color=ORANGE, linewidth=1.2, label=f"{name}, turned")
    panel.set(xlabel="learning rate", ylabel="steps above a loss of 0.01", ylim=(0, 400))
    panel.legend(frameon=False, loc="upper right")
best = f"{straight['Adam'].min()} steps straight, {few} turned (at {tried['Adam'][turned['Adam'].argmin()]:.2f})"
show(figure, f"Momentum: one curve. Adam at 0.2: {needed['Adam']} and {slower['Adam']}. At its best rates: {best}.")
# %% [markdown]
# The derivation is short. Let $w = Ru$ with a rotation $R$, so $R R^\top = 1$, the unit matrix. Put $u = R^\top w$ into
# the bowl: its matrix in $w$ is $R H R^\top$. As $u_j$ acts on each $w_i$ with strength $R_{ij}$, the chain rule gives
# $g_u = R^\top g_w$, hence $g_w = R\,g_u$, and SGD's step in $w$ is $R$ times its step in $u$: everything turns along;
# so it does with momentum. But $\sqrt{\cdot}$ and division *number by number* do not commute with $R$: turned first or
# divided first, the result differs. So RMSProp and Adam no longer follow the same path. For Adam, most of the good
# rates are lost: straight, all from 0.1 to 1 are good, turned, only those of the right end of the figure. With one of
# these it is nearly as fast as before. Had we looked at 0.2 only, we should have called Adam slow in a turned ravine.
#
# RMSProp and Adam help when the flat and the steep directions are single weights: rare words, layers of very different
# scale. They help less when the ravine runs across. In return, they do not care for the size of the loss: $g \to
# 1000\,g$ cancels. (RMSProp's count is high for another reason: its steps never get small, so it hovers about the
# bottom.)
#
# ## Which number? The learning-rate finder
#
# Now a network: 64, 32, 10, on the digits. The **learning-rate finder** (after Smith, arXiv 1506.01186, who raises the
# rate linearly and watches the accuracy) is one short run: start with a tiny rate, multiply it a little at each step,
# and watch the loss. It falls, bottoms out, explodes. Take about a third to a tenth of the rate where it is lowest.
# %%
from minnet import data
from minnet.losses import SoftmaxCrossEntropy

digits = data.load("digits")
pictures, labels = (digits.train.x.reshape(-1, 64) / 255).astype(np.float32), digits.train.y  # (1257, 64)


def train(make, rate_at, steps=120):
    model = Sequential(Linear(64, 32, rng=1), ReLU(), Linear(32, 10, rng=2))
    criterion, optimizer, losses, rng = SoftmaxCrossEntropy(), make(model), [], np.random.default_rng(0)
    for step in range(steps):
        rows = rng.integers(len(pictures), size=32)
        losses.append(criterion.forward(model.forward(pictures[rows]), labels[rows]))
        if not losses[-1] < 10:
            break
        model.backward(criterion.backward())
        optimizer.step(rate_at(step))  # the rate of this step; None: the one that it was made with
    return np.array(losses)


rates = np.geomspace(1e-3, 100, 150)
losses = train(lambda model: optimizers.SGD(model, 1.0), lambda step: rates[step], 150)
smooth = np.convolve(losses, np.ones(7) / 7, "valid")  # the mean of 7 steps
lowest = rates[int(smooth.argmin()) + 3]
after = train(lambda model: optimizers.SGD(model, lowest / 5), lambda _: None)[-20:].mean()
check("at a fifth of that rate the loss falls below 1 nat in 120 steps", after < 1)
# %%
figure, (axes,) = panels(1, height=2.6, title="One short run shows the range of useful rates")
axes.semilogx(rates[3 : len(smooth) + 3], smooth, color=BLUE)
axes.axvline(lowest / 5, color=ORANGE, linestyle="--")
axes.set(xlabel="learning rate (grows with every step)", ylabel="loss, mean of 7 steps", ylim=(0, 4))
show(figure, f"Lowest near a rate of {lowest:.2g}; dashed, a fifth of it, where 120 steps end at {after:.2f}.")
# %% [markdown]
# ## Does the optimizer matter more, or the rate?
#
# The same network, the four optimizers of above, nine rates each, 120 steps:
# %%
grid, table = np.geomspace(1e-4, 3, 9), {}
for name, make in THEIRS.items():
    for rate in grid:
        seen = train(make, lambda _, rate=rate: rate)
        table[name, rate] = min(seen[-20:].mean(), 3.0) if len(seen) == 120 else 3.0  # exploded: drawn at the top
best = {name: min(table[name, rate] for rate in grid) for name in THEIRS}
apart = np.ptp(list(best.values()))
check("between the best and the worst optimizer, well tuned, there are less than 0.5 nats", apart < 0.5)
wrong = min(table["SGD", grid[0]], table["Adam", grid[-1]])
check("at a wrong rate, SGD and Adam stay 1 nat above their best", wrong > max(best.values()) + 1)
# %%
figure, (axes,) = panels(1, height=2.9, title="Four valleys of nearly the same depth, at different rates")
for name, style in zip(THEIRS, ("o-", "s--", "^:", "D-."), strict=True):
    color = BLUE if name in ("SGD", "momentum") else ORANGE
    axes.semilogx(grid, [table[name, rate] for rate in grid], style, color=color, label=name, markersize=4)
axes.set(xlabel="learning rate", ylabel="loss after 120 steps (nats)", ylim=(0, 3.1))
axes.legend(frameon=False, fontsize=8, loc="lower left")
parts = ", ".join(f"{name} {loss:.2f}" for name, loss in best.items())
show(figure, f"Loss at the best rate of each: {parts}. Runs that exploded are drawn at 3.")
# %% [markdown]
# So: **an optimizer with a tuned rate beats a better one without.** The rate of one says nothing
# about another's: here Adam is best near 0.06 and lost at 0.8, where SGD is best. (In longer runs of larger networks,
# Adam usually gets 0.0001 to 0.001.) Whoever compares two optimizers at one rate compares rates. And the finder's fifth
# was cautious: SGD is best near the finder's lowest point itself; but one rate further, at 3, it learns nothing.
#
# ## Schedules
#
# Near the bottom the true gradient is small, and what is left is the noise of the mini-batch: SGD hovers. In a bowl,
# the mini-batch's gradient is $\lambda w$ plus a noise $\xi$ of mean 0 and mean square $\sigma^2$, so a step makes $w
# \leftarrow (1 - \eta\lambda)\,w - \eta\xi$. Below $\eta = 2/\lambda$ the start fades, and what is left of $w$ has mean
# 0, like $\xi$, and is independent of the next $\xi$. Mean squares of such numbers add (lesson 9), so in balance the
# mean square of a weight is $V = (1 - \eta\lambda)^2 V + \eta^2\sigma^2$. Since $1 - (1 - \eta\lambda)^2 =
# \eta\lambda(2 - \eta\lambda)$, that is $V = \eta\sigma^2/(\lambda(2 - \eta\lambda))$, and the loss $\frac12 \lambda V$
# has a floor of $\eta \sigma^2 / (4 - 2\eta\lambda)$: about in proportion to the rate. (Each weight has its own; in the
# ravine, two are added.) A small rate from the start would be slow. So start large and end small: a **schedule**. The
# half cosine wave, $\eta_t = \eta\,(1 + \cos \pi t/T)/2$, is a good default.
# %%
steps = np.arange(1200)
cosine = (1 + np.cos(np.pi * steps / 1200)) / 2
check("our half cosine wave is minnet's", np.allclose(cosine, [schedules.Cosine()(step / 1200) for step in steps]))
noise = np.random.default_rng(0).standard_normal((1200, 50, 2)) * 3  # 50 runs at once
curves = {}
for name, factor in (("constant", np.ones(1200)), ("cosine", cosine)):
    w, curve = np.tile(start, (50, 1)), []  # (50, 2)
    for step in steps:
        w = w - 0.01 * factor[step] * (w @ ravine + noise[step])
        curve.append((0.5 * w**2 @ np.array([1, 100])).mean())
    curves[name] = np.array(curve)
floor = 0.01 * 9 / (4 - 0.02) + 0.01 * 9 / (4 - 2)
ratio = curves["constant"][-600:].mean() / floor
check("the constant rate hovers at the calculated floor, to 25 %", abs(ratio - 1) < 0.25)
check("the cosine ends below a quarter of the floor", curves["cosine"][-1] < floor / 4)
# %%
figure, (axes,) = panels(1, height=2.6, title="With a falling rate the noise dies away")
axes.semilogy(curves["cosine"], color=BLUE, linewidth=1)
axes.semilogy(curves["constant"], color=ORANGE, linewidth=1)
axes.text(900, 0.12, "constant rate")
axes.text(900, 0.019, "falling rate")
axes.set(xlabel="step", ylabel="loss, mean of 50 runs")
show(figure, f"A constant rate stays at a loss near {floor:.3f}; the cosine ends at {curves['cosine'][-1]:.4f}.")
# %% [markdown]
# ## What can go wrong
#
# - **Momentum switched on, rate unchanged.** 0.9 makes steps up to ten times as long. Try a tenth of the rate first.
# - **A rate copied from elsewhere.** It belongs to an optimizer, a batch size and a network.
# - **A loss that is `nan` after a few steps**: the rate is probably too high (for plain SGD: beyond
#   $2/\lambda_{\max}$). Divide it by ten and look again.
# - **State lost when a run resumes.** Adam without its $m$, $s$ and $t$ makes a jump. minnet's checkpoints hold them.
# - **A schedule for 10 epochs, stopped after 5**: half the fall is missing. Plan the length, then run it.
# - **The loss summed instead of averaged**: SGD explodes, Adam hides it.
#
# ## Check yourself
#
# **1.** $L = 8 w^2$. Above which rate does gradient descent explode?
#
# <details><summary>Answer</summary>
#
# The curvature is 16, so above $2/16 = 0.125$ (at exactly that it hops for ever).
#
# </details>
#
# **2.** Momentum 0.8, gradient always 3, $v = 0$ at first. The first three $v$, and where do they go?
#
# <details><summary>Answer</summary>
#
# 3, 5.4, 7.32, towards $3/(1 - 0.8) = 15$.
#
# </details>
#
# **3.** Adam, rate 0.01, first gradients $(500, -0.02, 0)$. The first step?
#
# <details><summary>Answer</summary>
#
# $(-0.01, +0.01, 0)$ is added to the weights.
#
# </details>
#
# **4.** Without bias correction, how long would Adam's first step be, at the same rate?
#
# <details><summary>Answer</summary>
#
# $0.1 g / \sqrt{0.001 g^2} = 3.16$ times the rate: too long, not too short, since $s$ is the slower of the two.
#
# </details>
#
# **5.** A colleague: "Adam beat SGD, both at rate 0.01." What do you ask?
#
# <details><summary>Answer</summary>
#
# What each does at its own best rate, over several seeds.
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e18_momentum.py` and `e10_adam.py`. The first also asks for *weight decay*, a term added to the
# gradient that makes weights fade: its formula stands there, its purpose in lesson 10. Check them with `python -m
# tutorials.exercises check 18`, and `check 10`. Further: `e26_predict_descent.py`, descent on a parabola on paper and
# then measured, and `e23_bug_training.py`, a training loop with a bug to find.
