# %% [markdown]
# # 11. Words
#
# You build: three ways from a comment to numbers (counts, vectors, filters over neighbouring words), each with a
# classifier behind it. You need: lessons 4, 5 and 7. Minutes: 45.
#
# "Three meetings to decide when the next meeting is. I love my job." Every reader knows what this person feels. A
# network knows nothing but numbers, and a sentence is not one, nor is it an image: it has no fixed length, and the
# letters of *love* are no closer to those of *adore* than to those of *glove*. How does a comment become an input, and
# what gets lost on the way?
#
# ## By hand: counting
#
# Cut a text into **tokens** (words, marks, emoji), list all tokens of the training texts (the **vocabulary**), and
# count. Three comments: "great soup", "not great", "great great pizza":
#
# | | great | not | pizza | soup |
# |---|---|---|---|---|
# | great soup | 1 | 0 | 0 | 1 |
# | not great | 1 | 1 | 0 | 0 |
# | great great pizza | 2 | 0 | 1 | 0 |
#
# A row of numbers for each text, and lesson 4 can start. Order is gone, which gives it its name: a **bag of words**.
# %%
import numpy as np
from lesson import check, panels, show

from minnet import data
from minnet.functional import softmax

texts = ["great soup", "not great", "great great pizza"]
vocabulary = sorted({token for text in texts for token in text.split()})  # D words
column = {token: d for d, token in enumerate(vocabulary)}
counts = np.zeros((len(texts), len(vocabulary)))  # (N, D)
for n, text in enumerate(texts):
    for token in text.split():
        counts[n, column[token]] += 1
print(vocabulary, counts.astype(int).tolist())
check("the third comment counts 2 great, 1 pizza and nothing else", (counts[2] == [2, 0, 1, 0]).all())


# %% [markdown]
# ## Rare words say more
#
# *The* is everywhere and says nothing; *delicious* is rare and says a lot. So a count is weighted by rarity. Of $N$
# texts, $n_j$ hold word $j$; the **inverse document frequency** is $1 + \log\frac{1 + N}{1 + n_j}$. A count $c$ enters
# as $1 + \log c$, for the tenth *great* adds less than the first; and each row is brought to length 1, so that long
# comments do not shout. For "great great pizza" by hand: *great* is in 3 of 3 texts, weight 1, and
# $(1 + \log 2) \cdot 1 = 1.69$; *pizza* is in 1 of 3, $1 + \log 2 = 1.69$. Both 1.69, so after scaling both 0.71.
# %%
def weighted(counts, idf):
    x = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * idf  # (N, D)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)  # rows of length 1


idf = 1 + np.log((1 + len(texts)) / (1 + (counts > 0).sum(axis=0)))  # (D,)
x = weighted(counts, idf)  # (N, D)
print(x.round(2).tolist())
check("in great great pizza both words weigh 0.71", np.allclose(x[2, [0, 2]], 0.7071, atol=1e-4))
# %% [markdown]
# ## The same in minnet
#
# `Ngrams` does this with a sparse matrix, which keeps only what is not zero. Its tokenizer also knows emoji, `don't`
# and "sooooo", and it can count **n-grams**: runs of $n$ neighbouring tokens, such as "not great", which is a feature
# of its own and may well be negative. That is the cheapest cure for the lost order.
# %%
from minnet.data import Ngrams

theirs = Ngrams(words=(1, 1), characters=None, min_count=1).fit_transform(texts)  # single words; sparse (N, D)
check("our weighted counts are minnet's", np.allclose(theirs.toarray(), x, atol=1e-6))

comments = data.load("comments")  # 600: 420 to train on, 60 to validate, 120 to test; 0 negative, 1 neutral, 2 positive
train_texts = comments.train.x + comments.validation.x
train_y = np.concatenate([comments.train.y, comments.validation.y])
test_texts, test_y = comments.test.x, comments.test.y
words = Ngrams(words=(1, 1), characters=None, min_count=1).fit(train_texts)
pairs = Ngrams(words=(1, 2), characters=None, min_count=1).fit(train_texts)
print(f"{len(train_texts)} comments hold {len(words):,} different words and {len(pairs) - len(words):,} pairs")


# %% [markdown]
# ## Lesson 4 again
#
# The loop has not changed: scores, probabilities, $p - t$. Only $x$ is sparse now, and `x.T @ dz` touches only the
# words that occur.
# %%
def fit(x, y, steps=300, eta=20.0):
    W, t = np.zeros((x.shape[1], 3)), np.eye(3)[y]  # (D, K), (N, K)
    for _ in range(steps):
        dz = (softmax(x @ W) - t) / len(t)  # (N, K)
        W -= eta * (x.T @ dz)  # (D, K)
    return W


W = fit(words.transform(train_texts), train_y)
right = (words.transform(test_texts) @ W).argmax(axis=1) == test_y  # (120,)
print(f"words alone: {right.mean():.0%} of 120 unseen comments are right; guessing gives 33 %")
telling = {name: [words.features[j] for j in W[:, k].argsort()[::-1][:8]] for k, name in enumerate(comments.classes)}
for name, found in telling.items():
    print(f"{name}: {' '.join(found)}")
check("words alone get more than half of 120 unseen comments right", right.mean() > 0.5)
W2 = fit(pairs.transform(train_texts), train_y)
right2 = (pairs.transform(test_texts) @ W2).argmax(axis=1) == test_y  # (120,)
print(f"pairs: {right2.mean():.0%}; only they right: {(right2 & ~right).sum()}, only words: {(right & ~right2).sum()}")
# %% [markdown]
# Read the lists. *awful*, *love* and a question mark for neutral are what one expects, but *nice*, a negative word? It
# is no bug: *nice* occurs in six of the 480 comments, all of them negative, such as "Looks nice, works terribly." A
# weight knows what the training texts did with a word, not what it means.
#
# Do pairs help? On 120 comments, the two differ on a handful, some to this side and some to that. Nothing can be said
# from so few (lesson 13 says how to know). 480 comments hold most of their pairs only once, and a weight needs
# examples.
#
# ### Negation
#
# A bag does not know which word follows *not*. *not* has one weight, whether it is followed by *happy* or by *bad*; and
# "not happy" becomes a feature of its own only where it occurred in training. How much does that cost? (`error` below
# says how far chance could have moved the difference: lesson 13.)
# %%
negated = np.array(["not" in text.lower().split() or "n't" in text.lower() for text in test_texts])  # (120,)
found = [right[negated].mean(), right[~negated].mean()]
error = np.sqrt(sum(q * (1 - q) / n for q, n in zip(found, (negated.sum(), (~negated).sum()), strict=True)))
print(f"right: {found[0]:.0%} of the {negated.sum()} comments with not or n't, {found[1]:.0%} of the others")
print(f"not happy: positive with {softmax(words.transform(['not happy']) @ W)[0, 2]:.0%}")
check("with not or n't fewer are right: the interval of the difference is above 0", found[1] - found[0] > 1.96 * error)
# %% [markdown]
# These numbers do not say whether *not* alone is to blame: such comments may be harder in other ways, too.
#
# The model is a list of weights, so it can be asked for its reasons: each word of a comment pushes the score of a
# class by $x_j W_{jk}$, and the score is the sum of the pushes. Here is our ironic colleague.
# %%
from minnet.canvas import BLUE, ORANGE

irony = next(text for text in test_texts if text.startswith("Three meetings"))
row = words.transform([irony]).toarray()[0]  # (D,)
present = np.flatnonzero(row)
push = row[present] * (W[present, 2] - W[present, 0])  # towards positive, against negative
order = push.argsort()
p, without = softmax(words.transform([irony, irony.replace("love", "")]) @ W)  # (K,), twice
figure, (bars,) = panels(1, height=3.4, title="One loving word decides, and the irony is lost")
bars.barh(range(len(order)), push[order], color=np.where(push[order] > 0, BLUE, ORANGE), edgecolor="black")
bars.set_yticks(range(len(order)), [words.features[present[i]] for i in order])
bars.axvline(0, color="black", linewidth=0.8)
bars.set(xlabel="push of the word: positive minus negative score")
show(
    figure,
    f"'{irony}' Positive {p[2]:.0%}, neutral {p[1]:.0%}, negative {p[0]:.0%}; without love, neutral {without[1]:.0%}.",
)
check("the strongest push towards positive comes from love", words.features[present[order[-1]]] == "love")
check("the sum of the pushes is the difference of the scores", np.isclose(push.sum(), (row @ W)[2] - (row @ W)[0]))


# %% [markdown]
# Irony says the opposite of what it means; no weight for single words can see it, and neither can one for pairs that
# never occurred in training.
#
# ## Words as vectors
#
# To a count, *love* and *adore* are as different as *love* and *bus*. An **embedding** gives each token a learned
# vector of, say, $D = 32$ numbers: row $v$ of a table $E$, $(V, D)$, for a vocabulary of $V$ tokens. (Library and
# exercise call it $W$, like all weights.) A text is then a list of $L$ ids. A lookup is a matrix product in disguise:
# with $o$ the one-hot row of token $v$ (lesson 3), $oE = E_v$. So Linear's derivation (lesson 5) holds, $dE = o^\top
# dy$: the gradient goes to the rows that were looked up and, if one was looked up twice, adds up there. All other
# rows have gradient zero and are not touched.
#
# By hand: tokens $(2, 0, 2)$, and $y$ their mean. Each place gets $dy/3$; so row 2 gets $2\,dy/3$, row 0 gets $dy/3$.
# %%
def bag_forward(E, ids):
    return E[ids].mean(axis=0)  # (L, D) -> (D,)


def bag_backward(E, ids, dy):
    dE = np.zeros_like(E)  # (V, D)
    np.add.at(dE, ids, dy / len(ids))  # adds up where an id is repeated; dE[ids] += ... would not
    return dE


rng = np.random.default_rng(0)
E, ids = rng.standard_normal((4, 5)), np.array([2, 0, 2])
dy = rng.standard_normal(5)
dE = bag_backward(E, ids, dy)
check(
    "row 2 gets two thirds of dy, row 0 a third, the others nothing",
    np.allclose(dE, np.outer([1 / 3, 0, 2 / 3, 0], dy)),
)
measured = np.zeros_like(E)
for v, d in np.ndindex(E.shape):
    step = np.zeros_like(E)
    step[v, d] = 1e-6
    measured[v, d] = (bag_forward(E + step, ids) - bag_forward(E - step, ids)) @ dy / 2e-6
check("measured and derived gradient of the table agree to 8 decimals", abs(measured - dE).max() < 1e-8)

from minnet.layers import Conv2d, EmbeddingBag

bag = EmbeddingBag(5, 5).astype(np.float64)  # id 0 is padding in minnet, so our ids move up by one
bag.W[1:] = E
check("our mean of vectors is minnet's", np.allclose(bag.forward(ids[None] + 1)[0], bag_forward(E, ids)))
bag.backward(dy[None])
check("minnet keeps only the rows that were used, and they are ours", np.allclose(bag.dW.values, dE[bag.dW.rows - 1]))
# %% [markdown]
# ## Filters over neighbouring words
#
# A mean of vectors is still a bag. A **text CNN** slides filters over the sentence as lesson 7 slid them over images:
# a filter of size 3 sees three neighbouring vectors, $3 \times D$ numbers, and answers with one. The largest answer
# over all places says "somewhere in here it says *not at all*-like things", wherever it stands.
# %%
sentence = rng.standard_normal((7, 5))  # (L, D): seven words
filters = rng.standard_normal((3, 5, 2))  # (size, D, filters)
windows = np.stack([sentence[i : i + 3] for i in range(5)])  # (5, 3, D): five places
answers = windows.reshape(5, -1) @ filters.reshape(-1, 2)  # (5, 3*D) @ (3*D, 2): lesson 7's one product
strongest = answers.max(axis=0)  # (2,)
conv = Conv2d(5, 2, (3, 1), bias=False).astype(np.float64)
conv.W[...] = filters[:, None]  # (3, 1, D, 2): an image one pixel wide
theirs = conv.forward(sentence[None, :, None])[0, :, 0]  # (5, 2)
check("a filter over three words is minnet's convolution on an image one pixel wide", np.allclose(theirs, answers))
# %% [markdown]
# ## An experiment that surprises: shuffle the words
#
# We train minnet's text CNN (filters over 1, 3 and 5 words) on the comments, then ask twice about each test comment:
# as written, and with its words in random order: "love job Three I meetings my to …". Nobody could read that.
# %%
from minnet import models
from minnet.data import TokenIds, tokenize
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import Adam
from minnet.training import Trainer, predict

encoder = TokenIds(max_length=32).fit(train_texts)
cnn = models.text_cnn(encoder.rows, 3, seed=0, dimensions=32, filters=32)
trainer = Trainer(cnn, SoftmaxCrossEntropy(), Adam(cnn, 4e-3), seed=0, workers=1)
history = trainer.fit((encoder.transform(train_texts), train_y), epochs=8, batch_size=32, progress=False)
shuffled = [" ".join(rng.permutation(tokenize(text))) for text in test_texts]
answers = {}
for name, asked in (("as written", test_texts), ("shuffled", shuffled)):
    answers[name] = predict(cnn, encoder.transform(asked)).argmax(axis=1)  # (120,)
    print(f"text CNN, {name}: {(answers[name] == test_y).mean():.0%} right")
kept = (answers["as written"] == answers["shuffled"]).mean()
print(f"the same answer to both: {kept:.0%}; training accuracy {history[-1]['train_accuracy']:.0%}")
check("the text CNN gives the same answer to more than two thirds of the shuffled comments", kept > 2 / 3)
bag_answers = [(words.transform(asked) @ W).argmax(axis=1) for asked in (test_texts, shuffled)]
check("counting words gives the same answer to every shuffled comment", (bag_answers[0] == bag_answers[1]).all())
# %% [markdown]
# A network that *can* read order has learned, from 480 comments, mostly which words to look for. That something can
# be expressed does not mean that it was learned. Nor is there any sign here that it beats counting words; perhaps its
# filters need more text than this.
#
# ## Prior shift
#
# Our training comments are a third each. On a fan page, say, 10 % are negative, 30 % neutral and 60 % positive. If
# only the shares change and not how each class writes, that is **prior shift**. By Bayes' rule a class's probability
# is in proportion to its share $\pi_k$ times how likely such a text is in that class; the second factor stays. So it
# can be mended without training: multiply each probability by new share over old, $\pi'_k/\pi_k$, and bring the sum
# back to 1. By hand, $p = (0.40, 0.35, 0.25)$: times $(0.3, 0.9, 1.8)$ gives $(0.12, 0.315, 0.45)$, divided by
# $0.885$: $(0.14, 0.36, 0.51)$. The answer changed from negative to positive. In scores it is one addition: $z_k +
# \log(\pi'_k / \pi_k)$.
# %%
old, new = np.full(3, 1 / 3), np.array([0.1, 0.3, 0.6])
p = np.array([0.40, 0.35, 0.25])
moved = p * new / old / (p * new / old).sum()
check("the mended probabilities are 0.14, 0.36 and 0.51", np.allclose(moved, [0.1356, 0.3559, 0.5085], atol=1e-4))
by_scores = softmax(np.log(p) + np.log(new / old))
check("adding the log of the ratio to the scores does the same", np.allclose(by_scores, moved))

z = predict(cnn, encoder.transform(test_texts))  # (120, K)
shares = np.bincount(test_y) / len(test_y)
weight = (new / shares)[test_y]  # (120,): makes the test comments count like a fan page
losses = {}
for name, scores in (("as trained", z), ("mended", z + np.log(new / old))):
    losses[name] = -np.log(softmax(scores))[np.arange(120), test_y]  # (120,)
    print(f"fan page, {name}: loss {np.average(losses[name], weights=weight):.2f}")
drawn = rng.integers(120, size=(2000, 120))  # 2,000 test sets drawn from ours: how much does the gain vary? (lesson 13)
gains = [np.average((losses["as trained"] - losses["mended"])[i], weights=weight[i]) for i in drawn]
low, high = np.quantile(gains, [0.025, 0.975])
print(f"gain {np.mean(gains):.2f}, 95 % interval {low:.2f} to {high:.2f}")
check("the mended loss is lower, and the interval of the gain is above 0", low > 0)
figure, (axis,) = panels(1, height=2.6, title="Told the new shares, it loses less on every drawn test set")
axis.hist(gains, bins=40, color=BLUE)
axis.axvline(0, color=ORANGE, linestyle="--")
axis.set(xlabel="gain: loss as trained minus loss mended", ylabel="drawn test sets")
show(
    figure,
    f"Telling the network the shares of a fan page lowers its loss by {np.mean(gains):.2f} ({low:.2f} to {high:.2f}).",
)
# %% [markdown]
# ## What can go wrong
#
# - **The vocabulary learned from test texts too**: its idf and row lengths then know the test, and the figure is no
#   longer one for unseen comments. Where words are *chosen by label* on all texts, it is plainly too good: even labels
#   from a hat then seem to be predictable.
# - **`dE[ids] += dy`**: NumPy writes once for a repeated id; the gradient check (lesson 5) finds it.
# - **Padding that counts.** A mean over 32 places of a comment of 4 words is mostly padding.
# - **Telling words that tell about the collection.** If all comments on trains are negative, *platform* becomes a
#   negative word. Read the lists.
# - **A model trained on one kind of text** used on another: reviews are not tweets, and prior shift is then the least
#   of what changes.
#
# ## Check yourself
#
# **1.** 999 training texts, a word is in 99 of them. Its inverse document frequency?
#
# <details><summary>Answer</summary>
#
# $1 + \log(1000/100) = 3.30$.
#
# </details>
#
# **2.** A table of 20,000 tokens with vectors of 64 numbers, a batch of 32 texts of 10 different tokens each. How many
# numbers are in the table, and at most how many get a gradient?
#
# <details><summary>Answer</summary>
#
# $1{,}280{,}000$; at most $320 \cdot 64 = 20{,}480$, less than 2 %.
#
# </details>
#
# **3.** Trained with equal shares, the network says $(0.6, 0.4)$. In use, the first class is one in ten. What now?
#
# <details><summary>Answer</summary>
#
# $0.6 \cdot 0.2 = 0.12$ against $0.4 \cdot 1.8 = 0.72$: $(0.14, 0.86)$.
#
# </details>
#
# **4.** "not great at all" and "great not at all": are they different for words, for pairs, for a mean of vectors, for
# filters of size 3?
#
# <details><summary>Answer</summary>
#
# For pairs and for filters. Words and the mean of vectors see the same bag.
#
# </details>
#
# **5.** Why does a comment made of unknown words only get the same answer whatever it says?
#
# <details><summary>Answer</summary>
#
# Its row of counts is all zeros, so all scores are 0 and each class gets a third; with a bias in the model, the
# scores are the biases: its idea of the shares. With embeddings all its tokens are the same one, "unknown" (so only
# their number can matter, and to a mean not even that).
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e13_tokenizer.py`: a smaller tokenizer than minnet's (no emoji, of the marks only ! and ?), and
# ids. `e12_embedding.py`: the lookup and its gradient, where token 0 is padding and gets none. Check them with
# `python -m tutorials.exercises check 13`, and `check 12`.
