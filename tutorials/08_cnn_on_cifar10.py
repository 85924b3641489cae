# %% [markdown]
# # 8. A CNN on CIFAR-10
#
# You build: a convolutional network for photographs, and three ways to ask it what it sees. You need: lessons 6 and 7.
# Minutes: 45.
#
# Photographs of 32 by 32 pixels, ten classes, from airplane to truck. A patient person got about 94 % of them right
# (A. Karpathy, 2011). With the pieces of lessons 5 to 7, and a minute of one processor core, how far does a program
# get? And when it says "ship": does it look at the ship?
#
# This lesson reads the first batch file of CIFAR-10 that lies on the disk (`python -m minnet data fetch cifar10`). If
# there is none it takes the digits, says so, and everything below happens to digits. The numbers in the text are those
# of CIFAR-10.
# %%
import numpy as np
from lesson import check, panels, show, tiles

from minnet import data
from minnet.data.dataset import Split
from minnet.data.readers import CIFAR10_CLASSES, read_cifar10_batch
from minnet.data.sources import data_folder

files = sorted((data_folder() / "cifar-10-batches-bin").glob("data_batch_*.bin"))
if files:
    everything, classes = read_cifar10_batch(files[0]), CIFAR10_CLASSES
    train, test = Split(everything.x[:5000], everything.y[:5000]), Split(everything.x[-1000:], everything.y[-1000:])
    print(f"photographs from {files[0].name}: {len(train)} to train on, {len(test)} held out")
else:
    digits = data.load("digits", validation=0)
    train, test, classes = digits.train, digits.test, digits.classes
    print(f"no batch file of CIFAR-10 is there: this run uses {len(train)} digits, and {len(test)} to test")
N, H, W, C = train.x.shape
print("one picture:", (H, W, C))
# %% [markdown]
# ## By hand: the shapes
#
# Before any code, follow one photograph on paper. A **convolutional neural network**, **CNN**, alternates convolution,
# ReLU and pooling: the picture gets smaller, the channels more, and at the end one linear layer reads off ten scores.
#
# | layer | result | parameters | products |
# |---|---|---|---|
# | 16 filters 5 x 5, padding 2 | 32 x 32 x 16 | $25 \cdot 3 \cdot 16 + 16 = 1216$ | 1,228,800 |
# | ReLU, max pooling | 16 x 16 x 16 | 0 | |
# | 32 filters 3 x 3, padding 1 | 16 x 16 x 32 | $9 \cdot 16 \cdot 32 + 32 = 4640$ | 1,179,648 |
# | ReLU, max pooling | 8 x 8 x 32 | 0 | |
# | 32 filters 3 x 3, padding 1 | 8 x 8 x 32 | $9 \cdot 32 \cdot 32 + 32 = 9248$ | 589,824 |
# | ReLU, max pooling | 4 x 4 x 32 | 0 | |
# | linear, 512 to 10 | 10 | $512 \cdot 10 + 10 = 5130$ | 5,120 |
#
# The products of the first line: $32 \cdot 32 \cdot 16$ numbers come out, and each is a sum of $25 \cdot 3$ of them.
# 20,234 parameters, fewer than softmax regression needs for the same photographs (30,730, lesson 4), and three million
# products: the parameters are few because each is used at every place.
# %%
from minnet.layers import Conv2d, Flatten, Linear, MaxPool2d, Normalize, ReLU, Sequential

mean, std = data.images.channel_statistics(train.x)  # per channel, in 0..255
last = (H // 8) * (W // 8) * 32
model = Sequential(
    Normalize(mean, std),
    *(Conv2d(C, 16, 5, padding=2, rng=0), ReLU(), MaxPool2d(2)),
    *(Conv2d(16, 32, 3, padding=1, rng=1), ReLU(), MaxPool2d(2)),
    *(Conv2d(32, 32, 3, padding=1, rng=2), ReLU(), MaxPool2d(2)),
    *(Flatten(), Linear(last, 10, rng=3)),
)
counted = sum(array.size for array in model.named_parameters().values())
print(f"{counted:,} parameters")
check("the parameters are as many as on paper", counted == 25 * C * 16 + 16 + 4640 + 9248 + last * 10 + 10)


# %% [markdown]
# ## The same, from your own pieces
#
# Nothing in that model is new to you. Here is its forward pass from the functions of lessons 5 and 7, on eight
# pictures:
# %%
def conv(x, layer):
    p = layer.padding
    kh, kw, C, K = layer.W.shape
    x = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
    return (windows.reshape(-1, kh * kw * C) @ layer.W.reshape(-1, K)).reshape(*windows.shape[:3], K) + layer.b


def pool(x):
    N, H, W, C = x.shape
    x = x[:, : H // 2 * 2, : W // 2 * 2]  # an odd last row or column is never seen
    return x.reshape(N, H // 2, 2, W // 2, 2, C).max(axis=(2, 4))


h = (test.x[:8] - mean) / std  # (8, H, W, C)
for place in (1, 4, 7):  # the convolutions; 0 is Normalize, 2 a ReLU, 3 a MaxPool2d, and so on
    h = pool(np.maximum(conv(h, model[place]), 0))  # smaller by half, each time
z = h.reshape(8, -1) @ model[11].W + model[11].b  # (8, 10)
difference = abs(z - model.forward(test.x[:8])).max()
print(f"largest difference of a score: {difference:.0e}")
check("your own pieces give the model's scores to 0.001", difference < 1e-3)
# %% [markdown]
# ## Training
#
# The first number to look at (lesson 3): the loss at the start should be near $\log 10 = 2.303$. Then five epochs of
# Adam, with the half cosine wave of lesson 6.
# %%
from minnet.functional import softmax
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import Adam
from minnet.schedules import Cosine

criterion, optimizer, schedule = SoftmaxCrossEntropy(), Adam(model, 0.003), Cosine()
start = criterion.forward(model.forward(test.x), test.y)
check("the loss starts within 0.3 of log 10", abs(start - np.log(10)) < 0.3)
model.need_dx(False)  # nobody asks how the loss reacts to the pixels, yet
rng, epochs, history = np.random.default_rng(0), 5, []
for epoch in range(epochs):
    order, losses, right = rng.permutation(N), [], 0
    for i in range(0, N - 49, 50):
        rows = order[i : i + 50]
        scores = model.forward(train.x[rows])  # (50, 10)
        losses.append(criterion.forward(scores, train.y[rows]))
        right += (scores.argmax(axis=1) == train.y[rows]).sum()
        model.backward(criterion.backward())
        optimizer.step(0.003 * schedule((epoch + i / N) / epochs))
    p = softmax(model.forward(test.x))  # (1000, 10)
    accuracy = (p.argmax(axis=1) == test.y).mean()
    history.append((right / len(losses) / 50, accuracy))
    print(f"epoch {epoch + 1}: loss {np.mean(losses):.2f}, right {history[-1][0]:.1%}, on test pictures {accuracy:.1%}")
least = 0.38 if files else 0.85
check("more test pictures are right than the 38 % asked of photographs, or the 85 % of digits", accuracy > least)
# %%
from minnet.canvas import BLUE, ORANGE

figure, (axes,) = panels(
    1, height=2.5, title="Five epochs: from guessing to half of it right" if files else "Five epochs"
)
seen, held = zip(*history, strict=True)
axes.plot(range(1, epochs + 1), seen, "o--", color=ORANGE, label="training")
axes.plot(range(1, epochs + 1), held, "o-", color=BLUE, label="test")
axes.axhline(0.1, color="#8c8c8c", linewidth=0.8)
axes.text(epochs, 0.11, "guessing", ha="right", va="bottom")
axes.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1), xticks=range(1, epochs + 1))
axes.legend(frameon=False)
show(figure, f"{held[-1]:.0%} of the test pictures are right after five epochs; guessing (grey line) gets 10 %.")
# %% [markdown]
# Why not 94 %? The program saw a tenth of the photographs, five times, with a small network. `train.py cifar10` uses
# all of them, a larger network, and the remedies of lesson 10.
#
# ## What it looks for: filters and feature maps
# %%
filters = model[1].W  # (5, 5, C, 16)
figure, axes = tiles(16, 8, title="After five epochs the sixteen filters are still noisy")
for c, panel in enumerate(axes):
    one = 0.5 + 0.5 * filters[..., c] / abs(filters[..., c]).max()  # (5, 5, C): mid-grey is 0
    panel.imshow(one.squeeze(), cmap="gray", vmin=0, vmax=1)
sizes = np.sqrt((filters**2).sum(axis=(0, 1, 2)))  # (16,)
show(
    figure,
    f"The filters of the first layer, each scaled on its own; lengths from {sizes.min():.2f} to {sizes.max():.2f}.",
)
k = int(np.flatnonzero(p.argmax(axis=1) == test.y)[0])  # the first picture that is right
answers = model[2].forward(model[1].forward(model[0].forward(test.x[k : k + 1])))[0]  # (H, W, 16)
figure, axes = tiles(5, 5, title=f"A test picture ({classes[test.y[k]]}), and where four of the filters answer")
strongest = np.argsort(-answers.std(axis=(0, 1)))[:4]
axes[0].imshow(test.x[k].squeeze(), cmap="gray")
for panel, c in zip(axes[1:], strongest, strict=True):
    panel.imshow(answers[..., c], cmap="gray")
show(
    figure,
    f"White: a strong answer. Of all numbers in the 16 feature maps (the four liveliest are shown), "
    f"{(answers == 0).mean():.0%} are 0: cut off by ReLU.",
)
# %% [markdown]
# First filters nearly always become the same few things, whatever the photographs: edges in some direction, and
# patches of colour. After five epochs they are still noisy.
#
# ## Confident mistakes
#
# The most useful pictures of all are those where the network was sure, and wrong. Look at them before you change
# anything: often it is the label, or the picture, that is odd.
# %%
wrong = np.flatnonzero(p.argmax(axis=1) != test.y)
worst = wrong[np.argsort(-p[wrong].max(axis=1))][:5]
figure, axes = tiles(5, 5, label=0.35, title="Sure, and wrong")
for panel, n in zip(axes, worst, strict=True):
    panel.imshow(test.x[n].squeeze(), cmap="gray")
    panel.set_xlabel(f"said: {classes[p[n].argmax()]}, {p[n].max():.0%}\ntruth: {classes[test.y[n]]}", fontsize=8)
show(
    figure,
    f"The five surest of {len(wrong)} mistakes; the network gave its answer at least {p[worst].max(axis=1).min():.0%}.",
)


# %% [markdown]
# ## Where does it look? Occlusion maps
#
# Cover a part of the picture with a grey square, and see how much probability the right class loses. Move the square
# everywhere: an **occlusion map** (Zeiler and Fergus, arXiv 1311.2901). No gradient, no formula, and it works for any
# classifier.
# %%
def occlusion(picture, label, side):
    before = softmax(model.forward(picture[None]))[0, label]
    places = [(r, c) for r in range(H - side + 1) for c in range(W - side + 1)]
    covered = np.repeat(picture[None], len(places), axis=0)  # (places, H, W, C)
    for n, (r, c) in enumerate(places):
        covered[n, r : r + side, c : c + side] = mean
    return (before - softmax(model.forward(covered))[:, label]).reshape(H - side + 1, -1)


right = np.flatnonzero((p.argmax(axis=1) == test.y) & (p.max(axis=1) > 0.6))[:6]
drops = [occlusion(test.x[n], test.y[n], H // 4) for n in right]
figure, axes = tiles(6, 6, label=0.2, title="Three pictures, and beside each where covering it hurts (white)")
for i in range(3):
    axes[2 * i].imshow(test.x[right[i]].squeeze(), cmap="gray")
    axes[2 * i + 1].imshow(drops[i], cmap="gray")
    axes[2 * i].set_xlabel(classes[test.y[right[i]]], fontsize=8)
text = ", ".join(f"{drop.max():.0%}" for drop in drops[:3])
show(figure, f"Covering a sixteenth of the picture costs up to {text} of probability, at the worst place.")
ratio = np.mean([drop.max() for drop in drops]) / np.mean([abs(np.median(drop)) for drop in drops])
check("the worst place costs more than three times what the middling place costs", ratio > 3)
# %% [markdown]
# Look closely, and try more pictures, ships above all: does covering the *water* cost as much as covering the ship?
# The network would not be cheating. If water was a good clue in its training photographs, the loss asked for nothing
# else.
#
# ## An experiment that surprises: four steps of brightness
#
# Backpropagation can go on to the pixels: `dx` says how the loss reacts to each. Move every pixel by 4 of its 255 steps
# (digits: 40) in the direction of the *sign* of `dx` (Goodfellow and others, arXiv 1412.6572). For comparison, the same
# 4 steps up or down at random.
# %%
model.need_dx(True)
size = 4 if files else 40
criterion.forward(model.forward(test.x.astype(np.float32)), test.y)
dx = model.backward(criterion.backward())  # (1000, H, W, C)
signs = {"at random": rng.choice([-1, 1], test.x.shape), "against the network": np.sign(dx)}
share = {}
for name, sign in signs.items():
    changed = np.clip(test.x + size * sign, 0, 255).astype(np.float32)
    share[name] = (model.forward(changed).argmax(axis=1) == test.y).mean()
print(f"unchanged {accuracy:.1%};", ", ".join(f"{size} steps {name}: {value:.1%}" for name, value in share.items()))
check("steps at random cost less than 8 points", accuracy - share["at random"] < 0.08)
check("the same steps against the network cost more than 15", accuracy - share["against the network"] > 0.15)
# %% [markdown]
# You cannot see the difference, and the network falls. In a sum of thousands of pixels, $D$ tiny pushes *in the same
# direction* add up to $D$ times one of them; of random ones most cancel, and about $\sqrt D$ are left (their mean
# squares add, lesson 9). It is not a defect of this network; large ones have it too. A probability of 99 % is a
# statement about pictures like those it has seen, nothing more.
#
# ## What can go wrong
#
# - **0 to 255 fed in as it is**: the signal is a hundred times too large (lesson 9). `Normalize` is the first layer.
# - **Mean and spread of the test pictures used.** They belong to the training pictures, and travel with the model.
# - **Planes instead of pixels.** CIFAR-10's files store all red, then all green, then all blue. A `reshape` without
#   `transpose` gives coloured stripes, and the network still learns something. Look at your pictures.
# - **Flipping digits.** Mirrored copies make more pictures to train on (lesson 10): a mirrored cat is a cat, a mirrored
#   3 is nothing.
# - **Choosing by the test pictures**: every look at them makes them a little less a test. Hold out others for that, a
#   **validation set**.
#
# ## Check yourself
#
# **1.** The same network for photographs of $64 \times 64$. Which parameters change, and how many are there?
#
# <details><summary>Answer</summary>
#
# Only the linear layer: $8 \cdot 8 \cdot 32 = 2048$ inputs, 20,490 parameters instead of 5,130; 35,594 in all.
#
# </details>
#
# **2.** The first layer's filters are to be $3 \times 3$ instead of $5 \times 5$, with padding 1. How many parameters
# and products has it then?
#
# <details><summary>Answer</summary>
#
# $9 \cdot 3 \cdot 16 + 16 = 448$ parameters and $32 \cdot 32 \cdot 16 \cdot 27 = 442{,}368$ products.
#
# </details>
#
# **3.** Training loss at the start: 9.7, ten classes. What do you suspect?
#
# <details><summary>Answer</summary>
#
# Scores that are far too large: unscaled pixels or too large weights. It should be 2.3.
#
# </details>
#
# **4.** An occlusion map is 0 everywhere, though the picture is recognised with 99 %. How can that be?
#
# <details><summary>Answer</summary>
#
# The clue is there more than once, or it is spread over the whole picture; no single square removes it.
#
# </details>
#
# **5.** A picture of $32 \times 32 \times 3$, every pixel moved by 4 against a score whose weights are $\pm 0.01$. How
# much can that linear score fall?
#
# <details><summary>Answer</summary>
#
# $3072 \cdot 4 \cdot 0.01 = 123$. At random: about $\sqrt{3072} \cdot 0.04 = 2.2$.
#
# </details>
#
# ## Exercises
#
# This lesson's pieces are those of exercises 4 to 7; put your own `conv2d`, `max_pool2d`, `relu` and `linear` into "The
# same, from your own pieces". Then train longer: `python train.py cifar10 --model cnn6`.
