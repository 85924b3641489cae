# %% [markdown]
# # 1. Scores become probabilities
#
# You build: softmax, log-softmax and entropy, safe for any scores. You need: lesson 0. Minutes: 40.
#
# A network looks at a photograph and computes three scores: automobile 3, truck 1, dog 0. We want to read
# "automobile 73 %, truck 18 %, dog 9 %". Which rule turns any scores into percentages, and why is it that one that
# everybody uses?
#
# ## By hand
#
# What do we ask of the rule? Every result is positive, they sum to 1, and a higher score gives more. Here is a rule
# that you can do in your head: **double for each point of score**.
#
# | class | score $z$ | $2^z$ | share |
# |---|---|---|---|
# | automobile | 3 | 8 | 8/11 = 73 % |
# | truck | 1 | 2 | 2/11 = 18 % |
# | dog | 0 | 1 | 1/11 = 9 % |
#
# There they are. One point of score more than another class is twice its share; two points, four times. Negative scores
# do no harm: $2^{-1}$ is a half. With $e = 2.718\ldots$ in place of 2, because $e^z$ is its own derivative, the rule is
# called **softmax**, and the scores that go in are also called **logits**:
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# In code, one step on each line. A batch of $N$ examples has scores of shape $(N, K)$, one row for each example.
# %%
import numpy as np
from lesson import check, panels, show

z = np.array([[3.0, 1.0, 0.0]])  # (N, K): one example, three classes
powers = 2.0**z  # (1, 3)
doubling = powers / powers.sum(axis=1, keepdims=True)
print(doubling)
check("doubling for each point gives 8/11, 2/11 and 1/11", np.allclose(doubling, np.array([8, 2, 1]) / 11))


def softmax_naive(z):
    e = np.exp(z)  # (N, K), all positive
    total = e.sum(axis=1, keepdims=True)  # (N, 1): the sum of each row
    return e / total  # (N, K), rows sum to 1


p = softmax_naive(z)
print("automobile, truck, dog:", p.round(3))
# %% [markdown]
# With $e$ the differences grow: 84 %, 11 %, 4 %. So which is right, 73 or 84? Neither: the scores could have been
# made for one or the other. Keep that question; the temperature below is the answer.
#
# ## Why the exponential, and not simply $z_k / \sum_j z_j$?
#
# Try it on $(3, 1, 0)$: shares 3/4, 1/4, 0. Now let a network say the same with other numbers: it adds 100 to every
# score, which changes no difference between classes.
# %%
for scores in (z, z + 100, np.array([[3.0, 1.0, -4.0]]), np.array([[3.0, 1.0, -5.0]])):
    total = scores.sum()
    print(scores[0], "->", (scores[0] / total).round(2) if total else "division by zero")
share = 103 / (103 + 101 + 100)
check("plain shares change when 100 is added to all scores: 75 % falls below 35 %", share < 0.35)
check("softmax does not change, to 12 digits", abs(softmax_naive(z + 100) - p).max() < 1e-12)
# %%
from minnet.canvas import BLUE, ORANGE, PALE, QUIET

figure, (left, right) = panels(2, title="All scores 100 higher: plain shares forget who leads, softmax does not notice")
for axes, rule in ((left, lambda z: z / z.sum()), (right, softmax_naive)):
    axes.bar(np.arange(3) - 0.2, rule(z)[0], 0.38, color=BLUE, label="scores 3, 1, 0")
    axes.bar(np.arange(3) + 0.2, rule(z + 100)[0], 0.38, color=PALE, edgecolor=BLUE, label="scores 103, 101, 100")
    axes.set(ylim=(0, 1), xticks=range(3), xticklabels=["automobile", "truck", "dog"])
left.set(xlabel="plain shares", ylabel="share")
right.set(xlabel="softmax", ylabel="probability")
right.legend(frameon=False)
show(
    figure,
    f"Automobile's plain share falls from 75% to {share:.0%} when 100 is added to every score; its softmax stays at "
    f"{softmax_naive(z + 100)[0, 0]:.0%}.",
)
# %% [markdown]
# Dividing by the sum fails with negative scores, dies when they cancel, and depends on where zero is. Softmax
# depends on differences only. The derivation is one line, with any number $c$:
#
# $$\frac{e^{z_k + c}}{\sum_j e^{z_j + c}} = \frac{e^c\, e^{z_k}}{e^c \sum_j e^{z_j}} = \frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# This is its **shift invariance**. And nothing but exponentials does it: suppose $p_k$ is proportional to
# $f(z_k)$ with some positive $f$, and the ratio $f(a)/f(b)$ depends on $a - b$ only. The pair $(a - b, 0)$ has the same
# difference, so $f(a)/f(b) = f(a - b)/f(0)$. With $b = a - 1$: one point more always multiplies by the same
# number, $f(a)/f(a - 1) = f(1)/f(0)$; call it $B$. Then $f(2) = f(0)\,B^2$, $f(3) = f(0)\,B^3$, with half points
# $B^{1/2}$, and, if $f$ has no jumps, $f(z) = f(0)\,B^z$ throughout. Base 2, base $e$: only the base is free.
#
# ## Overflow, live
#
# Floating-point numbers end somewhere. Beyond that there is only `inf` (**overflow**), and `inf / inf` is
# `nan`, "not a number". How large may a score be?
# %%
with np.errstate(over="ignore"):  # we want to see it without the warning
    for kind, last in ((np.float16, 11), (np.float32, 88), (np.float64, 709)):
        print(f"{kind.__name__}: e^{last} = {np.exp(kind(last)):.3g}, e^{last + 1} = {np.exp(kind(last + 1)):.3g}")
    low, high = np.exp(np.float32([88, 89]))
    check("float32 overflows between a score of 88 and one of 89", low < high == np.inf)
with np.errstate(over="ignore", invalid="ignore"):
    broken = softmax_naive(np.array([[1000.0, 999.0]]))
print("naive softmax of (1000, 999):", broken[0])


# %% [markdown]
# A score of 89 is enough, and a network whose learning runs away has it soon. The cure is shift invariance: subtract
# the largest score $m$ of the row. Then the largest exponential is $e^0 = 1$, nothing overflows, and the sum is at
# least 1. Small ones may become 0 (**underflow**): those classes are then impossible as far as float64 can tell,
# whose smallest positive number is $5 \cdot 10^{-324}$.
#
# $$p_k = \frac{e^{z_k - m}}{\sum_j e^{z_j - m}}, \qquad m = \max_j z_j$$
# %%
def softmax(z):
    m = z.max(axis=1, keepdims=True)  # (N, 1): the largest score of each row
    e = np.exp(z - m)  # (N, K), the largest is 1
    return e / e.sum(axis=1, keepdims=True)  # (N, K)


print("ours of (1000, 999):", softmax(np.array([[1000.0, 999.0]]))[0].round(3))


# %% [markdown]
# ### An experiment that surprises
#
# A tempting short cut: take one maximum for the whole batch, `z.max()`. It is a constant, so shift invariance holds,
# and all tests with ordinary scores pass. Now two examples meet in one batch:
# %%
def softmax_one_maximum(z):
    e = np.exp(z - z.max())
    return e / e.sum(axis=1, keepdims=True)


pair = np.array([[1000.0, 999.0], [3.0, 1.0]])  # (2, 2)
ordinary = np.array([[2.0, 1.0], [3.0, 1.0]])
difference = abs(softmax_one_maximum(ordinary) - softmax(ordinary)).max()
check("on ordinary scores the short cut is exact to 15 digits", difference < 1e-15)
with np.errstate(invalid="ignore"):
    short = softmax_one_maximum(pair)
print(short)
check("beside a row of large scores, an ordinary row turns into nan", np.isnan(short[1]).all())
check("with the maximum of each row, both rows are right", np.allclose(softmax(pair).sum(axis=1), 1))


# %% [markdown]
# The second example did nothing wrong: its neighbour's 1000 pushed all its exponentials to $e^{-997}$ and less. They
# underflow to 0, and $0/0$ is `nan`. A network with this line works until one day, in one batch, it does not. Which is
# why we test with ordinary *and* with extreme neighbours.
#
# ## Logarithms of probabilities
#
# Lesson 3 needs $\log p_k$ (always the natural logarithm). Where $p_k$ has underflowed to 0, its logarithm is
# $-\infty$, although the score knew better. Take the logarithm on paper first:
#
# $$\log p_k = \log \frac{e^{z_k}}{\sum_j e^{z_j}} = z_k - \underbrace{\log \sum_j e^{z_j}}_{\text{log-sum-exp}},
# \qquad \log \sum_j e^{z_j} = m + \log \sum_j e^{z_j - m}$$
#
# The **log-sum-exp** is a smooth maximum: never below $m$, and at most $\log K$ above it, for the sum after the shift
# lies between 1 and $K$.
# %%
def log_softmax(z):
    m = z.max(axis=1, keepdims=True)
    shifted = z - m  # (N, K), at most 0
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


extreme = np.array([[10_000.0, -10_000.0, 0.0]])
with np.errstate(divide="ignore"):
    too_late = np.log(softmax(extreme))
logs = log_softmax(extreme)
print("log of softmax:", too_late[0])
print("log-softmax:   ", logs[0])
check("the logarithm of the second probability is -inf, if taken too late", too_late[0, 1] == -np.inf)
check("log-softmax knows that it is -20000", logs[0, 1] == -20_000)
# %% [markdown]
# ## The same in minnet
#
# `minnet.functional` has these functions, for any number of axes. Ours and theirs on a thousand rows, tame and wild.
# (`[:, None]` stands a thousand sizes of shape $(1000,)$ up as a column, $(1000, 1)$: one for each row.)
# %%
from minnet import functional

rng = np.random.default_rng(0)  # random numbers that follow from a seed, here 0: the same in every run
many = rng.standard_normal((1000, 10)) * np.logspace(-2, 4, 1000)[:, None]  # (1000, 10), up to tens of thousands
theirs = functional.softmax(many)
check("our softmax is minnet's on 1,000 rows of scores up to 22,000", np.allclose(softmax(many), theirs, atol=1e-15))
check("our log-softmax is minnet's", np.allclose(log_softmax(many), functional.log_softmax(many), rtol=1e-14))


# %% [markdown]
# ## Temperature
#
# Back to 73 or 84 per cent. Since $2^z = e^{z \log 2}$, base 2 is softmax with all scores multiplied by
# $\log 2 = 0.69$. One divides by a **temperature** $T$, as physics does:
#
# $$p_k(T) = \frac{e^{z_k / T}}{\sum_j e^{z_j / T}}$$
#
# Base 2 is $T = 1/\log 2 = 1.44$. A hot $T$ levels the differences, up to the **uniform distribution** $1/K$; a cold
# one enlarges them, down to certainty about the highest score, the **arg max**. The **entropy** of a
# distribution says how undecided it is (in **nats**, the unit that goes with the natural logarithm):
#
# $$H(p) = -\sum_k p_k \log p_k$$
#
# It is 0 for certainty and $\log K$ for the uniform distribution of $K$ classes. By hand, for $(1/2, 1/4, 1/4)$:
# $\tfrac12 \log 2 + \tfrac14 \log 4 + \tfrac14 \log 4 = \tfrac32 \log 2 = 1.04$; uniform would be $\log 3 = 1.10$.
# %%
def entropy(p):
    logs = np.log(p, where=p > 0, out=np.zeros_like(p))  # 0 log 0 counts as 0
    return -(p * logs).sum(axis=1)  # (N,)


halves = entropy(np.array([[0.5, 0.25, 0.25]]))
check("the entropy of (1/2, 1/4, 1/4) is 3/2 log 2", np.isclose(halves[0], 1.5 * np.log(2)))
temperatures = np.logspace(-2, 3, 200)  # (200,)
path = softmax(z / temperatures[:, None])  # (200, 3): one row a temperature
H = entropy(path)  # (200,)
check("as it gets hotter, entropy never falls", (np.diff(H) > -1e-12).all())
check("it rises from 0 to log 3", np.allclose(H[[0, -1]], [0, np.log(3)], atol=1e-5))
# %%
figure, (shares, undecided) = panels(2, title="From certain to undecided: one dial, the temperature")
for k, (name, style, color) in enumerate((("automobile", "-", BLUE), ("truck", "--", ORANGE), ("dog", ":", QUIET))):
    shares.semilogx(temperatures, path[:, k], style, color=color, label=name)
shares.set(xlabel="temperature T", ylabel="probability")
shares.legend(frameon=False)
undecided.semilogx(temperatures, H, color=BLUE)
undecided.axhline(np.log(3), color=QUIET, linestyle=":", linewidth=1)
undecided.text(0.012, np.log(3) - 0.09, "log 3", color=QUIET)
undecided.set(xlabel="temperature T", ylabel="entropy (nats)")
base2 = softmax(z / 1.4427)[0]
show(
    figure,
    f"Scores 3, 1 and 0. At T = 0.01 automobile has {path[0, 0]:.0%}, at T = 1 {p[0, 0]:.0%}, at T = 1.44 (base 2) "
    f"{base2[0]:.0%}, at T = 1000 {path[-1, 0]:.1%}; the entropy rises from {H[0]:.2f} to {H[-1]:.2f} nats.",
)
# %% [markdown]
# Look at the left panel again. Automobile is first at *every* temperature. If you only ask for the winner, all these
# networks give the same answers and have the same share of right ones, whether they announce 34 % or 100 %.
# %%
for T in (0.1, 1.0, 10.0, 100.0):
    print(f"T = {T:5}: automobile {softmax(z / T)[0, 0]:.1%}")
winners = softmax(many / 50).argmax(axis=1)  # (1000,)
check("at T = 50 the winner of none of the 1,000 rows has changed", (winners == softmax(many).argmax(axis=1)).all())
# %% [markdown]
# So the percentage is *not* tied to how often the network is right. It could be right 70 % of the time and always
# announce 99 %. Whether the announced numbers can be believed has to be measured (lesson 13), and the dial that
# mends them there is this $T$.
#
# ## What can go wrong
#
# - **Softmax over the wrong axis.** With `axis=0`, each *class* sums to 1 over the examples. Check that
#   `p.sum(axis=1)` is 1.
# - **Softmax twice.** Probabilities fed into softmax again are squeezed: the largest possible result for $K = 10$ is
#   $e/(e + 9) = 23\,\%$. minnet's Trainer refuses it: a `Softmax` layer before a loss that has its own softmax
#   (lesson 3).
# - **A row of only $-\infty$.** Every class is impossible: there is no distribution. minnet raises an error.
# - **Adding a small number** such as `1e-7` inside the logarithm, against `log(0)`. It hides the problem and changes
#   the result. Take the logarithm on paper, as above.
#
# ## Check yourself
#
# **1.** Base 2, scores $(2, 0, -1, -1)$. Which probabilities?
#
# <details><summary>Answer</summary>
#
# $(4, 1, \tfrac12, \tfrac12)$, sum 6: $(\tfrac23, \tfrac16, \tfrac1{12}, \tfrac1{12})$.
#
# </details>
#
# **2.** Two classes, scores $(z, 0)$. Write the first one's probability with a single exponential. What is it at
# $z = 0$?
#
# <details><summary>Answer</summary>
#
# $e^z / (e^z + 1) = 1/(1 + e^{-z})$, the *sigmoid*; at 0 it is one half. It returns in lesson 14.
#
# </details>
#
# **3.** A network announces 80 % and 20 %. Which difference of scores is that? Which at half the temperature, and
# what does it announce then?
#
# <details><summary>Answer</summary>
#
# $\log(0.8/0.2) = \log 4 = 1.39$. At $T = 1/2$ differences double: the ratio becomes $4^2 = 16$, so
# $16/17 = 94\,\%$.
#
# </details>
#
# **4.** What is the entropy of a distribution over 1,000 classes that gives 500 of them 1/500 each and the others 0?
#
# <details><summary>Answer</summary>
#
# $\log 500 = 6.21$ nats: it is the uniform distribution of 500 classes.
#
# </details>
#
# **5.** In float16, is `softmax_naive` safe for scores up to 11, if there are 10 classes?
#
# <details><summary>Answer</summary>
#
# No: $e^{11} = 59{,}874$ fits (the largest float16 is 65,504), but the sum of two such is too large. The sum
# overflows earlier than its terms.
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e01_softmax.py`: write softmax yourself, safe for any scores, and have it graded: `python -m
# tutorials.exercises check 1`. In all exercises, arguments come as NumPy arrays of float64 (labels and ids as whole
# numbers; in exercise 1 scores may be whole numbers too), and a result may be float64 or float32; the examples are
# written as lists to save space. `from given import softmax` gives later exercises what earlier ones built: `given` is
# a small module of finished pieces.
