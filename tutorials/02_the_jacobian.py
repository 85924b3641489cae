# %% [markdown]
# # 2. The Jacobian: how each score moves each probability
#
# You build: all derivatives of softmax, and the product that a network needs of them. You need: lesson 1.
# Minutes: 40.
#
# A network says automobile 70 %, truck 20 %, dog 10 %, and the picture shows a dog. Training will push the dog's
# score up a little. By how much does its probability rise, and who pays for it? The probabilities always sum to 1, so
# somebody has to. Learning by small steps is nothing but this question, asked a million times.
#
# ## By hand
#
# The answer is short, and we derive it below:
#
# $$\frac{\partial s_i}{\partial z_j} = s_i\,(\delta_{ij} - s_j)$$
#
# ($s$ for the softmax of the scores $z$; $\delta_{ij}$ is 1 where $i = j$ and 0 elsewhere, lesson 0.) Put in
# $s = (0.7, 0.2, 0.1)$. Row $i$ is who moves, column $j$ is whose score was pushed:
#
# | | automobile's score | truck's score | dog's score |
# |---|---|---|---|
# | automobile | $0.7 \cdot 0.3 = 0.21$ | $-0.7 \cdot 0.2 = -0.14$ | $-0.7 \cdot 0.1 = -0.07$ |
# | truck | $-0.2 \cdot 0.7 = -0.14$ | $0.2 \cdot 0.8 = 0.16$ | $-0.2 \cdot 0.1 = -0.02$ |
# | dog | $-0.1 \cdot 0.7 = -0.07$ | $-0.1 \cdot 0.2 = -0.02$ | $0.1 \cdot 0.9 = 0.09$ |
#
# Read the last column: push the dog's score up by 0.01, and its probability rises by 0.0009. Automobile pays 0.0007
# of it and truck 0.0002: each in proportion to what it has. A table of all partial derivatives like this is called
# a **Jacobian**. Now the same, one step a line:
# %%
import numpy as np
from lesson import check, panels, show

from minnet.functional import softmax

z = np.log(np.array([0.7, 0.2, 0.1]))  # (3,): scores whose softmax is exactly that
s = softmax(z)  # (3,)

K = len(s)
J = np.zeros((K, K))  # J[i, j] = ds_i / dz_j
for i in range(K):
    for j in range(K):
        delta = 1.0 if i == j else 0.0
        J[i, j] = s[i] * (delta - s[j])
print(J.round(2))
pushed = softmax(z + np.array([0, 0, 0.01])) - s
print("push the dog's score by 0.01:", pushed.round(5))
check("the last column is -0.07, -0.02 and 0.09", np.allclose(J[:, 2], [-0.07, -0.02, 0.09]))
away = abs(pushed - 0.01 * J[:, 2]).max()
check("a push of 0.01 moves the probabilities by 0.01 times that column, to 1e-5", away < 1e-5)


# %% [markdown]
# ## The derivation
#
# Write $s_i = e^{z_i}/S$ with $S = \sum_j e^{z_j}$. Pushing $z_j$ always changes $S$: $\partial S/\partial z_j =
# e^{z_j}$. It changes the numerator only if $j = i$: $\partial e^{z_i}/\partial z_j = \delta_{ij}\,e^{z_i}$. The rule
# for quotients, $(u/v)' = (u'v - uv')/v^2$, gives
#
# $$\frac{\partial s_i}{\partial z_j} = \frac{\delta_{ij}\, e^{z_i}\, S - e^{z_i} e^{z_j}}{S^2}
# = \frac{e^{z_i}}{S}\left(\delta_{ij} - \frac{e^{z_j}}{S}\right) = s_i\,(\delta_{ij} - s_j)$$
#
# The delta has put two cases into one line: $s_i(1 - s_i)$ on the diagonal and $-s_i s_j$ off it. As a matrix, with
# $\mathrm{diag}(s)$ for $s$ on the diagonal of a table of zeros, and $s s^\top$ for the table of all products $s_i s_j$
# (a column times a row; $^\top$, *transposed*, turns one into the other):
#
# $$J = \mathrm{diag}(s) - s s^\top$$
#
# In code without loops. `s[..., :, None]` gives $s$ a new last axis of length 1, so that it stretches along $j$;
# `...` stands for any axes before, so the function takes one row or a whole batch.
# %%
def jacobian(s):
    delta = np.eye(s.shape[-1])  # (K, K)
    return s[..., :, None] * (delta - s[..., None, :])  # (..., K, 1) * (..., K, K) -> (..., K, K)


check("without loops it is the same", np.array_equal(jacobian(s), J))


# %% [markdown]
# ## The check
#
# A derivation is a claim. Measure: move each score a little forward and back (lesson 0), and look at all
# probabilities. Column $j$ of the Jacobian is what pushing score $j$ does.
# %%
def measured(f, z, h=1e-5):
    columns = []
    for j in range(len(z)):
        e = np.zeros(len(z))
        e[j] = h
        columns.append((f(z + e) - f(z - e)) / (2 * h))  # (K,): what pushing z_j does
    return np.stack(columns, axis=1)  # (K, K)


rng = np.random.default_rng(1)
worst = 0.0
for _ in range(100):
    wild = rng.standard_normal(5) * rng.uniform(0.1, 3)  # (5,)
    worst = max(worst, abs(measured(softmax, wild) - jacobian(softmax(wild))).max())
print(f"largest difference in 100 random cases: {worst:.0e}")
check("derived and measured agree to 9 decimals in 100 random cases", worst < 1e-9)
# %% [markdown]
# ## What the table knows
#
# **Every row and every column sums to 0.** Down a column: the probabilities sum to 1 before and after, so what one
# gains the others lose. Along a row: pushing *all* scores alike changes nothing; that is shift invariance. So $J$ sends
# the direction $(1, 1, \ldots, 1)$ to zero, and cannot be inverted. It is **singular**. No other direction is sent to
# zero: $Jv = 0$ says $s_i\,(v_i - \sum_j s_j v_j) = 0$ for every $i$, and no $s_i$ is 0, so all $v_i$ equal the same
# average. One direction of $K$ is lost, so $K - 1$ of the rows say something new (the *rank* is $K - 1$); the last is
# minus the sum of the others. From the probabilities you can find the scores only up to a constant.
#
# **It is symmetric**: pushing the dog's score moves truck as much as pushing truck's score moves the dog.
# %%
print("sums of rows:", J.sum(axis=1).round(15) + 0.0)
print("rank:", np.linalg.matrix_rank(J), "of", K)
check("all rows and columns sum to 0", np.allclose(J.sum(axis=0), 0) and np.allclose(J.sum(axis=1), 0))
check("the rank is 2, one less than the 3 classes", np.linalg.matrix_rank(J) == 2)
# %%
from minnet.canvas import BLUE, ORANGE, legible

figure, axes = panels(3, height=3.0, title="The less certain, the more there is to move")
for panel, T in zip(axes, (10.0, 1.0, 0.25), strict=True):
    table = jacobian(softmax(z / T))
    picture = panel.imshow(table, cmap="PuOr", vmin=-0.25, vmax=0.25)
    for i, j in np.ndindex(table.shape):
        color = legible(picture.cmap(picture.norm(table[i, j])))
        panel.text(j, i, f"{table[i, j].round(2) + 0.0:.2f}", ha="center", va="center", color=color)
    panel.set(xlabel="score / T pushed", ylabel="probability moved", title=f"s = {softmax(z / T).round(3).tolist()}")
    panel.set(xticks=range(3), yticks=range(3))
    panel.title.set_fontsize(8)
show(
    figure,
    "The table diag(s) - s s^T of the s that z has at the temperatures T = 10, 1 and 0.25: the slopes with respect to "
    "z / T (to z itself they are 1/T of these, question 4). Its largest entry falls from "
    f"{jacobian(softmax(z / 10)).max():.2f} to 0.21 and {jacobian(softmax(z / 0.25)).max():.3f}: near certainty, "
    "pushing scores moves almost nothing.",
)


# %% [markdown]
# ## The product that a network needs
#
# A network never wants $J$ itself. It has a loss $L$, knows how $L$ reacts to the probabilities,
# $dy_i = \partial L/\partial s_i$, and wants to know how $L$ reacts to the scores, $dz_j = \partial L/\partial z_j$. (A
# `d` before a name always means that: `dz` for the scores `z`; and `dy` for whatever a step has as its output, here
# $s$.) The chain rule adds over all ways:
#
# $$\frac{\partial L}{\partial z_j} = \sum_i dy_i\, s_i(\delta_{ij} - s_j)
# = s_j\,dy_j - s_j \sum_i dy_i s_i = s_j\Bigl(dy_j - \sum_i dy_i s_i\Bigr)$$
#
# One sum, shared by all $j$. In words: each class compares its own $dy_j$ with the average of all under $s$. With
# $dy = (1, 0, 0)$, by hand: the average is 0.7, so $dz = (0.7 \cdot 0.3, -0.2 \cdot 0.7, -0.1 \cdot 0.7)$, the first
# row of $J$. For 10,000 classes $J$ has $10^8$ entries, 800 MB in float64; the short form needs 80 kB and
# about 20,000 multiplications.
# %%
def softmax_backward(dy, s):
    average = (dy * s).sum(axis=-1, keepdims=True)  # (..., 1)
    return s * (dy - average)  # (..., K)


dy = rng.standard_normal((4, K))  # (4, 3): a batch of four
batch = softmax(rng.standard_normal((4, K)))  # (4, 3)
long_way = np.einsum("ni,nij->nj", dy, jacobian(batch))  # (4, 3): multiply, and sum over i, which is missing at the end
check("the short product is the whole Jacobian's, to 1e-15", abs(softmax_backward(dy, batch) - long_way).max() < 1e-15)
# %% [markdown]
# ## The same in minnet
#
# `minnet.functional.softmax_jacobian` is the table. `minnet.layers.Softmax` is a *layer*, a step of a network: its
# `forward` takes scores to probabilities, and its `backward` takes $dy$ to $dz$, by our product. `gradcheck` measures
# for you what we measured above.
# %%
from minnet import functional
from minnet.gradcheck import gradcheck
from minnet.layers import Softmax

scores = rng.standard_normal((4, K))  # (4, 3)
layer = Softmax()
layer.forward(scores)
check("our table is minnet's", np.allclose(jacobian(s), functional.softmax_jacobian(s), rtol=1e-13))
dx = layer.backward(dy)
ours = softmax_backward(dy, softmax(scores))
check("our product is what minnet's layer sends back", np.allclose(dx, ours, rtol=1e-13))
print(f"gradcheck: largest error {gradcheck(layer, scores)['x'].error:.0e}")
# %% [markdown]
# ## An experiment that surprises
#
# Let the announced $s$ be a die with three faces, and throw it 200,000 times. Write each throw as a row with a 1 at
# the face that came up. How do the three columns vary together? The *covariance* of two columns is the mean of their
# product minus the product of their means: above 0 where they are high together. The table of all covariances, which
# knows nothing of derivatives, is the Jacobian:
# %%
throws = np.eye(K)[rng.choice(K, size=200_000, p=s)]  # (200000, 3)
covariance = np.cov(throws, rowvar=False)  # (3, 3)
print(covariance.round(3))
check("the covariance of 200,000 throws is J to within 0.005", abs(covariance - J).max() < 0.005)
# %% [markdown]
# It is no accident. Let $o$ be the row of a throw and $E$ the mean over very many: $E[o_i] = s_i$, and $o_i o_j$
# is 1 only if $i = j$ and this face came up, so the covariance is $E[o_i o_j] - E[o_i]E[o_j] = \delta_{ij}s_i - s_i
# s_j$, the same expression. And where nothing varies nothing moves: a network that is certain has $J = 0$. That has a
# consequence.
#
# ## Saturation
#
# Suppose the network is sure of the wrong class: the scores $(10, 0)$, and the truth is the second. Measure its error
# in the way one learns first, $L = \sum_k (s_k - t_k)^2$, and step against the gradient:
# $dz = J\,dy$ ($J$ is symmetric) with $dy = 2(s - t)$. Compare with a network that is only a little wrong, $(1, 0)$.
# %%
t = np.array([0.0, 1.0])  # the truth
curves = {}
for gap in (1.0, 10.0):
    z2 = np.array([gap, 0.0])
    curves[gap] = []
    for _ in range(200):
        s2 = softmax(z2)
        curves[gap].append(s2[1])
        z2 = z2 - 0.5 * softmax_backward(2 * (s2 - t), s2)  # a step of 0.5 against the gradient
    print(f"start {gap:4.0f} points wrong: probability of the truth after 200 steps {s2[1]:.5f}")
check("1 point wrong: after 200 steps the truth has more than 95 %", curves[1.0][-1] > 0.95)
check("10 points wrong: after 200 steps the truth has less than 0.01 %", curves[10.0][-1] < 1e-4)
# %%
figure, (path, reach) = panels(2, title="The more wrong, the slower it learns (with squared error)")
path.plot(curves[1.0], color=BLUE, label="starts 1 point wrong")
path.plot(curves[10.0], "--", color=ORANGE, label="starts 10 points wrong")
path.set(xlabel="step", ylabel="probability of the truth")
path.legend(frameon=False, loc="center right")
gaps = np.linspace(-12, 12, 200)
certain = softmax(np.stack([gaps, 0 * gaps], axis=1))  # (200, 2)
reach.plot(gaps, certain[:, 0] * (1 - certain[:, 0]), color=BLUE)
reach.set(xlabel="difference of the two scores", ylabel="slope s(1 - s)")
show(
    figure,
    f"After 200 steps the truth has {curves[1.0][-1]:.0%} where the start was 1 point wrong, and "
    f"{curves[10.0][-1]:.3%} where it was 10 points wrong. The slope s(1 - s) is 0.25 at most, and "
    f"{certain[0, 0] * (1 - certain[0, 0]):.0e} at 12 points.",
)
# %% [markdown]
# The network that is most wrong learns least: this is **saturation**. All that it would have to learn is multiplied
# by a $J$ close to zero. Smaller steps do not help, nor do better data. What helps is another loss: one whose $dy$
# grows exactly as fast as $J$ shrinks. That is lesson 3.
#
# ## What can go wrong
#
# - **Only the diagonal.** Taking $s(1-s)$, as if each probability hung on its own score only. The columns
#   then no longer sum to 0.
# - **A check with $dy = (1, 1, \ldots, 1)$.** Since $J$ sends it to zero, every multiple of $J$ passes, $-J$ too:
#   $0 = -0$. Check with random $dy$.
# - **The sum over the wrong axis** in `average`: it must run over the classes of one example.
# %%
ones = np.ones((4, K))
correct = softmax_backward(ones, batch)
wrong = -correct
check("with dy of ones a wrong sign goes unnoticed", np.allclose(wrong, correct))
# %% [markdown]
# ## Check yourself
#
# **1.** $s = (0.5, 0.3, 0.2)$. What is the first row of $J$?
#
# <details><summary>Answer</summary>
#
# $0.5 \cdot (0.5, -0.3, -0.2) = (0.25, -0.15, -0.10)$; it sums to 0.
#
# </details>
#
# **2.** $s = (0.25, 0.25, 0.5)$ and $dy = (4, 0, 2)$. What is $dz$?
#
# <details><summary>Answer</summary>
#
# The average is $1 + 0 + 1 = 2$. $dz = (0.25 \cdot 2,\; 0.25 \cdot (-2),\; 0.5 \cdot 0) = (0.5, -0.5, 0)$.
#
# </details>
#
# **3.** Which largest value can an entry off the diagonal have, in size, and where?
#
# <details><summary>Answer</summary>
#
# $s_i s_j$ with $s_i + s_j \le 1$ is largest at $s_i = s_j = \tfrac12$: 0.25.
#
# </details>
#
# **4.** What is the Jacobian of softmax at temperature $T$?
#
# <details><summary>Answer</summary>
#
# By the chain rule $J/T$, with $s$ at this temperature. Cold: large factor, but an $s$ closer to certainty.
#
# </details>
#
# **5.** Somebody's `backward` returns $dz$ that sum to 0.3 in a row. Can it be right?
#
# <details><summary>Answer</summary>
#
# No. $\sum_j dz_j = \sum_i dy_i \sum_j J_{ij} = 0$ for every $dy$. Probably the average is missing.
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e02_softmax_backward.py`: the product without the table, for a batch $(N, K)$.
# Check it with `python -m tutorials.exercises check 2`.
