# %% [markdown]
# # 3. Cross-entropy, and the error p - y
#
# You build: the loss that nearly every classifier is trained with, and its gradient, in two ways. You need: lessons
# 1 and 2. Minutes: 45.
#
# Two networks look at a hundred photographs. Both are right on the same eighty. The first announces 70 % for its
# winners, the second 51 %. Which is better, and by how much? And on the twenty where they fail: is it the same to
# fail with 51 % as with 99 %? We need one number that says how wrong a set of announced probabilities is, and that
# small steps can lower.
#
# ## By hand: surprise
#
# You announced probability $p$ for what then happened. Your surprise (in books: **surprisal**) is $-\log p$: nothing if
# you were certain ($-\log 1 = 0$), a little at 70 %, a lot at 1 %.
#
# | announced for the truth | 1 | 0.7 | 0.5 | 0.1 | 0.01 | 0.000001 |
# |---|---|---|---|---|---|---|
# | surprise (nats) | 0 | 0.36 | 0.69 | 2.30 | 4.61 | 13.82 |
#
# Why the logarithm? Announce two independent things: together they have the probability $p q$, and the surprises
# should add. $-\log(pq) = -\log p - \log q$ does it, and up to the unit nothing else that is smooth does.
#
# If several things may happen, with true probabilities $t_k$, and $p_k$ was announced, the *expected* surprise is the
# **cross-entropy**:
#
# $$H(t, p) = -\sum_k t_k \log p_k$$
#
# By hand, with $t = (\tfrac12, \tfrac14, \tfrac18, \tfrac18)$, announced as $p = (\tfrac14, \tfrac14, \tfrac14,
# \tfrac14)$; count in units of $\log 2$: each outcome costs $-\log \tfrac14$, which is 2, so the mean is 2. Had we
# announced the truth, it would have been $\tfrac12 \cdot 1 + \tfrac14 \cdot 2 + \tfrac18 \cdot 3 + \tfrac18 \cdot 3 =
# 1.75$, the entropy of $t$. The difference, 0.25, is what the wrong announcement costs: the **Kullback–Leibler
# divergence**,
#
# $$D(t \,\|\, p) = H(t, p) - H(t) = \sum_k t_k \log \frac{t_k}{p_k} \ge 0$$
# %%
import numpy as np
from lesson import check, panels, show

from minnet.functional import log_softmax, softmax, softmax_jacobian

t = np.array([0.5, 0.25, 0.125, 0.125])
p = np.array([0.25, 0.25, 0.25, 0.25])
cross_entropy = -(t * np.log(p)).sum()
entropy = -(t * np.log(t)).sum()
divergence = (t * np.log(t / p)).sum()
print(f"in units of log 2: {cross_entropy / np.log(2):.2f} = {entropy / np.log(2):.2f} + {divergence / np.log(2):.2f}")
three = np.array([cross_entropy, entropy, divergence]) / np.log(2)
check("in units of log 2 the three are 2, 1.75 and 0.25", np.allclose(three, [2, 1.75, 0.25]))

rng = np.random.default_rng(0)
others = softmax(rng.standard_normal((10_000, 4)) * 2)  # (10000, 4): other announcements
costs = -(t * np.log(others)).sum(axis=1)  # (10000,)
check("none of 10,000 other announcements costs less than the truth", (costs > entropy).all())
# %% [markdown]
# So cross-entropy cannot be cheated: on average nothing beats announcing what you believe. That it is the lowest at
# $p = t$ follows from $\log u \le u - 1$ (the curve of the logarithm lies below its tangent at 1), summed over the
# classes with $t_k > 0$ (the others add nothing to $D$):
#
# $$-D = \sum_k t_k \log \frac{p_k}{t_k} \le \sum_k t_k \Big(\frac{p_k}{t_k} - 1\Big)
# = \sum_k p_k - \sum_k t_k \le 1 - 1 = 0$$
#
# A photograph of a dog is a dog for certain: $t = (0, 0, 1)$, called **one-hot**. Then only one term remains, the
# surprise at the label, $-\log p_{\text{label}}$. The loss of a batch is the mean of the surprises of its examples:
#
# $$L = \frac1N \sum_n l_n, \qquad l_n = -\sum_k t_{nk} \log p_{nk}$$
#
# So to the opening question: 70 % for the right class costs 0.36 nats, 51 % costs 0.67. Where the announced class is
# wrong, at most 30 and 49 % are left for the truth, so it costs at least $-\log 0.3 = 1.20$ and $-\log 0.49 = 0.71$,
# and exactly that if there are two classes. The means over 80 right and 20 wrong pictures are then 0.53 and 0.68: the
# first is better. But failing with 99 % costs at least $-\log 0.01 = 4.61$.
#
# ## The gradient, the long way
#
# We have two pieces and chain them (lesson 0). The first, how the loss reacts to the probabilities:
# $\partial l/\partial p_k = -t_k/p_k$. The second is lesson 2. Take $p = (0.7, 0.2, 0.1)$, truth: dog.
# %%
z = np.log(np.array([[0.7, 0.2, 0.1]]))  # (1, 3): N = 1, K = 3
t = np.array([[0.0, 0.0, 1.0]])  # (1, 3): a dog
p = softmax(z)  # (1, 3)
dp = -t / p  # (1, 3)
dz = np.einsum("ni,nij->nj", dp, softmax_jacobian(p))  # (1, 3): the sum over i of dp_i times J_ij
print("dp:", dp[0].round(2) + 0.0)
print("dz:", dz[0].round(2))
check("the long way ends at (0.7, 0.2, -0.9)", np.allclose(dz, [[0.7, 0.2, -0.9]]))


# %% [markdown]
# Look at the result, $(0.7, 0.2, -0.9)$, next to $p = (0.7, 0.2, 0.1)$. It is $p - t$: probability minus truth, as
# simple as an error can be. (In many books the truth is called $y$, hence "$p - y$". Here `y` in code are the labels,
# whole numbers, and $t$ their rows.) The $-1/0.1 = -10$ of the first piece has disappeared: it met an $s_i = 0.1$ in
# the Jacobian. On paper:
#
# $$\frac{\partial l}{\partial z_j} = \sum_i \left(-\frac{t_i}{p_i}\right) p_i (\delta_{ij} - p_j)
# = -t_j + p_j \sum_i t_i = p_j - t_j$$
#
# ## And in one line
#
# With the log-sum-exp of lesson 1, $\mathrm{lse}(z) = \log \sum_j e^{z_j}$, it is shorter still, and needs no
# Jacobian. Since $\log p_k = z_k - \mathrm{lse}(z)$ and $\sum_k t_k = 1$,
#
# $$l = -\sum_k t_k z_k + \log \sum_j e^{z_j}, \qquad
# \frac{\partial l}{\partial z_j} = -t_j + \frac{e^{z_j}}{\sum_i e^{z_i}} = p_j - t_j$$
#
# The loss of a batch has the factor $1/N$, so its gradient has it too. That is all there is to it: the $1/N$ that
# people wonder about in backward passes is the mean in the loss, written once, in the loss.
# %%
def loss_and_gradient(z, t):
    N = len(z)
    log_p = log_softmax(z)  # (N, K)
    loss = -(t * log_p).sum(axis=1).mean()  # one number
    dz = (np.exp(log_p) - t) / N  # (N, K)
    return loss, dz


z = rng.standard_normal((6, 4)) * 3  # (6, 4)
t = softmax(rng.standard_normal((6, 4)))  # (6, 4): any distributions, not only one-hot ones
loss, dz = loss_and_gradient(z, t)
measured = np.zeros_like(z)
for n, k in np.ndindex(z.shape):
    e = np.zeros_like(z)
    e[n, k] = 1e-5
    measured[n, k] = (loss_and_gradient(z + e, t)[0] - loss_and_gradient(z - e, t)[0]) / 2e-5
print(f"largest difference: {abs(measured - dz).max():.0e}")
check("measured and derived gradient of the batch agree to 9 decimals", abs(measured - dz).max() < 1e-9)
check("each row of the gradient sums to 0", np.allclose(dz.sum(axis=1), 0))
# %% [markdown]
# ## The first number to look at
#
# A network that knows nothing gives all classes the same score. Then $p_k = 1/K$, and its loss is $\log K$, whatever
# the labels: 2.303 for ten classes. If training starts far above that, the scores are too large at the start; if
# below, there are fewer classes than you think, or the network has been trained already. It is the cheapest check there
# is.
#
# Labels come as integers. `np.eye(K)[labels]` turns them into rows of truth; `log_p[np.arange(N), labels]` picks the
# terms at the labels without building the rows.
# %%
labels = rng.integers(10, size=500)
start, _ = loss_and_gradient(np.zeros((500, 10)), np.eye(10)[labels])
wild, _ = loss_and_gradient(10 * rng.standard_normal((500, 10)), np.eye(10)[labels])
print(f"all scores equal: {start:.3f}; random scores of size 10: {wild:.1f}")
check("with equal scores the loss of ten classes is log 10 = 2.303", abs(start - 2.303) < 1e-3)
# %% [markdown]
# ## The same in minnet
#
# `SoftmaxCrossEntropy` takes scores and labels, and gives the loss and $dz$. The long way stands there too: a
# `Softmax` layer and the loss `CrossEntropy` on probabilities.
# %%
from minnet.layers import Softmax
from minnet.losses import CrossEntropy, SoftmaxCrossEntropy

y = rng.integers(4, size=6)  # (6,): labels
ours, ours_dz = loss_and_gradient(z, np.eye(4)[y])
fused = SoftmaxCrossEntropy()
check("our loss is minnet's", np.isclose(ours, fused.forward(z, y), rtol=1e-14))
check("our gradient is minnet's, 1/N included", np.allclose(ours_dz, fused.backward(), rtol=0, atol=1e-15))
softmax_layer, on_probabilities = Softmax(), CrossEntropy()
long_way = on_probabilities.forward(softmax_layer.forward(z), y)
long_dz = softmax_layer.backward(on_probabilities.backward())
check("the long way through a Softmax layer arrives at the same", np.allclose(long_dz, ours_dz, rtol=0, atol=1e-14))
# %% [markdown]
# On paper both ways are equal. In float32, with a score 200 points behind, they are not:
# %%
far, truth = np.array([[0.0, -200.0]], np.float32), np.array([1])
with np.errstate(invalid="ignore"):
    print("long way: loss", on_probabilities.forward(softmax_layer.forward(far), truth), end=", ")
    print("dz", softmax_layer.backward(on_probabilities.backward())[0])
one_step = fused.forward(far, truth)
print("one step: loss", one_step, "dz", fused.backward()[0])
check("in one step the loss is 200 where the long way has infinity", one_step == 200)


# %% [markdown]
# The probability has underflowed to 0 and its logarithm is gone; $dz$ is $0 \cdot \infty$. That is why minnet's loss
# takes scores, and why a network that is trained with it ends in scores, without a softmax layer: the softmax is in
# the loss.
#
# ## An experiment that surprises: the stuck network starts to move
#
# Lesson 2 ended with a network that was 10 points wrong and did not learn. Same start, same size of step, another
# loss. And beside it, what $dz$ is for each of the two:
# %%
def descend(dz_of, start, steps=100):
    z, seen = np.array(start), []
    for _ in range(steps):
        p = softmax(z)
        seen.append(p[1])
        z = z - 0.5 * dz_of(p)
    return np.array(seen)


t = np.array([0.0, 1.0])  # the truth is the second class
squared = descend(lambda p: softmax_jacobian(p) @ (2 * (p - t)), [10.0, 0.0])
crossed = descend(lambda p: p - t, [10.0, 0.0])
print(f"after 100 steps the truth has {squared[-1]:.5f} with squared error and {crossed[-1]:.3f} with cross-entropy")
check("with cross-entropy the truth has more than 95 % after 100 steps", crossed[-1] > 0.95)
check("with squared error it still has less than 0.01 %", squared[-1] < 1e-4)
# %%
from minnet.canvas import BLUE, ORANGE

figure, (path, push) = panels(2, title="Cross-entropy pushes hardest where the network is most wrong")
path.plot(crossed, color=BLUE, label="cross-entropy")
path.plot(squared, "--", color=ORANGE, label="squared error")
path.set(xlabel="step", ylabel="probability of the truth")
path.legend(frameon=False, loc="center right")
q = np.linspace(0.001, 0.999, 300)  # the probability of the truth
push.plot(q, 1 - q, color=BLUE)
push.plot(q, 4 * q * (1 - q) ** 2, "--", color=ORANGE)
push.set(xlabel="probability of the truth", ylabel="push on its score")
show(
    figure,
    f"From 10 points wrong: after 100 steps the truth has {crossed[-1]:.0%} with cross-entropy and "
    f"{squared[-1]:.3%} with squared error. At a probability of 0.001, the push on the score is 0.999 with the one and "
    "0.004 with the other.",
)
# %% [markdown]
# The push of cross-entropy is $t - p$: close to 1 when everything is wrong, close to 0 when all is well. Squared error
# still has the Jacobian in front and goes to sleep at both ends. For two classes, with $q$ for the truth's probability:
# $dy = 2(s - t)$ is $2(1 - q)$ for the wrong class and minus that for the truth, their average under $s$ is
# $2(1 - q)(1 - 2q)$, so the push on the truth's score is $q \cdot 2(1 - q)\,(1 + 1 - 2q) = 4q(1 - q)^2$.
#
# ## Label smoothing
#
# With one-hot truth the loss always asks for more: $p = t$ would need infinite scores. **Label smoothing** mixes in a
# little of the uniform distribution, $t' = (1 - \varepsilon)\,t + \varepsilon/K$. Now $p = t'$ is reached at finite
# scores. By hand, $K = 3$, $\varepsilon = 0.1$: $t' = (0.933, 0.033, 0.033)$, a ratio of 28, so the best
# difference of scores is $\log 28 = 3.33$.
# %%
hard = np.array([[1.0, 0.0, 0.0]])
smooth = 0.9 * hard + 0.1 / 3  # (1, 3)
gaps = {}
for name, target in (("hard", hard), ("smooth", smooth)):
    z = np.zeros((1, 3))
    for _ in range(20_000):
        z = z - loss_and_gradient(z, target)[1]
    gaps[name] = z[0, 0] - z[0, 1]
    print(f"{name}: after 20,000 steps the winner leads by {gaps[name]:.2f} points")
lead = gaps["smooth"]
check("with smoothing of 0.1 and three classes the lead settles at log 28 = 3.33", abs(lead - np.log(28)) < 1e-6)
check("with hard labels the lead is beyond 10 after 20,000 steps", gaps["hard"] > 10)
zs = np.array([[2.0, 0.0, 1.0]])
with_smoothing = SoftmaxCrossEntropy(label_smoothing=0.1).forward(zs, np.array([0]))
check("our smoothing is minnet's", np.isclose(with_smoothing, loss_and_gradient(zs, smooth)[0]))
# %% [markdown]
# ## What can go wrong
#
# - **`log(p + 1e-7)`** caps the surprise at 16 and bends the gradient. Use log-softmax.
# - **$1/N$ twice, or never.** Gradient off by exactly the batch size, 32 or 128: it is this.
# - **Mean over all $N \cdot K$ entries** instead of over examples: off by exactly $K$.
# - **Softmax in the network and in the loss**: the loss cannot fall below
#   $\log(1 + (K-1)/e) = 1.46$ for ten classes, and learning crawls.
# - **A loss of 0.05 on the training data**, and 3 on new data: the network is sure, and wrong. Look at the
#   single losses: one example at $10^{-6}$ costs as much as 39 at 70 %.
#
# ## Check yourself
#
# **1.** $p = (0.1, 0.6, 0.3)$, label 1 (counted from 0), alone in its batch. The loss, and $dz$?
#
# <details><summary>Answer</summary>
#
# $-\log 0.6 = 0.51$; $dz = (0.1, -0.4, 0.3)$.
#
# </details>
#
# **2.** The same example in a batch of 4. What changes?
#
# <details><summary>Answer</summary>
#
# Its part of the loss and its row of the gradient are divided by 4: $(0.025, -0.1, 0.075)$.
#
# </details>
#
# **3.** Training starts at a loss of 6.9. How many classes are there, if all is well?
#
# <details><summary>Answer</summary>
#
# $e^{6.9} \approx 1000$.
#
# </details>
#
# **4.** Two forecasts for five days on which it rained every time: always 60 %; and 99 % four times, 1 % once. Which
# has the lower loss, added up over the five days?
#
# <details><summary>Answer</summary>
#
# $5 \cdot 0.511 = 2.55$ against $4 \cdot 0.010 + 4.605 = 4.65$. The timid one, though the bold one is better on
# four of five days.
#
# </details>
#
# **5.** You measure a gradient, and it differs from the derived one by the factor 10, in every entry. Two suspects?
#
# <details><summary>Answer</summary>
#
# A batch of ten and a $1/N$ too many or too few; or ten classes and a mean over all entries.
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e03_cross_entropy.py`: loss and gradient, safe for scores of any size; and
# `e19_soft_targets.py`: one-hot rows and label smoothing. Check them with `python -m tutorials.exercises check 3`, and
# `check 19`.
