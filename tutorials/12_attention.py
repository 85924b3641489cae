# %% [markdown]
# # 12. Attention
#
# You build: a layer that decides by a softmax which words to look at, its backward pass, and heat maps of it. You
# need: lessons 1, 2, 5 and 11. Minutes: 35.
#
# "Pretty snow, sure, like a postcard, but I've been digging out the car for an hour." Lesson 11 took the mean over
# all words, and *for* weighed as much as *pretty*. Could the network itself decide which words count, and could we
# then see what it looked at? And if we see it: does that explain its answer?
#
# ## By hand: a mean with weights
#
# Three words with vectors of two numbers: $x_0 = (1, 0)$, $x_1 = (0, 1)$, $x_2 = (2, 2)$. **Attention** gives each
# word a score by a vector $w$ that is learned, here $w = (0, \log 2)$: $e_l = x_l \cdot w$, so $e = (0, \log 2, 2
# \log 2)$. A softmax over the *positions* makes weights of them: $a = (1, 2, 4)/7$. And the result is the weighted
# mean,
#
# $$y = \sum_l a_l x_l = \tfrac17 (1, 0) + \tfrac27 (0, 1) + \tfrac47 (2, 2) = (\tfrac97, \tfrac{10}7)$$
#
# Softmax again, but inside the network: not over classes, and nobody ever tells it which words were the right ones.
# %%
import numpy as np
from lesson import check, panels, show

from minnet.functional import softmax


def attention_forward(x, w):
    e = x @ w  # (L, D), (D,) -> (L,): scores
    a = softmax(e)  # (L,): weights, their sum is 1
    return a @ x, a  # (D,), (L,)


x = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])  # (L, D): L = 3 words, D = 2
w = np.array([0.0, np.log(2)])  # (D,)
y, a = attention_forward(x, w)
print("weights", a.round(3), "result", y.round(3))
check(
    "the weights are 1/7, 2/7, 4/7 and the result is (9/7, 10/7)",
    np.allclose(a, np.array([1, 2, 4]) / 7) and np.allclose(y, np.array([9, 10]) / 7),
)
check("with w = 0 attention is the plain mean", np.allclose(attention_forward(x, 0 * w)[0], x.mean(axis=0)))


# %% [markdown]
# ## The way back
#
# A word reaches $y$ in two ways: directly, as a term of the sum, and through the weights. Let $r_l = dy \cdot x_l$,
# which is $\partial L/\partial a_l$: how much the loss would rise if word $l$ got more weight. Softmax's backward pass
# (lesson 2, with its product that needs no Jacobian) turns it into
#
# $$de_l = a_l \Big(r_l - \sum_m a_m r_m\Big), \qquad dw = \sum_l de_l\, x_l, \qquad dx_l = a_l\, dy + de_l\, w$$
#
# Read the first formula: a word whose $r_l$ lies below the weighted mean of all $r$ helps more than average, so its
# score rises. That is how a network learns where to look without being told: words compete, and whoever lowered the
# loss more than the others gets more.
# %%
def attention_backward(x, w, a, dy):
    r = x @ dy  # (L,)
    de = a * (r - a @ r)  # (L,)
    dw = x.T @ de  # (D,)
    dx = np.outer(a, dy) + np.outer(de, w)  # (L, D): directly, and through the weights
    return dx, dw, de


def slopes(loss, array):
    measured = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + 1e-6
        above = loss()
        array[index] = kept - 1e-6
        measured[index] = (above - loss()) / 2e-6
        array[index] = kept
    return measured


rng = np.random.default_rng(0)
x, w, dy = rng.standard_normal((5, 4)), rng.standard_normal(4), rng.standard_normal(4)
y, a = attention_forward(x, w)
dx, dw, de = attention_backward(x, w, a, dy)
measured_x = slopes(lambda: attention_forward(x, w)[0] @ dy, x)
measured_w = slopes(lambda: attention_forward(x, w)[0] @ dy, w)
check("measured and derived dx agree to 8 decimals", abs(dx - measured_x).max() < 1e-8)
check("measured and derived dw agree to 8 decimals", abs(dw - measured_w).max() < 1e-8)
check("the changes of the scores sum to 0: attention is only ever moved, never made", abs(de.sum()) < 1e-12)
# %% [markdown]
# ## The same in minnet, and padding
#
# A batch holds texts of different lengths, filled up with zeros. A padded place has score $0 \cdot w = 0$, not
# $-\infty$: it would get weight. So minnet sets the scores of padding to $-\infty$ before the softmax, and
# $e^{-\infty} = 0$ does the rest. That is called a **mask**. For a batch, and with texts that are padding throughout:
#
# ```python
# e = np.where(mask, x @ w, -np.inf)                  # (N, L)
# top = e.max(axis=1, keepdims=True)                  # (N, 1), -inf if nothing is there
# u = np.exp(e - np.where(np.isfinite(top), top, 0))  # (N, L)
# total = u.sum(axis=1, keepdims=True)                # (N, 1), 0 if nothing is there
# a = u / np.where(total > 0, total, 1)
# ```
# %%
from minnet.layers import AttentionPool

layer = AttentionPool(4).astype(np.float64)
layer.W[...] = w  # minnet calls this vector W, as all weights
padded = np.zeros((1, 8, 4))  # (N, L, D): five words, three places of padding
padded[0, :5] = x
without = layer.forward(padded)[0]
layer.mask = np.array([[True] * 5 + [False] * 3])  # (N, L)
masked = layer.forward(padded)[0]
print("ours", y.round(2), "minnet masked", masked.round(2), "without the mask", without.round(2))
check("our attention is minnet's with a mask", np.allclose(masked, y))
check("without the mask padding gets weight, and the result is another", not np.allclose(without, y, atol=0.01))
layer_dx = layer.backward(dy[None])
check("our gradients are minnet's", np.allclose(layer_dx[0, :5], dx) and np.allclose(layer.dW, dw))
# %% [markdown]
# ## On the comments
#
# minnet's `attention` model: vectors of words, attention, one linear layer. We train it twice: as it is, and with $w$
# frozen at 0, which is the plain mean of lesson 11 in the same network.
# %%
from minnet import data, models
from minnet.data import TokenIds, tokenize
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import Adam
from minnet.training import Trainer, predict

comments = data.load("comments")
train_texts = comments.train.x + comments.validation.x
train_y = np.concatenate([comments.train.y, comments.validation.y])
test_texts, test_y = comments.test.x, comments.test.y
encoder = TokenIds(max_length=40, min_count=2).fit(train_texts)
ids, test_ids = encoder.transform(train_texts), encoder.transform(test_texts)  # (480, 40), (120, 40)


def trained(flat):
    model = models.attention(encoder.rows, 3, seed=0, dimensions=32)
    if flat:
        model.layers[2].W[...] = 0
        model.layers[2].freeze("W")
    trainer = Trainer(model, SoftmaxCrossEntropy(), Adam(model, 5e-3), seed=0, workers=1)
    trainer.fit((ids, train_y), epochs=20, batch_size=32, progress=False)
    return model


model, flat = trained(False), trained(True)
right = [predict(each, test_ids).argmax(axis=1) == test_y for each in (model, flat)]
gain = right[0].astype(float) - right[1]  # (120,): 1, 0 or -1
drawn = gain[rng.integers(120, size=(2000, 120))].mean(axis=1)  # lesson 13: on test sets drawn from ours
low, high = np.quantile(drawn, [0.025, 0.975])
print(f"attention {right[0].mean():.0%}, plain mean {right[1].mean():.0%} of 120 unseen comments")
print(f"attention minus mean: {gain.mean():+.3f}, 95 % interval {low:+.3f} to {high:+.3f}")
check("with attention more than half of the unseen comments are right", right[0].mean() > 0.5)
check("the frozen weights stayed at 0", (flat.layers[2].W == 0).all())
lengths = np.linalg.norm(flat.layers[0].W, axis=1)  # (V,): of each word's vector, where all places weigh alike
the, to, love, awful = (lengths[encoder.transform([word])[0, 0]] for word in ("the", "to", "love", "awful"))
print(f"lengths of vectors for the plain mean: the {the:.1f}, to {to:.1f}, love {love:.1f}, awful {awful:.1f}")
check("love and awful have vectors twice as long as the and to have", min(love, awful) > 2 * max(the, to))
# %% [markdown]
# Read the interval before you read the two numbers. If it holds 0, nothing was shown in favour of either. With short
# comments and few of them, one can learn *words* well enough without learning where to look: the vectors of words
# that say nothing stay short, and so weigh little in a plain mean, too.
#
# Here is where it looks. Shades are relative: in each comment the heaviest word is the darkest. (Words that training
# showed only once, such as *postcard*, are unknown: to the network all one and the same token.)
# %%
from matplotlib import colormaps

from minnet.canvas import BLUE, ORANGE

pool = model.layers[2]
wanted = ("Pretty snow", "Three meetings", "What a beautiful", "Don't listen")
chosen = [next(i for i, text in enumerate(test_texts) if text.startswith(start)) for start in wanted]
z = predict(model, test_ids)  # (120, K)
figure, (axis,) = panels(1, height=2.1, title="Where the network looks: a comment's darkest word is its heaviest")
axis.axis("off")
axis.set(xlim=(0, 100), ylim=(1.3, 5))
tops, height = [], 6.0
for n in chosen:
    model.eval().forward(test_ids[n : n + 1])
    a, tokens = pool.weights[0], tokenize(test_texts[n])  # (L,), and as many words
    tops.append(f"{tokens[a.argmax()]} {a.max():.0%}")
    column, height = 0.0, height - 1.0
    for token, weight in zip(tokens, a / a.max(), strict=False):
        if column + len(token) > 97:
            column, height = 0.0, height - 0.8
        box = {"facecolor": colormaps["Blues"](0.85 * weight), "edgecolor": "none", "pad": 1.5}
        ink = "white" if weight > 0.6 else "black"
        axis.text(column, height, token, va="top", color=ink, family="monospace", bbox=box)
        column += 1.13 * len(token) + 1.6
show(figure, "The heaviest word of each comment and its weight, from the top: " + ", ".join(tops) + ".")
# %% [markdown]
# ## An experiment that surprises: do the weights explain?
#
# It is tempting to say "it answered *positive* because it looked at *beautiful*". A claim like that can be tested:
# take one word away and see how far the probability of the given answer falls. If weights explained, words with large
# weight would be those whose removal changes most. We do it for every word of every test comment, and beside the
# attention we try another candidate: what the word *brings*, its weight times its vector times the linear layer, as
# in lesson 11.
# %%
table, linear = model.layers[0], model.layers[3]
weights, brings, falls, hits = [], [], [], []
base = softmax(z)
for n in range(120):
    length = int((test_ids[n] > 0).sum())
    k = base[n].argmax()
    taken = np.repeat(test_ids[n : n + 1], length, axis=0)  # (L, 40): the comment, once a word
    taken[np.arange(length), np.arange(length)] = 0  # row l without word l
    fall = base[n, k] - softmax(model.forward(taken))[:, k]  # (L,)
    model.forward(test_ids[n : n + 1])
    a = pool.weights[0, :length].copy()  # (L,)
    against = linear.W[:, k] - linear.W.mean(axis=1)  # (D,): class k against the mean of all
    bring = a * (table.W[test_ids[n, :length]] @ against)  # (L,)
    weights.append(a - a.mean())
    brings.append(bring - bring.mean())
    falls.append(fall - fall.mean())  # within a comment: long ones have small weights throughout
    hits.append((a.argmax() == fall.argmax(), bring.argmax() == fall.argmax()))
weights, brings, falls = (np.concatenate(each) for each in (weights, brings, falls))
with_weight, with_bring = np.corrcoef(falls, weights)[0, 1], np.corrcoef(falls, brings)[0, 1]
hits = np.array(hits, float)  # (120, 2)
print(f"the word with the most weight is the one that matters most in {hits[:, 0].mean():.0%} of the comments,")
print(f"the one that brings most in {hits[:, 1].mean():.0%}")
gains = (hits[:, 1] - hits[:, 0])[rng.integers(120, size=(2000, 120))].mean(axis=1)
low, high = np.quantile(gains, [0.025, 0.975])
print(f"difference {gains.mean():.2f}, 95 % interval {low:.2f} to {high:.2f}")
check("what a word brings names the word that matters most more often than its weight: interval above 0", low > 0)
check(
    "in at least a fifth of the comments the word with the most weight is not the one that matters most",
    hits[:, 0].mean() < 0.8,
)
figure, axes = panels(2, height=2.9, title="Where it looks is a clue to why it answers, and no more")
for axis, values, colour, name in ((axes[0], weights, ORANGE, "weight"), (axes[1], brings, BLUE, "what it brings")):
    axis.plot(values, falls, ".", color=colour, markersize=3)
    axis.axhline(0, color="grey", linewidth=0.6)
    axis.set(xlabel=f"{name}, against the comment's mean", ylabel="fall when taken away")
show(
    figure,
    f"Every word of 120 comments: its weight has a correlation of {with_weight:.2f} with the fall of the "
    f"probability when it is taken away; what it brings, {with_bring:.2f}.",
)
# %% [markdown]
# So the weight is a clue and not a reason: in one comment of three it points to the wrong word. A weight says *how
# much* of a vector is taken, not what the vector says: one word can get half of the attention and push towards
# another class. Weight is never negative; an argument is for or against. So a heat map of attention shows where the
# network looks, which is worth seeing when you hunt for mistakes, and it explains an answer only as far as a test
# like this says. In large networks words have been mixed many times before they are weighed, and the map is further
# still from a reason. (Jain and Wallace, arXiv 1902.10186, tried it on many data sets; Wiegreffe and Pinter, arXiv
# 1908.04626, answered that it depends on what one calls an explanation.)
#
# ## What can go wrong
#
# - **No mask**: short texts are diluted by padding, and results depend on what else is in the batch.
# - **Softmax over the wrong axis**: over features or over the batch. The sum over $l$ must be 1 for each text.
# - **A text of padding only**: all scores are $-\infty$, and $-\infty - (-\infty)$ is NaN. minnet answers zeros: it
#   does not mask such a text, and multiplies its weights by 0 after the softmax (the lines above give the same).
# - **Scores too large**: one weight is 1, the others 0, and $de \approx 0$: saturated, as in lesson 2. Transformers,
#   the networks behind today's language models, divide their scores by $\sqrt D$ for that reason (Vaswani and others,
#   arXiv 1706.03762, 3.2.1): a sum of $D$ random products of unit size is about $\sqrt D$ large (lesson 8).
# - **Reading a heat map as a reason**, above all for someone who will be judged by it.
#
# ## Check yourself
#
# **1.** Scores $(0, 0, \log 3)$, vectors $5, 10, 15$ (one number each). The result?
#
# <details><summary>Answer</summary>
#
# Weights $(0.2, 0.2, 0.6)$: $1 + 2 + 9 = 12$.
#
# </details>
#
# **2.** The same with a fourth, padded place of vector 0, first without, then with a mask?
#
# <details><summary>Answer</summary>
#
# Its score is 0, so the weights are $(1, 1, 3, 1)/6$ and the result is $(5 + 10 + 45)/6 = 10$. With a mask, 12.
#
# </details>
#
# **3.** For 1., $dy = 1$. What is $de$?
#
# <details><summary>Answer</summary>
#
# $r = (5, 10, 15)$, its weighted mean 12: $de = (0.2 \cdot -7,\ 0.2 \cdot -2,\ 0.6 \cdot 3) = (-1.4, -0.4, 1.8)$. Sum
# 0.
#
# </details>
#
# **4.** All words of a comment have the same vector. What is $dw$?
#
# <details><summary>Answer</summary>
#
# All $r_l$ are equal, so $de = 0$ and $dw = 0$: where to look makes no difference.
#
# </details>
#
# **5.** Shuffle the words of a comment. What happens to weights and result?
#
# <details><summary>Answer</summary>
#
# The weights move with their words, the result stays. This attention, too, is a bag.
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e16_attention_pool.py`: attention with a mask, for a batch. Check it with `python -m
# tutorials.exercises check 16`.
