# %% [markdown]
# # 15. Appendix: very many classes
#
# You build: a softmax over a hundred thousand classes that touches only a few hundred, and one that asks seventeen
# yes-or-no questions. You need: lessons 1, 3, 11 and 14. Minutes: 30.
#
# Which word comes next? Which of a million products will she buy? Softmax divides by a sum over *all* classes: with
# 100,000 classes and features of 256 numbers that is 25.6 million multiplications for one example, and as many
# gradients, nearly all of them about classes that are obviously wrong. Must we?
#
# ## By hand: estimate the sum
#
# Four classes with $e^{z} = (4, 3, 2, 1)$, so $Z = 10$; the truth is the first, $p = 0.4$, loss $\log 10 - \log 4 =
# 0.92$. Keep the truth's 4 exactly and estimate the rest from *one* class $s$, drawn with $q = \frac14$ each. If it
# is the truth, the rest counts 0; else it counts $e^{z_s}/q = 4 e^{z_s}$:
#
# | drawn | 1st | 2nd | 3rd | 4th | mean |
# |---|---|---|---|---|---|
# | estimate $\hat Z$ | 4 | 4 + 12 = 16 | 4 + 8 = 12 | 4 + 4 = 8 | 10 |
# | $\log \hat Z$ | 1.39 | 2.77 | 2.48 | 2.08 | 2.18 |
#
# On average the estimate is exactly right. That is **sampled softmax**. The logarithm of the estimate is not, even on
# average: 2.18, not $\log 10 = 2.30$. The logarithm of a mean is more than the mean of the logarithms, because the
# curve of the logarithm bends downwards.
# %%
import heapq

import numpy as np
from lesson import check, panels, show

from minnet.functional import softmax

power = np.array([4.0, 3.0, 2.0, 1.0])  # (K,): e to the scores
estimates = np.array([power[0] + (power[s] / 0.25 if s != 0 else 0) for s in range(4)])  # (4,)
print("estimates", estimates, "mean", estimates.mean(), "mean logarithm", np.log(estimates).mean().round(3))
check("the mean of the estimates is the sum, 10", np.isclose(estimates.mean(), 10))
check("the mean of their logarithms is 2.18, below log 10", abs(np.log(estimates).mean() - 2.181) < 1e-3)


# %% [markdown]
# ## Derivation
#
# Draw $S$ classes from any distribution $q$ that can draw all wrong classes. Each contributes, on average, $\sum_{k \ne
# y} q_k \frac{e^{z_k}}{S q_k} = \frac1S \sum_{k \ne y} e^{z_k}$; all $S$ together the sum. In scores, dividing by $S
# q_s$ is subtracting $\log (S q_s)$, and what comes out is an ordinary softmax cross-entropy over $1 + S$ columns, the
# truth first:
#
# $$\hat l = -\log \mathrm{softmax}(z_y,\ z_{s_1} - \log S q_{s_1},\ \dots,\ z_{s_S} - \log S q_{s_S})_0,$$
#
# where a column with $s_i = y$ gets $-\infty$ instead: the truth is counted already. So its gradient is lesson 3's:
# $p - t$ over these columns, handed back to the rows they came from. Nothing else is touched. The better $q$ guesses
# which classes have large scores, the fewer draws are needed; frequent words, for a start.
# %%
def sampled(x, W, y, s, log_q):
    """Loss and gradient of x for one example: x (D,), y a label, s (S,) drawn classes, log_q a function of classes.

    W is (K, D) here: a row a class, so that a class's weights lie side by side.
    """
    s, times = np.unique(s, return_counts=True)  # a class drawn twice counts twice
    z = W[s] @ x + np.log(times) - np.log(times.sum()) - log_q(s)  # (S,)
    z[s == y] = -np.inf  # the truth is counted already
    p = softmax(np.append(W[y] @ x, z))  # (1 + S,)
    return -np.log(p[0]), (p[0] - 1) * W[y] + p[1:] @ W[s]  # one number, (D,)


from minnet.large_vocabulary import HierarchicalSoftmax, SampledSoftmaxCrossEntropy

K, D, S = 5000, 16, 64
theirs = SampledSoftmaxCrossEntropy(D, K, samples=S, rng=0).astype(np.float64)
rng = np.random.default_rng(1)
x, y = rng.standard_normal((1, D)), np.array([7])
theirs.rng = np.random.default_rng(5)
s = theirs.proposal.draw(S, np.random.default_rng(5))  # the same draws
loss, dx = sampled(x[0], theirs.W, 7, s, theirs.proposal.log_q)
check("our sampled loss is minnet's for the same draws", np.isclose(loss, theirs.forward(x, y)))
check("our gradient is minnet's", np.allclose(theirs.backward()[0], dx))
check("minnet's gradient of W holds at most the drawn rows and the truth", len(theirs.dW.rows) <= S + 1 < K / 50)
# %% [markdown]
# How many draws are enough? The same example, each number of draws tried 200 times.
# %%
from minnet.canvas import BLUE, ORANGE

z = theirs.W @ x[0]  # (K,)
exact = np.log(np.exp(z).sum()) - z[7]
draws = [4, 16, 64, 256, 1024]
tried = np.array([[sampled(x[0], theirs.W, 7, theirs.proposal.draw(S, rng), theirs.proposal.log_q)[0]
                   for _ in range(200)] for S in draws])  # (5, 200) # fmt: skip
low, high = np.quantile(tried, [0.05, 0.95], axis=1)
figure, (axis,) = panels(1, height=2.8, title="A few hundred draws stand in for 5,000 classes")
axis.fill_between(draws, low, high, color=BLUE, alpha=0.25, linewidth=0)
axis.plot(draws, tried.mean(axis=1), "o-", color=BLUE, label="mean of 200 tries, and where 90 % lie")
axis.axhline(exact, color=ORANGE, linestyle="--", label="exact")
axis.set(xscale="log", xlabel="classes drawn", ylabel="loss")
axis.legend(frameon=False)
gaps = exact - tried.mean(axis=1)
show(
    figure,
    f"Exact loss {exact:.2f}. The mean is {gaps[0]:.2f} too low with 4 draws and {gaps[-1]:.3f} with {draws[-1]:,}.",
)
check(
    "with 4 draws the mean loss is more than 0.1 too low, with 1,024 it is within 0.03",
    gaps[0] > 0.1 and abs(gaps[-1]) < 0.03,
)


# %% [markdown]
# ## An experiment that surprises: forget one logarithm
#
# Leave out $-\log S q_s$ and nothing crashes, the loss falls, and the network learns something else. We train only the
# biases of 50 classes with shares like those of words ($1$, $\frac12$, $\frac13$, …), drawing from these very shares.
# The best biases are the logarithms of the shares.
# %%
def learn_shares(shares, corrected, steps=1500, N=64, S=10):
    b, rng = np.zeros(len(shares)), np.random.default_rng(0)
    for step in range(steps):
        y, s = rng.choice(len(b), N, p=shares), rng.choice(len(b), S, p=shares)  # (N,), (S,)
        others = b[s] - (np.log(S * shares[s]) if corrected else 0)  # (S,)
        z = np.hstack([b[y][:, None], np.where(s == y[:, None], -np.inf, others)])  # (N, 1 + S)
        p = softmax(z)
        db = np.zeros(len(b))
        np.add.at(db, y, (p[:, 0] - 1) / N)
        np.add.at(db, s, p[:, 1:].sum(axis=0) / N)
        b -= 2.0 * (1 - step / steps) * db
    return softmax(b)


shares = 1 / np.arange(1, 51)
shares /= shares.sum()
learned = {name: learn_shares(shares, name == "corrected") for name in ("corrected", "forgotten")}
for name, p in learned.items():
    print(
        f"{name}: most frequent class {p[0]:.2f} (truth {shares[0]:.2f}), its ratio to the tenth {p[0] / p[9]:.1f} (10)"
    )
check(
    "with the correction the most frequent class is learned to within a third of its share",
    abs(learned["corrected"][0] / shares[0] - 1) < 1 / 3,
)
check("without it the most frequent class gets less than half of its share", learned["forgotten"][0] < shares[0] / 2)
figure, (axis,) = panels(1, height=2.8, title="Without the logarithm of q, frequent and rare look alike")
axis.plot(range(1, 51), shares, color="grey", linestyle=":", label="truth")
axis.plot(range(1, 51), learned["corrected"], ".", color=BLUE, label="corrected")
axis.plot(range(1, 51), learned["forgotten"], "x", color=ORANGE, markersize=4, label="forgotten")
axis.set(yscale="log", xlabel="class, by falling frequency", ylabel="probability learned")
axis.legend(frameon=False)
show(
    figure,
    f"The most frequent class has a share of {shares[0]:.2f}: learned {learned['corrected'][0]:.2f} with the "
    f"correction, {learned['forgotten'][0]:.2f} without.",
)


# %% [markdown]
# Frequent classes are drawn often and pushed down often; uncorrected, that cancels their frequency: the push down on
# $b_k$ is in proportion to $q_k e^{b_k}$, the push up is its share, and they balance at $b_k =
# \log(\text{share}_k/q_k)$ plus a constant, here the same for all. (With ten draws the shares are still a
# little off, as the figure before showed.)
#
# ## A tree of questions
#
# **Hierarchical softmax** never sums. Put the classes at the leaves of a binary tree; each inner node is a sigmoid
# (lesson 14) that says how likely it is to go left. A class's probability is the product along its path, and since
# left and right share 1 at each node, all leaves share 1. With 100,000 classes a balanced tree asks 17 questions.
#
# Fewer, if frequent classes stand near the root. **Huffman's tree**: join the two rarest, again and again. By hand,
# counts $(4, 3, 2, 1)$: join 1 and 2 to 3; join it with 3 to 6; join 4 and 6. Depths 1, 2, 3, 3: on average $(4 \cdot
# 1 + 3 \cdot 2 + 2 \cdot 3 + 1 \cdot 3)/10 = 1.9$ questions instead of 2.
# %%
def depths(counts):
    heap = [(count, k, [k]) for k, count in enumerate(counts)]  # (count, tie break, the classes below)
    heapq.heapify(heap)
    depth = np.zeros(len(counts), int)
    while len(heap) > 1:
        (a, tie, below_a), (b, _, below_b) = heapq.heappop(heap), heapq.heappop(heap)
        depth[below_a + below_b] += 1  # one question more for all of them
        heapq.heappush(heap, (a + b, tie, below_a + below_b))
    return depth


print("depths", depths([4, 3, 2, 1]))
check("the counts 4, 3, 2, 1 need 1, 2, 3 and 3 questions", (depths([4, 3, 2, 1]) == [1, 2, 3, 3]).all())
counts = 1e6 / np.arange(1, 2001)  # 2,000 classes, like words
tree = HierarchicalSoftmax(D, counts, rng=0).astype(np.float64)
share = counts / counts.sum()
questions = np.diff(tree.starts)  # (K,): how long each class's path is
ours, bits = share @ depths(counts), -(share * np.log2(share)).sum()
print(f"mean questions: ours {ours:.3f}, minnet's {share @ questions:.3f}; a balanced tree {np.log2(2000):.1f}")
print(f"entropy of the shares: {bits:.3f} bits")
check("our mean number of questions is minnet's", np.isclose(ours, share @ questions))
check("it lies between the entropy in bits and one more", bits <= ours < bits + 1)
path = slice(*tree.starts[7:9])  # of class 7
steps = tree.answers[path] * (tree.W[tree.nodes[path]] @ x[0] + tree.b[tree.nodes[path]])  # (questions,)
# The answers are +1 or -1, for 1 - sigmoid(z) is sigmoid(-z).
by_path = np.prod(1 / (1 + np.exp(-steps)))
check("the product along the path is minnet's probability", np.isclose(by_path, np.exp(-tree.forward(x, y))))
check("the 2,000 probabilities sum to 1, and nobody divided", np.isclose(np.exp(tree.log_probabilities(x)).sum(), 1))
# %% [markdown]
# Between the entropy and one more: no scheme of questions does with fewer than the entropy (Shannon, 1948; we do not
# prove it). (With logarithms to base 2 it counts **bits**, answers to fair yes-or-no questions; with natural ones, as
# in lesson 1, nats of 1.44 bits.) It is the same number that tells how small a file can be compressed.
#
# ## What can go wrong
#
# - **The logarithm forgotten**, as above. Look at the learned shares.
# - **Classes not numbered by frequency**: minnet's default proposal (the $q$) draws small numbers often.
# - **Comparing sampled losses**: they depend on $S$. In evaluation mode minnet's loss is exact.
# - **A tree for prediction**: the most likely class cannot be found by going the likelier way at each node.
#
# ## Check yourself
#
# **1.** $e^z = (6, 2, 4)$, truth first, one draw with $q = (\frac12, \frac14, \frac14)$. The three estimates and
# their mean?
#
# <details><summary>Answer</summary>
#
# $6$, $6 + 8 = 14$, $6 + 16 = 22$; $\frac12 \cdot 6 + \frac14 \cdot 14 + \frac14 \cdot 22 = 12$, the sum.
#
# </details>
#
# **2.** 1,000,000 classes, $D = 100$, 1,000 draws. Which part of the scores is computed?
#
# <details><summary>Answer</summary>
#
# A thousandth, for all examples of the batch, plus one row each for the truths.
#
# </details>
#
# **3.** Counts $(8, 4, 2, 1, 1)$. Depths, and mean number of questions?
#
# <details><summary>Answer</summary>
#
# $1, 2, 3, 4, 4$; $(8 + 8 + 6 + 4 + 4)/16 = 1.875$, which is the entropy, for all shares are powers of $\frac12$.
#
# </details>
#
# **4.** Why is the sampled loss too low and never, on average, too high?
#
# <details><summary>Answer</summary>
#
# The estimate of $Z$ is right on average, and the logarithm bends downwards.
#
# </details>
#
# **5.** What would the best $q$ be?
#
# <details><summary>Answer</summary>
#
# In proportion to $e^{z_s}$ over all classes but the truth, $q_s = e^{z_s}/(Z - e^{z_y})$: then each draw contributes
# the same, $e^{z_s}/(S q_s) = (Z - e^{z_y})/S$, and $\hat Z = Z$ exactly. (In question 1, $q = (0, \frac13, \frac23)$
# makes both estimates $6 + 6 = 12$.) But that needs the sum, and another $q$ for each example.
#
# </details>
#
# ## Exercises
#
# `tutorials/exercises/e20_hierarchical_softmax.py`: the loss of a path through a tree. On paper: draw Huffman's tree
# for the letters of your full name, and compare the mean number of questions with the entropy.
