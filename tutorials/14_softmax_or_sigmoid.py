# %% [markdown]
# # 14. Softmax or sigmoid? Six popular sentences, tested
#
# You build: the loss for several yes-or-no questions at once, and experiments that decide what people only repeat. You
# need: lessons 1 to 4. Minutes: 40.
#
# "Softmax for multi-class, sigmoid for multi-label." Most learners meet this line before they meet either function.
# It is good advice and hides why. Around it grow other sentences, repeated from one page to the next. We take six of
# them and test each with numbers. Some are true, some are nearly so, some are false.
#
# ## By hand: two ways to ask
#
# **Sigmoid** turns one score into one probability: $\sigma(z) = 1/(1 + e^{-z})$. Three scores, $z = (2, 1, -1)$:
#
# | | cat | dog | hat | sum |
# |---|---|---|---|---|
# | softmax: which *one* is it? | 0.705 | 0.259 | 0.035 | 1 |
# | sigmoid: is there one? three questions | 0.881 | 0.731 | 0.269 | 1.881 |
#
# A picture with cat and dog: **multi-label**, any number of classes may be right, and three separate questions fit.
# Softmax must divide one unit of belief between them.
# %%
import numpy as np
from lesson import check, panels, show

from minnet.functional import softmax


def sigmoid(z):
    e = np.exp(-abs(z))  # never of a positive number: no overflow (lesson 1)
    return np.where(z >= 0, 1, e) / (1 + e)


z = np.array([[2.0, 1.0, -1.0]])  # (N, K)
print("softmax", softmax(z).round(3), "sigmoid", sigmoid(z).round(3), "sum", sigmoid(z).sum().round(3))
check("the three sigmoids are 0.88, 0.73 and 0.27", np.allclose(sigmoid(z), [[0.881, 0.731, 0.269]], atol=1e-3))


# %% [markdown]
# ## The loss of yes-or-no questions
#
# The surprise at one answer is $-\log s$ if the truth is yes ($t = 1$), $-\log(1 - s)$ if no: $l = -t \log s - (1 -
# t) \log(1 - s)$ with $s = \sigma(z)$. That is **binary cross-entropy**; for $K$ questions, their mean. Its gradient:
# $\sigma' = s(1 - s)$, because $\frac{d}{dz}\frac{1}{1 + e^{-z}} = \frac{e^{-z}}{(1 + e^{-z})^2}$, so
#
# $$\frac{dl}{dz} = \Big(-\frac{t}{s} + \frac{1 - t}{1 - s}\Big) s (1 - s) = -t (1 - s) + (1 - t) s = s - t$$
#
# Probability minus truth, again. And without overflow: $\log s = -\log(1 + e^{-z})$, and $1 - s = e^{-z} s$, so
# $\log(1 - s) = -z + \log s$. Put both in: $l = (1 - t)\,z + \log(1 + e^{-z})$, good for $z > 0$. For $z \le 0$ the
# same is written as $-t z + \log(1 + e^{z})$. The first term is what being on the wrong side costs.
# %%
def yes_or_no(z, t):
    N, K = z.shape
    wrong_side = np.where(z > 0, 1 - t, t) * abs(z)  # (N, K)
    losses = wrong_side + np.log1p(np.exp(-abs(z)))  # (N, K); log1p(u) is log(1 + u), exact for tiny u
    return losses.mean(), (sigmoid(z) - t) / (N * K)  # one number, (N, K)


rng = np.random.default_rng(0)
z, t = rng.standard_normal((5, 3)) * 3, (rng.random((5, 3)) < 0.5).astype(float)
loss, dz = yes_or_no(z, t)
measured = np.zeros_like(z)
for n, k in np.ndindex(z.shape):
    e = np.zeros_like(z)
    e[n, k] = 1e-5
    measured[n, k] = (yes_or_no(z + e, t)[0] - yes_or_no(z - e, t)[0]) / 2e-5
check("measured and derived gradient agree to 9 decimals", abs(measured - dz).max() < 1e-9)

from minnet.losses import SigmoidCrossEntropy

theirs = SigmoidCrossEntropy()
check("our loss is minnet's", np.isclose(theirs.forward(z, t), loss))
check("our gradient is minnet's", np.allclose(theirs.backward(), dz))
# %% [markdown]
# ## Sentence 1: "Sigmoid is softmax for two classes." True.
#
# In $e^{z_1}/(e^{z_1} + e^{z_2})$, divide above and below by $e^{z_1}$: $1/(1 + e^{-(z_1 - z_2)}) = \sigma(z_1 - z_2)$.
# Softmax over two classes has one score more than it needs (lesson 1: shifts do not matter); sigmoid fixes the second
# at 0. The losses are the same, too.
#
# But for more than two classes, $K$ sigmoids are *not* softmax: they are $K$ separate softmaxes over two.
# %%
pairs = rng.standard_normal((100, 2)) * 5  # (N, 2)
difference = abs(softmax(pairs)[:, 0] - sigmoid(pairs[:, 0] - pairs[:, 1]))
check("softmax of two scores is the sigmoid of their difference, to 1e-12", difference.max() < 1e-12)
# %% [markdown]
# ## Sentence 2: "Softmax cannot be used for multi-label." Nearly.
#
# It can be trained on rows such as $t = (\frac12, \frac12, 0)$, and learns to share. What it cannot do is to say
# "both" differently from "one of the two, I don't know which", nor "none". Sigmoids can, as two rows of scores made by
# hand show:
# %%
both, unsure = np.array([[4.0, 4.0, -4.0]]), np.array([[0.0, 0.0, -8.0]])
for name, scores in (("both", both), ("one of two", unsure)):
    print(f"{name}: softmax {softmax(scores)[0].round(2)}, sigmoid {sigmoid(scores)[0].round(2)}")
apart = (sigmoid(both) - sigmoid(unsure))[0, 0]
check(
    "softmax gives the same to scores that sigmoids tell apart by 0.48",
    np.allclose(softmax(both), softmax(unsure)) and abs(apart - 0.48) < 0.005,
)
# %% [markdown]
# ## Sentence 3: "For one class of many, sigmoids are wrong." False.
#
# One class against the rest, $K$ times, and the largest score wins: it works. We train the linear classifier of
# lesson 4 on digits, once with each loss, five times with another random half of the digits to train on and the other
# to test.
# %%
from minnet import data

digits = data.load("digits", validation=0)
x = np.concatenate([digits.train.x, digits.test.x]).reshape(-1, 64) / 255.0  # (1797, 64)
x = np.hstack([x, np.ones((len(x), 1))])  # (1797, 65): a last feature of 1 is the bias
y = np.concatenate([digits.train.y, digits.test.y])  # (1797,)


def train(x, y, of_softmax, steps=150):
    W, t = np.zeros((x.shape[1], 10)), np.eye(10)[y]
    eta = 1.0 if of_softmax else 2.0  # two losses need not share a rate (lesson 6)
    for _ in range(steps):
        p = softmax(x @ W) if of_softmax else sigmoid(x @ W)  # (N, K)
        W -= eta * (x.T @ (p - t)) / len(x)  # the same for both: p - t, here summed over the classes
    return W


accuracies, kept = [], {}
for seed in range(5):
    order = np.random.default_rng(seed).permutation(len(y))
    half, rest = order[:900], order[900:]
    Ws = [train(x[half], y[half], of_softmax) for of_softmax in (True, False)]
    accuracies.append([(x[rest] @ W).argmax(axis=1) == y[rest] for W in Ws])
    kept = {"softmax": Ws[0], "sigmoid": Ws[1]}  # in the end those of the last trial, as `rest`: used below
rates = np.array([[right.mean() for right in pair] for pair in accuracies])  # (5, 2)
gain = rates[:, 0] - rates[:, 1]
print(f"softmax {rates[:, 0].mean():.3f}, sigmoids {rates[:, 1].mean():.3f}; differences {gain.round(3)}")
check("with sigmoids more than 90 % of unseen digits are right in each of five trials", (rates[:, 1] > 0.9).all())
# %% [markdown]
# Whether the small difference that is left is more than the choice of steps and rates, these five trials cannot say;
# the sentence claims much more. What sigmoids do not give is *one* distribution: their sum is free.
#
# ## Sentence 4: "The sigmoids' sum tells you how many classes there are." Sometimes.
#
# If trained on pictures with one digit each, does the sum of the ten probabilities come out near 1 on new digits? And
# for two digits laid over each other? Such pictures never occurred in training.
# %%
z = x[rest] @ kept["sigmoid"]  # (897, 10)
sums = sigmoid(z).sum(axis=1)
first, second = rng.permutation(len(rest))[: 2 * 400].reshape(2, 400)
overlaid = np.maximum(x[rest][first], x[rest][second])  # (400, 65)
double = sigmoid(overlaid @ kept["sigmoid"]).sum(axis=1)
print(f"mean sum: one digit {sums.mean():.2f}, two overlaid {double.mean():.2f}")
check("the mean sum over single digits is within 0.15 of 1, though nothing forces it", abs(sums.mean() - 1) < 0.15)
check("for two overlaid digits the mean sum is nowhere near 2: it is below 1.5", double.mean() < 1.5)
from minnet.canvas import BLUE, ORANGE

figure, (axis,) = panels(1, height=2.8, title="Ten yes-or-no answers need not add up to one")
bins = np.linspace(0, 3, 46)
axis.hist(sums, bins, density=True, color=BLUE, label="one digit")
axis.hist(double, bins, density=True, histtype="step", color=ORANGE, linewidth=2, label="two digits overlaid")
axis.axvline(1, color="grey", linestyle=":")
axis.set(xlabel="sum of the ten sigmoids", ylabel="density")
axis.legend(frameon=False)
show(
    figure,
    f"Mean sum {sums.mean():.2f} for one digit and {double.mean():.2f} for two: a network counts only what it "
    "was taught to count.",
)
# %% [markdown]
# Why near 1 at all? At the minimum, the gradient of each bias is zero: the mean of $s_k$ over the *training* examples
# equals the share of class $k$, and the shares add up to 1. It is a statement about the mean, not about any picture.
# And why so low for two digits? Much of the ink of one lies where the template of the other asks for none (lesson 4),
# so the scores of both fall.
#
# ## Sentence 5: "A probability above 0.5 means yes." It depends on what mistakes cost.
#
# Saying yes wrongly costs $a$, saying no wrongly costs $b$. With probability $s$ of yes, "yes" costs $(1 - s) a$ on
# average, "no" costs $s b$. So say yes if $(1 - s) a < s b$, that is
#
# $$s > \frac{a}{a + b}$$
#
# By hand: if missing an eight is nine times as bad as a false alarm, the **threshold** is $1/10$. We try all
# thresholds on "is it an eight?" and add up what the mistakes cost.
# %%
s, eight = sigmoid(z)[:, 8], y[rest] == 8  # (897,)
grid = np.linspace(0.01, 0.99, 99)
cost = np.array([((s > g) & ~eight).sum() + 9 * ((s <= g) & eight).sum() for g in grid]) / len(s)
at_tenth, at_half = cost[9], cost[49]
print(
    f"cost an example at 0.1: {at_tenth:.3f}, at 0.5: {at_half:.3f}, best {cost.min():.3f} at {grid[cost.argmin()]:.2f}"
)
pick = rng.integers(len(s), size=(1000, len(s)))  # 1,000 test sets out of ours: how much does it vary? (lesson 13)
each = np.where(eight, 9 * ((s <= 0.5).astype(float) - (s <= 0.1)), (s > 0.5).astype(float) - (s > 0.1))  # (897,)
low, high = np.quantile(each[pick].mean(axis=1), [0.025, 0.975])
print(f"0.5 costs {each.mean():.3f} more than 0.1, 95 % interval {low:.3f} to {high:.3f}")
check("the threshold of 0.5 costs more than that of 0.1, and the interval is above 0", low > 0)
figure, (axis,) = panels(1, height=2.8, title="When misses cost nine times as much, half is too late")
axis.plot(grid, cost, color=BLUE)
axis.axvline(0.1, color=ORANGE, linestyle="--")
axis.text(0.115, cost.max() * 0.9, "a / (a + b) = 0.1", va="top")
axis.set(xlabel="threshold", ylabel="mean cost an example", ylim=(0, None))
show(figure, f"Mean cost {at_tenth:.2f} at the threshold 0.1 and {at_half:.2f} at 0.5.")
# %% [markdown]
# The formula needs probabilities that can be believed (lesson 13). If they cannot, choose a threshold for each
# class, on validation examples.
#
# ## Sentence 6: "Softmax outputs are a confidence: low for what was never seen." Not to be relied on. The surprise.
#
# We show the softmax network noise, and digits with light and dark exchanged. It has seen neither. And we show it
# the *same* noise, four and sixteen times as strong.
# %%
noise = np.hstack([rng.random((1000, 64)), np.ones((1000, 1))])  # (1000, 65)
shown = {"digits": x[rest], "negatives": np.hstack([1 - x[rest][:, :64], np.ones((len(rest), 1))])}
shown |= {f"noise x {f}": noise * np.array([f] * 64 + [1]) for f in (1, 4, 16)}
confidence = {name: softmax(pictures @ kept["softmax"]).max(axis=1).mean() for name, pictures in shown.items()}
for name, value in confidence.items():
    print(f"{name}: mean largest probability {value:.2f}")
strong = [confidence[f"noise x {f}"] for f in (1, 4, 16)]
check(
    "of plain noise and of negatives the network is less sure than of digits",
    max(strong[0], confidence["negatives"]) < confidence["digits"],
)
check("the stronger the noise, the surer the network", strong[0] < strong[1] < strong[2])
check("of noise sixteen times as strong the network is surer than of digits", strong[2] > confidence["digits"])
# %% [markdown]
# Of plain noise and of negatives the network is indeed less sure than of digits (0.41 and 0.63 against 0.85). But the
# same noise sixteen times as strong gets 0.95, more than digits.
#
# Scores grow with the input, and softmax of grown scores is an arg max (temperature, lesson 1); networks
# with ReLU do the same far from their training examples (Hein and others, arXiv 1812.05720). Softmax compares
# classes *with each other*; none of its outputs says "this looks like nothing I know". Sigmoids can say no ten times,
# but in places where they were never trained they do not have to either.
#
# ## What can go wrong
#
# - **Sigmoids and `SoftmaxCrossEntropy`**: one transforms, the other too. A loss takes scores.
# - **The mean over classes**: with a thousand labels of which two are right, almost all of the loss is about "no".
#   minnet and PyTorch take the mean over $K$, others the sum: learning rates then differ by the factor $K$.
# - **Labels that were not checked counted as "no".** Missing is not absent.
# - **One threshold for all labels.** Rare ones are then never named.
# - **Accuracy on multi-label**: always "no" is right for 99.8 % of the questions. Use the F1 of each label.
#
# ## Check yourself
#
# **1.** Scores $(0, \log 3)$. Softmax, and two sigmoids?
#
# <details><summary>Answer</summary>
#
# $(0.25, 0.75)$; $(0.5, 0.75)$.
#
# </details>
#
# **2.** $z = -\log 4$, $t = 1$, a single question. Loss and gradient?
#
# <details><summary>Answer</summary>
#
# $s = 1/5$: $\log 5 = 1.61$, and $0.2 - 1 = -0.8$.
#
# </details>
#
# **3.** A false alarm costs 3, a miss costs 1. The threshold?
#
# <details><summary>Answer</summary>
#
# $3/(3 + 1) = 0.75$.
#
# </details>
#
# **4.** All scores are 0 at the start. The loss with softmax and ten classes, and with ten sigmoids?
#
# <details><summary>Answer</summary>
#
# $\log 10 = 2.30$; $\log 2 = 0.69$ for each question, hence for their mean.
#
# </details>
#
# **5.** You want "cat, dog, or something else entirely". What do you do?
#
# <details><summary>Answer</summary>
#
# Show it something else in training: as a third class for softmax, or as pictures with two times "no" for sigmoids.
# Without such examples neither function will say so.
#
# </details>
#
# ## Exercises
#
# This lesson has no file of its own. On paper: $z = (0, -2)$, $t = (1, 0)$; loss and gradient by hand, then with
# `yes_or_no` above (0.410 and $(-0.25, 0.060)$). And if you have not done `e19_soft_targets.py` yet (lesson 3): its
# rows are what sentence 2 trains softmax on.
