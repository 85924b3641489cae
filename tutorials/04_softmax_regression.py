# %% [markdown]
# # 4. Softmax regression: the first training loop
#
# You build: a classifier that learns, in twenty lines; accuracy, precision, recall and F1. You need: lessons 0 to 3.
# Minutes: 45.
#
# We can turn scores into probabilities, and we know in which direction to push scores. But nobody has told us which
# scores a picture should get. Can a program find out by itself, from pictures and labels alone, starting from zero?
# And when it has: what does it look for in a picture, and how good is it, exactly?
#
# ## By hand: one picture, one step
#
# The simplest way from a picture to scores is a weighted sum for each class (lesson 0): $z = xW + b$. Here $b$, the
# **bias**, is what each class scores whatever the picture shows. With softmax behind it and cross-entropy as its loss
# it is called **softmax regression**. Take two pixels, $x = (1, 2)$, three classes, and start with $W = 0$, $b = 0$.
# The truth is class 0.
#
# 1. Scores: $z = (0, 0, 0)$. Probabilities: $p = (\tfrac13, \tfrac13, \tfrac13)$.
# 2. The error: $dz = p - t = (-\tfrac23, \tfrac13, \tfrac13)$.
# 3. $W_{ik}$ acts on $z_k$ only, with strength $x_i$. So $dW_{ik} = x_i\,dz_k$, and $db_k = dz_k$:
#    $dW = \begin{pmatrix} -\tfrac23 & \tfrac13 & \tfrac13 \\ -\tfrac43 & \tfrac23 & \tfrac23 \end{pmatrix}$
# 4. A step against the gradient, of size 0.3: $W = \begin{pmatrix} 0.2 & -0.1 & -0.1 \\ 0.4 & -0.2 & -0.2
#    \end{pmatrix}$, $b = (0.2, -0.1, -0.1)$.
# 5. The same picture again: $z = (1.2, -0.6, -0.6)$, and $p_0 = e^{1.8}/(e^{1.8} + 2) = 75\,\%$.
#
# One step, from 33 % to 75 %. The size of the step, 0.3, is called the **learning rate** $\eta$, and stepping
# against the gradient again and again is **gradient descent**.
# %%
import numpy as np
from lesson import check, panels, show, tiles

from minnet.functional import softmax

x = np.array([[1.0, 2.0]])  # (1, 2)
t = np.array([[1.0, 0.0, 0.0]])  # (1, 3)
W, b = np.zeros((2, 3)), np.zeros(3)
p = softmax(x @ W + b)  # (1, 3)
dz = p - t  # (1, 3)
dW = x.T @ dz  # (2, 1) @ (1, 3) -> (2, 3)
W = W - 0.3 * dW
b = b - 0.3 * dz[0]
print(W)
after = softmax(x @ W + b)[0, 0]
print(f"the truth has {p[0, 0]:.1%}, after one step {after:.1%}")
check("one step by hand raises the truth from 33 % to 75 %", abs(after - 0.7515) < 1e-4)
# %% [markdown]
# ## The derivation, for a batch
#
# $z_{nk} = \sum_i x_{ni} W_{ik} + b_k$. Every example $n$ uses the same $W_{ik}$, so by the chain rule its effects
# are added over $n$:
#
# $$\frac{\partial L}{\partial W_{ik}} = \sum_n x_{ni}\,dz_{nk}
# \;\Rightarrow\; dW = x^\top dz, \qquad db = \sum_n dz_n, \qquad dz = \frac{p - t}{N}$$
#
# Shapes tell you where the transpose goes: $(D, N)$ times $(N, K)$ is $(D, K)$, the shape of $W$.
#
# ## Twenty lines
#
# The 1,257 training pictures of lesson 0, each laid out as a row of 64 numbers in $[0, 1]$. One pass over all of them
# is an **epoch**. We do not wait for the gradient of all: each **mini-batch** of 32, in a new random order, gives a
# rough one, and forty rough steps beat one exact one.
# %%
from minnet import data

digits = data.load("digits")
train_x, train_y = digits.train.x.reshape(-1, 64) / 255, digits.train.y  # (1257, 64) and (1257,)
test_x, test_y = digits.test.x.reshape(-1, 64) / 255, digits.test.y  # (360, 64) and (360,)


def cost(x, y, W, b):
    p = softmax(x @ W + b)  # (N, 10)
    loss = -np.log(p[np.arange(len(y)), y]).mean()  # safe for scores as small as these; else log_softmax (lesson 3)
    return loss, (p.argmax(axis=1) == y).mean()


learning_rate, epochs, batch_size = 0.5, 20, 32


def fit(x, y, learning_rate=learning_rate, epochs=epochs, batch_size=batch_size):
    rng = np.random.default_rng(0)
    W, b = np.zeros((x.shape[1], 10)), np.zeros(10)
    history = [cost(x, y, W, b)]
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]  # (32,)
            t = np.eye(10)[y[rows]]  # (32, 10)
            p = softmax(x[rows] @ W + b)  # (32, 10)
            dz = (p - t) / len(rows)  # (32, 10)
            dW = x[rows].T @ dz  # (64, 10)
            db = dz.sum(axis=0)  # (10,)
            W = W - learning_rate * dW
            b = b - learning_rate * db
        history.append(cost(x, y, W, b))
    return W, b, history


W, b, history = fit(train_x, train_y)
loss, accuracy = cost(test_x, test_y, W, b)
print(f"training pictures: loss {history[0][0]:.3f} -> {history[-1][0]:.3f}, right {history[-1][1]:.1%}")
print(f"test pictures:     loss {loss:.3f}, right {accuracy:.1%}")
check("the loss starts at log 10 = 2.303, as it must", abs(history[0][0] - np.log(10)) < 1e-12)
check("after training more than 95 % of the test pictures are right", accuracy > 0.95)
_, _, whole = fit(train_x, train_y, epochs=1, batch_size=len(train_x))
steps = len(range(0, len(train_x), batch_size))
print(f"one epoch: loss {history[1][0]:.2f} by {steps} steps of {batch_size} pictures, {whole[1][0]:.2f} by one of all")
check("an epoch of rough steps lowers the loss further than one exact step", history[1][0] < whole[1][0])
# %%
from minnet.canvas import BLUE, ORANGE

figure, (losses, rights) = panels(2, title="Twenty lines learn to read digits")
losses.plot([row[0] for row in history], color=BLUE)
losses.axhline(np.log(10), color=ORANGE, linestyle="--", linewidth=1)
losses.text(9, np.log(10) - 0.25, "log 10: knows nothing")
losses.set(xlabel="epoch", ylabel="loss (nats)", ylim=(0, 2.5))
rights.plot([row[1] for row in history], color=BLUE)
rights.set(xlabel="epoch", ylabel="accuracy (training)", ylim=(0, 1.03))
show(
    figure,
    f"The loss falls from {history[0][0]:.2f} to {history[-1][0]:.2f} in {epochs} epochs; the share of right answers "
    f"rises from {history[0][1]:.0%} to {history[1][1]:.0%} in the first of them, and to {history[-1][1]:.0%}.",
)
# %% [markdown]
# ## What it looks for
#
# Column $k$ of $W$ has a number for each pixel: a picture. The score is high where ink meets high weights. So each
# column is a **template**, and the network asks how well the picture fits each.
# %%
figure, axes = tiles(10, 5, label=0.2, title="The ten templates: white asks for ink, black for its absence")
top = abs(W).max()
for k, panel in enumerate(axes):
    panel.imshow(W[:, k].reshape(8, 8), cmap="gray", vmin=-top, vmax=top)
    panel.set_xlabel(f"class {k}")
show(
    figure,
    f"Weights of each class, from {-top:.1f} (black) over 0 (grey) to {top:.1f} (white). The template of 0 is dark in "
    f"the middle: ink in row 4, column 4 has the weight {W[4 * 8 + 4, 0]:.1f}.",
)
# %% [markdown]
# ## The same in minnet
#
# The same loop, with the library's pieces: a `Linear` layer has $W$, $b$ and the two lines of its gradient,
# `SoftmaxCrossEntropy` is lesson 3, and `SGD` (lesson 6) takes the step. Same order of pictures, same result:
# %%
from minnet.layers import Linear, Sequential
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD

model = Sequential(Linear(64, 10)).astype(np.float64)  # ours computes in float64, minnet usually in float32
model[0].W[...] = 0  # written into the layer's own array; its b starts at 0 anyway
criterion, optimizer = SoftmaxCrossEntropy(), SGD(model, learning_rate)
rng = np.random.default_rng(0)
for _ in range(epochs):
    order = rng.permutation(len(train_x))
    for start in range(0, len(train_x), batch_size):
        rows = order[start : start + batch_size]
        criterion.forward(model.forward(train_x[rows]), train_y[rows])
        model.backward(criterion.backward())
        optimizer.step()
difference = abs(model[0].W - W).max()
print(f"largest difference of a weight: {difference:.0e}")
check("minnet's weights are ours to 10 decimals", difference < 1e-10)
# %% [markdown]
# ## An experiment that surprises
#
# Shuffle the 64 pixels of all pictures, training and test, in one fixed random order. To you, the digits are noise now.
# To the program?
# %%
shuffled = np.random.default_rng(5).permutation(64)
W2, b2, _ = fit(train_x[:, shuffled], train_y)
_, accuracy2 = cost(test_x[:, shuffled], test_y, W2, b2)
print(f"right on test pictures: {accuracy:.1%} before, {accuracy2:.1%} with shuffled pixels")
check("with shuffled pixels exactly as many test pictures are right", accuracy2 == accuracy)
check("the weights are the same, shuffled", np.allclose(W2, W[shuffled], atol=1e-10))
# %%
figure, (before, noise) = panels(2, width=5.2, title="The same picture, to this program")
for panel, order in ((before, np.arange(64)), (noise, shuffled)):
    panel.imshow(test_x[38, order].reshape(8, 8), cmap="gray_r")
    panel.set(xlabel="column", ylabel="row")
show(figure, f"Test picture 38, a 9, as it is and with its pixels shuffled: {accuracy:.1%} right on either kind.")


# %% [markdown]
# It never knew that there were pictures. A weighted sum has no idea of *beside*: each pixel is a feature of its own,
# and their order is a name. Whoever wants to use that neighbouring pixels belong together has to build it in; that is
# lesson 7.
#
# ## How good, exactly?
#
# "Right on 96 %" is the **accuracy**. It says nothing about *which* class fails. Take ten pictures on paper and count,
# in rows, what they are, in columns, what was said: the **confusion matrix**.
#
# | | said cat | said dog | said bird | **recall** |
# |---|---|---|---|---|
# | is cat | 3 | 1 | 0 | 3/4 |
# | is dog | 2 | 2 | 0 | 2/4 |
# | is bird | 1 | 0 | 1 | 1/2 |
# | **precision** | 3/6 | 2/3 | 1/1 | |
#
# Of a class there are true positives (TP, on the diagonal), false positives (FP, said but not so: the rest of the
# column) and false negatives (FN, so but not said: the rest of the row).
#
# - **Recall** of a class: of those that *are* it, how many were found? Along the row, $TP/(TP + FN)$.
# - **Precision**: of those *said* to be it, how many are? Down the column, $TP/(TP + FP)$.
# - **F1**: their harmonic mean, $2PR/(P + R)$, high only if both are. For cat: $2 \cdot \tfrac12 \cdot \tfrac34 /
#   \tfrac54 = 0.6$. Dog: $4/7 = 0.571$. Bird: $2/3$. Put $P$ and $R$ in, and it becomes $2\,TP/(2\,TP + FP + FN)$:
#   twice the diagonal, over row and column together. That form needs no $0/0$ for a class that is never said.
# - **Macro F1**: the plain mean over the classes, 0.613. Each class counts alike, rare or not.
# - Accuracy: the diagonal, $6/10$.
# %%
def confusion(labels, predictions, K):
    counts = np.zeros((K, K), int)
    for y, said in zip(labels, predictions, strict=True):
        counts[y, said] += 1  # row: the truth; column: what was said
    return counts


def f1_scores(counts):
    found = np.diag(counts)  # (K,): TP
    both = counts.sum(axis=1) + counts.sum(axis=0)  # (K,): (TP + FN) + (TP + FP)
    return np.divide(2 * found, both, out=np.zeros(len(found)), where=both > 0)


paper = np.array([[3, 1, 0], [2, 2, 0], [1, 0, 1]])
print("F1 of cat, dog, bird:", f1_scores(paper).round(3), "macro:", f1_scores(paper).mean().round(3))
check("F1 on paper: 3/5, 4/7 and 2/3", np.allclose(f1_scores(paper), [3 / 5, 4 / 7, 2 / 3]))
never_said = np.array([[4, 0], [2, 0]])
lopsided = f1_scores(never_said)
check("a class that is never said has F1 = 0, the other one 2 * 4 / (4 + 6) = 0.8", np.allclose(lopsided, [0.8, 0]))

from minnet import metrics

p = softmax(test_x @ W + b)
counts = confusion(test_y, p.argmax(axis=1), 10)
theirs = metrics.evaluate(p, test_y, digits.classes)
check("our confusion matrix is minnet's", np.array_equal(counts, theirs["confusion"]))
check("our macro F1 is minnet's", np.isclose(f1_scores(counts).mean(), theirs["macro"]["f1"]))
# %%
scores, said, rng = f1_scores(counts), p.argmax(axis=1), np.random.default_rng(1)
drawn = [f1_scores(confusion(test_y[rows], said[rows], 10)) for rows in rng.integers(360, size=(400, 360))]
low, high = np.quantile(drawn, [0.025, 0.975], axis=0)  # 400 times 360 of the 360 pictures, with repeats (lesson 13)
figure, (axes,) = panels(1, height=2.6, title="36 pictures a digit are few: chance alone moves each F1 that far")
axes.errorbar(range(10), scores, [scores - low, high - scores], fmt="o", color=BLUE, capsize=3, linewidth=1.2)
axes.axhline(scores.mean(), color=ORANGE, linestyle="--", linewidth=1)
axes.text(-0.45, scores.mean(), "mean", va="bottom")
axes.set(xlabel="class", ylabel="F1", xticks=range(10), xlim=(-0.5, 9.5))
show(
    figure,
    f"F1 by digit on 360 test pictures, from {scores.min():.2f} (digit {scores.argmin()}) to {scores.max():.2f}; the "
    f"bars are 95 % intervals (lesson 13). That of digit {scores.argmin()} goes from {low[scores.argmin()]:.2f} to "
    f"{high[scores.argmin()]:.2f}: such a list shows where to look, not yet which digit is harder. Without a mistake "
    f"this method draws no bar, though 36 right of 36 still allow a recall of {36 / (36 + 1.96**2):.2f}.",
)
# %% [markdown]
# ## What can go wrong
#
# - **Accuracy on lopsided data.** Of 100 comments, 95 are kind. A program that always says "kind" has 95 % accuracy,
#   a recall of 0 for the unkind ones, and a macro F1 of 0.49. Look at recall and macro F1.
# - **Precision 0/0.** A class that is never said has no precision; its F1 counts as 0 (and so does that of a class that
#   never occurs), and still belongs in the mean. minnet does so, and tells you.
# - **Too high a learning rate.** The steps jump over the valley, and the loss jumps. With `learning_rate=50`, `history`
#   begins 2.3, 15.9 and then jumps up and down. Where it ends is chance: such steps blow up even the rounding in the
#   16th digit, so another processor gives other numbers.
# - **Forgetting $1/N$.** The step is then 32 times as large as you think. It may even train, until you change the
#   batch size.
# - **No shuffling.** If the labels are sorted, every mini-batch pulls towards one class.
# - **Measuring on the training pictures.** They have been seen. Only pictures that have not count.
#
# ## Check yourself
#
# **1.** $x = (2, 0, 1)$, $dz = (0.5, -0.5)$, alone in its batch. What is $dW$?
#
# <details><summary>Answer</summary>
#
# The rows are $x_i\,dz$: $(1, -1)$, $(0, 0)$, $(0.5, -0.5)$. A pixel without ink teaches nothing.
#
# </details>
#
# **2.** How many parameters has softmax regression on CIFAR-10 pictures, 32 by 32 in three colours, ten classes?
#
# <details><summary>Answer</summary>
#
# $3072 \cdot 10 + 10 = 30{,}730$.
#
# </details>
#
# **3.** A class has 8 examples. 10 are said to be it, 6 of them rightly. Precision, recall, F1?
#
# <details><summary>Answer</summary>
#
# $6/10$, $6/8$, and $2 \cdot 0.6 \cdot 0.75 / 1.35 = 0.667$; shorter: $2 \cdot 6/(10 + 8)$.
#
# </details>
#
# **4.** We start with $W = 0$. Why does that not keep all classes equal for ever?
#
# <details><summary>Answer</summary>
#
# $dz = p - t$ differs between classes from the first step, because the labels do. (In a network with a hidden layer
# it would be a disaster: lesson 9.)
#
# </details>
#
# **5.** You train with `batch_size=128` instead of 32. Are the steps four times as large? Which part of the twenty
# lines decides that?
#
# <details><summary>Answer</summary>
#
# No: `/ len(rows)` makes the gradient a mean over the batch. Without it the step would grow with the batch.
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e11_f1.py`: F1 from labels and predictions, class by class. Check it with `python -m
# tutorials.exercises check 11`. Further: `e27_predict_start.py`, loss and gradient before learning, on paper and then
# measured; and two with a bug to find, `e21_bug_loss.py` and `e24_bug_report.py`.
