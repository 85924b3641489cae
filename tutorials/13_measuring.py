# %% [markdown]
# # 13. Measuring
#
# You build: an interval around an accuracy, an honest comparison of two models, a reliability curve and a temperature
# that mends it. You need: lesson 4 (accuracy, precision, recall, F1) and lesson 11. Minutes: 45.
#
# You change one setting and the accuracy goes from 63.3 % to 67.5 %. Better? On 120 comments that is five comments.
# With another random split it might have been three comments *worse*. Many "improvements" that beginners (and
# papers) report are of this kind. This lesson is about not fooling yourself, and about whether a network that says 90 %
# is right nine times out of ten.
#
# ## By hand: when rankings flip
#
# Lesson 4 defined the measures. Two models on 100 comments, 80 positive, 20 negative:
#
# | | positives found | negatives found | accuracy | mean recall |
# |---|---|---|---|---|
# | A | 80 of 80 | 4 of 20 | 84 % | (1.00 + 0.20)/2 = 0.60 |
# | B | 64 of 80 | 16 of 20 | 80 % | (0.80 + 0.80)/2 = 0.80 |
#
# A wins on accuracy, B on mean recall. Neither number is wrong; they answer different questions (how many of these
# comments, or how well each class?). So choose the measure *before* you look.
# %%
import numpy as np
from lesson import check, panels, show

from minnet import data
from minnet.functional import softmax

a = np.array([[4, 16], [0, 80]])  # rows: truth (negative, positive); columns: said
b = np.array([[16, 4], [16, 64]])
accuracy = [np.trace(m) / m.sum() for m in (a, b)]
recall = [(np.diag(m) / m.sum(axis=1)).mean() for m in (a, b)]
print(f"accuracy {accuracy[0]:.2f} and {accuracy[1]:.2f}, mean recall {recall[0]:.2f} and {recall[1]:.2f}")
check("A has the higher accuracy and B the higher mean recall", accuracy[0] > accuracy[1] and recall[0] < recall[1])
# %% [markdown]
# ## How sure is an accuracy?
#
# The test comments are a sample. Of $n$ comments, $h$ were right; the accuracy is $q = h/n$. Each comment is a coin
# that comes up right with the unknown true rate $r$. One coin (1 or 0) has the variance $r(1 - r)$: it is $1 - r$ off
# with probability $r$, and $r$ off with probability $1 - r$. Variances of independent coins add, so the mean of $n$ has
# $n\,r(1-r)/n^2$. Its root, with $q$ for the unknown $r$, is the **standard error** $\sqrt{q(1-q)/n}$. By hand: $q =
# 0.8$, $n = 100$: $\sqrt{0.8 \cdot 0.2 / 100} = 0.04$. Means of many coins fall into a bell curve, which has 95 % of
# its area within 1.96 standard errors. So about two of them to each side of $q$ is a **95 % interval**, 72 % to 88 %:
# made anew for each of many test sets, 95 of 100 such ranges would hold $r$. To halve it, you need four times the
# examples.
#
# Another way needs no formula and works for any measure, F1 included: the **bootstrap**. Draw $n$ examples out of your
# $n$, with replacement; measure; repeat a thousand times; take the middle 95 %. Your examples stand in for the world:
# how far the measure moves from draw to draw is about how far it would move from one test set to another.
# %%
q, n = 0.8, 100
standard_error = np.sqrt(q * (1 - q) / n)
print(f"formula: {q - 1.96 * standard_error:.3f} to {q + 1.96 * standard_error:.3f}")
right = np.arange(n) < q * n  # (n,): 80 right, 20 wrong
rng = np.random.default_rng(0)
drawn = right[rng.integers(n, size=(4000, n))].mean(axis=1)  # (4000,): accuracies of drawn test sets
low, high = np.quantile(drawn, [0.025, 0.975])
print(f"bootstrap: {low:.3f} to {high:.3f}")
ends = [low, high, q - 1.96 * standard_error, q + 1.96 * standard_error]
check(
    "80 right of 100 means 72 % to 88 %, by formula and by bootstrap, to 1.5 points",
    np.allclose(ends, [0.72, 0.88] * 2, atol=0.015),
)
# %% [markdown]
# Does "95 %" keep its promise? We play nature: choose a true rate of 0.8, draw 2,000 test sets of 100, and count how
# often the interval around what was measured holds 0.8. And then with 5 examples, all too often seen in practice.
#
# With few examples, or rates near 1, the simple formula breaks: 5 of 5 right gives $1 \pm 0$, certainty from five
# examples. Wilson's interval asks instead which true rates would make $q$ unsurprising, that is $|q - r| \le c
# \sqrt{r(1-r)/n}$ with $c = 1.96$. Squared, $(q - r)^2 \le c^2 r(1 - r)/n$, it is a quadratic in $r$, and where both
# sides are equal are the ends of the interval:
#
# $$r = \frac{1}{1 + c^2/n}\left(q + \frac{c^2}{2n} \pm c\sqrt{\frac{q(1 - q)}{n} + \frac{c^2}{4n^2}}\right)$$
#
# By hand, 5 of 5: with $q = 1$ the root is $c/2n$, so the lower end is $1/(1 + c^2/n) = n/(n + c^2) = 5/8.84 = 0.57$.
# %%
from minnet.intervals import wilson

kept = {}
for size in (100, 5):
    hits = rng.binomial(size, 0.8, 2000)  # (2000,): test sets
    q = hits / size
    error = np.sqrt(q * (1 - q) / size)
    simple = (abs(q - 0.8) <= 1.96 * error).mean()
    low, high = wilson(hits, np.full(2000, size))
    kept[size] = simple, ((low <= 0.8) & (high >= 0.8)).mean()
    print(f"n = {size}: the simple interval holds the truth in {kept[size][0]:.0%}, Wilson's in {kept[size][1]:.0%}")
check(
    "with 100 examples both intervals hold the truth in 90 to 97 % of the test sets",
    min(kept[100]) > 0.90 and max(kept[100]) < 0.97,
)
check("with 5 examples the simple interval holds the truth in less than 75 %", kept[5][0] < 0.75)
low, high = (float(bound[0]) for bound in wilson(np.array([5]), np.array([5])))
rates = np.linspace(0.001, 0.999, 999)
inside = rates[abs(1 - rates) <= 1.96 * np.sqrt(rates * (1 - rates) / 5)]
print(f"5 of 5 right: {low:.2f} to {high:.2f}")
check(
    "the lower end of 5 of 5 right is 0.57, tried rate by rate",
    abs(inside[0] - low) < 0.002 and abs(low - 0.566) < 0.002,
)


# %% [markdown]
# ## Two models on the same examples
#
# Now the opening question. Two bags of words (lesson 11) on the comments: one of words, one of words and pieces of
# words (two to five letters). Both meet the same 120 comments, and most are easy for both or hard for both. These say
# nothing about which is better. Only comments on which *exactly one* is right do. Were the models equally good, each
# of these would be a fair coin: **McNemar's test** asks how often fair coins fall as unevenly.
#
# By hand: one model alone is right on 1 comment, the other alone on 7. Eight fair coins show 1 or fewer heads with
# probability $(1 + 8)/256 = 0.035$; both directions, 0.07. That is the test's $p$ (no class's this time): how likely a
# fall at least as uneven is if both models are equally good. Seven to one, and still not beyond doubt.
# %%
from math import comb

from minnet.data import Ngrams
from minnet.intervals import mcnemar, paired_bootstrap


def coins(only_a, only_b):
    n = only_a + only_b
    return min(1.0, 2 * sum(comb(n, i) for i in range(min(only_a, only_b) + 1)) / 2**n)


def fit(x, y, steps=200, eta=20.0):
    W, t = np.zeros((x.shape[1], 3)), np.eye(3)[y]
    for _ in range(steps):
        W -= eta * (x.T @ (softmax(x @ W) - t)) / len(t)  # lesson 4
    return W


comments = data.load("comments")
y, valid_y, train_y = comments.test.y, comments.validation.y, comments.train.y
z, valid_z = {}, {}
for name, characters in (("words", None), ("words and pieces", (2, 5))):
    vectorizer = Ngrams(words=(1, 1), characters=characters, min_count=1)
    W = fit(vectorizer.fit_transform(comments.train.x), train_y)
    z[name] = vectorizer.transform(comments.test.x) @ W  # (120, K)
    valid_z[name] = vectorizer.transform(comments.validation.x) @ W  # (60, K)
rights = [scores.argmax(axis=1) == y for scores in z.values()]
only_a, only_b = (rights[0] & ~rights[1]).sum(), (rights[1] & ~rights[0]).sum()
p = coins(only_a, only_b)
print(
    f"accuracies {rights[0].mean():.1%} and {rights[1].mean():.1%}; only one right: {only_a} and {only_b}; p = {p:.2f}"
)
check("one against seven gives p = 0.07", abs(coins(1, 7) - 0.0703) < 1e-4)
check("our p is minnet's", np.isclose(p, mcnemar(*rights)["p"]))
gain = rights[1].astype(float) - rights[0]  # (120,): 1, 0 or -1
pick = rng.integers(120, size=(2000, 120))
paired = np.quantile(gain[pick].mean(axis=1), [0.025, 0.975])
other = rng.integers(120, size=(2000, 120))  # as if the two had met different comments
apart = np.quantile(rights[1][pick].mean(axis=1) - rights[0][other].mean(axis=1), [0.025, 0.975])
print(f"gain {gain.mean():+.3f}; paired {paired.round(3)}, as if on different comments {apart.round(3)}")
check("the paired interval of the gain is at most three quarters as wide", np.ptp(paired) < 0.75 * np.ptp(apart))
theirs = paired_bootstrap(*(softmax(scores) for scores in z.values()), y)["accuracy"]
check(
    "our gain is minnet's, and so is our interval to 2 points",
    np.isclose(theirs["difference"], gain.mean()) and np.allclose(theirs["interval"], paired, atol=0.02),
)


# %% [markdown]
# If the interval holds 0, say "no difference found", not "the same" and not "better". `python -m minnet compare`
# does all of this for two runs' folders. And if you tried twenty settings: up to one in twenty fair comparisons
# is "significant" by chance. Choose on validation, test once.
#
# ## Can the probabilities be believed?
#
# **Calibration**: of all predictions made with 80 %, 80 % should be right. Put predictions with similar confidence
# (the largest $p_k$) into one bin, and compare the bin's mean confidence with its accuracy. The mean gap, weighted by
# the bins' sizes, is the **expected calibration error** (ECE). By hand: 60 predictions at 0.9 of which 45 are right
# (gap $0.15$), 40 at 0.6 of which 28 are right (gap $0.10$): $0.6 \cdot 0.15 + 0.4 \cdot 0.10 = 0.13$.
#
# If a network is too sure or too shy throughout, one number mends it: divide all scores by a temperature $T$
# (lesson 1) that is chosen on validation examples to make the loss smallest. No answer changes, only how sure it is.
# To derive where the best $T$ lies, write $u = 1/T$. The loss of one example is $\log \sum_j e^{u z_j} - u z_y$
# (lesson 3), and the derivative of its first part with respect to $u$ is $\sum_k z_k e^{u z_k} / \sum_j e^{u z_j} =
# \sum_k p_k z_k$, with the $p_k$ at this temperature. So
#
# $$\frac{dL}{du} = \frac1N \sum_n \Big(\sum_k p_{nk} z_{nk} - z_{n y_n}\Big)$$
#
# At the best temperature the score of the truth is, on average, what the network itself expects of it.
#
# Our bag of words is hardly too sure: its best temperature is 1.17, printed below. To have something to mend, we
# multiply its scores by 4, as if it had been trained for too long. A good method must find about $4 \cdot 1.17 = 4.7$.
# %%
def reliability(p, y, bins=5):
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    which = np.digitize(confidence, np.arange(1, bins) / bins, right=True)  # (N,): bin b is (b/bins, (b + 1)/bins]
    rows = [(confidence[which == b].mean(), right[which == b].mean(), (which == b).sum()) for b in np.unique(which)]
    return np.array(rows)  # (bins in use, 3)


def ece(p, y):
    confidence, accuracy, count = reliability(p, y).T
    return (abs(confidence - accuracy) * count).sum() / count.sum()


hand = np.array([[0.9, 0.1]] * 60 + [[0.6, 0.4]] * 40)
truth = np.array([0] * 45 + [1] * 15 + [0] * 28 + [1] * 12)
check("the calibration error by hand is 0.13", np.isclose(ece(hand, truth), 0.13))

from minnet.calibration import calibrated_ece, fit_temperature

sure = 4 * z["words"]  # as long training without restraint makes scores grow, right or wrong
sure_valid = 4 * valid_z["words"]
temperatures = np.geomspace(0.2, 20, 200)
rows = np.arange(60)
losses = [-np.log(softmax(sure_valid / T))[rows, valid_y].mean() for T in temperatures]
T = temperatures[np.argmin(losses)]
print(f"best temperature on validation, as trained: {fit_temperature(valid_z['words'], valid_y):.2f}")
print(f"of the scores times four: ours {T:.2f}, minnet's {fit_temperature(sure_valid, valid_y):.2f}")
check("our temperature is minnet's to 3 %", abs(T / fit_temperature(sure_valid, valid_y) - 1) < 0.03)
p_valid = softmax(sure_valid / T)
balance = ((p_valid * sure_valid).sum(axis=1) - sure_valid[rows, valid_y]).mean()
check(
    "at the best temperature the score of the truth is as expected, to 3 % of the largest score",
    abs(balance) < 0.03 * abs(sure_valid).max(),
)
before, after = softmax(sure), softmax(sure / T)
print(f"test: ECE {ece(before, y):.2f} -> {ece(after, y):.2f}; loss, before and after:", end=" ")
print([round(float(-np.log(p)[np.arange(120), y].mean()), 2) for p in (before, after)])
check("temperature changes no answer", (before.argmax(axis=1) == after.argmax(axis=1)).all())
check("with temperature the calibration error on the test comments at least halves", ece(after, y) < ece(before, y) / 2)
# %%
from minnet.canvas import BLUE, ORANGE

figure, (left, right_axis) = panels(2, height=3.0, title="Scores times four are too sure; one number mends them")
for axis, p, colour, name in ((left, before, ORANGE, "before"), (right_axis, after, BLUE, f"after, T = {T:.1f}")):
    confidence, accuracy, count = reliability(p, y).T
    low, high = wilson(accuracy * count, count)
    axis.plot([0.2, 1], [0.2, 1], color="grey", linestyle=":")
    bars = np.maximum([accuracy - low, high - accuracy], 0)
    axis.errorbar(confidence, accuracy, bars, fmt="o", color=colour, capsize=3)
    axis.set(xlabel=f"confidence {name}", ylabel="share right", xlim=(0.2, 1.04), ylim=(0, 1.04))
show(
    figure,
    "Dots under the dotted line (share right = confidence) are too sure. "
    f"The calibration error falls from {ece(before, y):.2f} to "
    f"{ece(after, y):.2f}; bars are 95 % intervals of each bin's share.",
)
# %% [markdown]
# ## An experiment that surprises: perfect calibration does not measure 0
#
# We take the mended probabilities as the truth and *draw* the labels from them. Nothing can be better calibrated. And
# yet its error on 120 comments is not 0: bins of a few examples miss their mean by chance, and a gap is never
# negative.
# %%
chance = []
for _ in range(300):
    # A random number between 0 and 1 falls into class 0 up to p_0, into class 1 up to p_0 + p_1, else into class 2.
    drawn_y = (after.cumsum(axis=1) < rng.random((120, 1))).sum(axis=1).clip(max=2)  # (120,)
    chance.append(ece(after, drawn_y))
print(
    f"perfectly calibrated: ECE {np.mean(chance):.3f}, up to {np.quantile(chance, 0.975):.3f}; ours {ece(after, y):.3f}"
)
check("perfect calibration measures an error above 0.02 on 120 comments", np.mean(chance) > 0.02)
expected, _ = calibrated_ece(after, bins=5)
check("minnet expects the same of perfect calibration, to 0.01", abs(expected - np.mean(chance)) < 0.01)
# %% [markdown]
# So an error of 0.05 on a small test set may be no error at all; minnet prints the expected value beside the measured
# one.
#
# ## Shares
#
# "How many comments are negative?" is a question about the pile, not about one comment. Counting predictions is
# biased whenever the two kinds of mistakes differ in number. If the classifier finds 80 % of the negatives and calls
# 10 % of the others negative, then of a pile with share $s$ it counts $c = 0.8 s + 0.1 (1 - s)$; solved, $s = (c -
# 0.1)/0.7$. A count of 24 % means a share of 20 %. `minnet.quantification.class_shares` does it for $K$ classes, with
# intervals.
# %%
true = np.array([0.2, 0.8])
table = np.array([[0.8, 0.2], [0.1, 0.9]])  # rows: truth; columns: said
counted = true @ table  # (2,)
solved = np.linalg.solve(table.T, counted)
print("counted", counted.round(3), "solved", solved.round(3))
check("a count of 24 % means a share of 20 %", np.isclose(counted[0], 0.24) and np.isclose(solved[0], 0.2))
# %% [markdown]
# ## What can go wrong
#
# - **Choosing on the test set.** The best of twenty equal models looks better than it is. Test once.
# - **Three seeds, one bold number.** The spread between seeds is part of the result.
# - **Intervals that overlap, hence "no difference".** That does not follow: the intervals of two models may overlap
#   while the interval of their paired difference lies above 0. The paired interval decides.
# - **Near copies** of training examples in the test set.
# - **A temperature fitted on training examples**, where the network is sure and right: it then wants $T < 1$.
#
# ## Check yourself
#
# **1.** 360 of 400 right. The 95 % interval?
#
# <details><summary>Answer</summary>
#
# $0.9 \pm 1.96 \sqrt{0.9 \cdot 0.1/400} = 0.9 \pm 0.029$.
#
# </details>
#
# **2.** Only A is right on 2 examples, only B on 10. McNemar's p?
#
# <details><summary>Answer</summary>
#
# $2 (1 + 12 + 66)/4096 = 0.039$.
#
# </details>
#
# **3.** A bin has 25 predictions with mean confidence 0.95, 20 are right. The other 75 have no gap. ECE?
#
# <details><summary>Answer</summary>
#
# $0.25 \cdot |0.95 - 0.80| = 0.0375$.
#
# </details>
#
# **4.** After temperature scaling the accuracy is 2 points higher. What happened?
#
# <details><summary>Answer</summary>
#
# A mistake: dividing by $T > 0$ changes no order of scores, hence no answer.
#
# </details>
#
# **5.** A test finds 90 % of the ill and calls 5 % of the healthy ill. It calls 22 % ill. How many are?
#
# <details><summary>Answer</summary>
#
# $(0.22 - 0.05)/0.85 = 20\,\%$.
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e14_calibration_error.py` and `e15_temperature.py`. Check them with `python -m
# tutorials.exercises check 14`, and `check 15`. Further: `e28_predict_baseline.py`, what classifiers that look at
# nothing get right.
