# %% [markdown]
# # 0. First run: where do the 72 % come from?
#
# You build: nothing yet; you run a network and warm up the mathematics. You need: Python, school mathematics.
# Minutes: 35.
#
# Train a network on photographs with `python train.py cifar10`, show it a picture, and it says something like
# "automobile 70 %, dog 10 %". (The smaller network below says "a 9, with 72 %".) Three questions follow at once, and
# the course answers them in this order:
#
# 1. Where do such percentages come from? (Lessons 1 and 2.)
# 2. How does the network learn to give better ones? (Lessons 3 to 12.)
# 3. Can they be believed? (Lessons 13 and 14.)
#
# This lesson runs a small network first, and then collects the six pieces of mathematics that everything else
# is made of. If they are old friends, go straight to the self-test at the end.
#
# ## Run it
#
# The smallest data set at hand is 1,797 pictures of handwritten digits, 8 by 8 pixels. The next cell trains a
# network on 1,257 of them, and asks it about 360 others (180 more are kept for later). It takes less than a second. You
# need not understand a line of it yet: by lesson 6 you will have written its parts yourself.
#
# Three helpers, from the small file `lesson.py`, occur everywhere: `check(claim, condition)` prints a claim that holds
# and stops with an error at one that does not; `panels` makes the axes of a figure, `show` shows it with its caption.
# Counting starts at 0, in the text as in the code: picture 38 is the 39th.
# %%
import numpy as np
from lesson import check, panels, show

from minnet import data, losses, models, optimizers, training
from minnet.functional import softmax

digits = data.load("digits")
mean, std = data.channel_statistics(digits.train.x)
model = models.softmax_regression((8, 8, 1), 10, mean, std)
trainer = training.Trainer(model, losses.SoftmaxCrossEntropy(), optimizers.Adam(model, 0.005), workers=1)
trainer.fit((digits.train.x, digits.train.y), epochs=10, progress=False)

scores = trainer.predict(digits.test.x)  # (360, 10): ten numbers for each of 360 new pictures
p = softmax(scores)  # (360, 10): ten probabilities
right = (p.argmax(axis=1) == digits.test.y).mean()
print(f"right on {right:.0%} of {len(p)} pictures it has never seen")
for k in np.argsort(-p[38])[:3]:
    print(f"picture 38: {digits.classes[k]} with {p[38, k]:.0%}")
check("the network is right on more than 9 of 10 new pictures", right > 0.9)
check("it gives the true digit of picture 38, a 9, between 60 and 85 %", 0.6 < p[38, digits.test.y[38]] < 0.85)
# %%
from minnet.canvas import BLUE, PALE

figure, (left, scored, likely) = panels(3, title="A picture, its ten scores, its ten probabilities")
left.imshow(digits.test.x[38, :, :, 0], cmap="gray_r")
left.set(xlabel="column", ylabel="row")
for axes, values, name in ((scored, scores[38], "score"), (likely, p[38], "probability")):
    axes.bar(range(10), values, color=[BLUE if k == 9 else PALE for k in range(10)], edgecolor=BLUE)
    axes.set(xlabel="class (dark: the truth)", ylabel=name, xticks=range(10))
scored.axhline(0, color="black", linewidth=0.8)
show(
    figure,
    f"Test picture 38 is a 9. Its score is {scores[38, 9]:.1f}, the highest of ten; the probabilities made of "
    f"the scores give it {p[38, 9]:.0%}, and the second, 0, gets {p[38, 0]:.0%}.",
)
# %% [markdown]
# The network computes ten **scores**, one for each **class**. A score is any number, negative too; higher means
# "rather this one". Then ten probabilities are made of the scores. The scores come from 64 pixels and 650
# **parameters**, numbers that training has found: for each of the ten classes 64, one for each pixel, and one more
# (lesson 4). The true class of a picture is its **label**.
#
# Everything below is what you need in order to follow how.
#
# ## 1. Shapes
#
# A network never works on one example but on a **batch** of them. Two pictures of three pixels each are an array
# with two rows and three columns. Its **shape** is $(2, 3)$. $N$ is the number of examples, the first **axis**; $D$ is
# the number of **features**, the numbers that each example has. Here $N = 2$ and $D = 3$.
#
# $$x = \begin{pmatrix} 1 & 0 & 2 \\ 3 & 1 & 0 \end{pmatrix}$$
#
# Summing over axis 0 makes the rows disappear; over axis 1, the columns. The axis that you name is the one that
# is gone:
# %%
x = np.array([[1.0, 0.0, 2.0], [3.0, 1.0, 0.0]])  # (2, 3): N = 2 examples with D = 3 features
print("shape", x.shape)
print("sum over axis 0:", x.sum(axis=0))  # (3,): one number for each feature
print("sum over axis 1:", x.sum(axis=1))  # (2,): one number for each example
check("summing over axis 1 leaves one number for each example: 3 and 4", (x.sum(axis=1) == [3, 4]).all())
# %% [markdown]
# ## 2. Broadcasting, and why `keepdims`
#
# To make each row sum to 1, divide it by its sum. NumPy stretches an axis of length 1 to fit, which is called
# **broadcasting**. Shapes are compared from the right: $(2, 3)$ and $(2, 1)$ fit, since the 1 is stretched. But
# $(2, 3)$ and $(2,)$ do not: the 2 would have to fit the 3. `keepdims=True` keeps the summed axis, with length 1.
# %%
shares = x / x.sum(axis=1, keepdims=True)  # (2, 3) / (2, 1)
print(shares)
try:
    x / x.sum(axis=1)  # (2, 3) / (2,)
except ValueError as error:
    print("without keepdims:", error)
# %% [markdown]
# ### An experiment that surprises
#
# So forgetting `keepdims` gives an error, and you mend it. Does it always? Take three examples instead of two:
# %%
square = np.array([[1.0, 0.0, 2.0], [3.0, 1.0, 0.0], [1.0, 1.0, 4.0]])  # (3, 3)
wrong = square / square.sum(axis=1)  # (3, 3) / (3,): fits, and is wrong
print(wrong)
print("rows sum to", wrong.sum(axis=1))
off = abs(wrong.sum(axis=1) - 1).max()
check("without keepdims a square array is divided wrongly, and nothing complains", off > 0.3)
# %% [markdown]
# Nothing complains, and each *column* was divided by the sum of a *row*. With two examples the same line stopped with
# an error; with three it runs and is wrong, because $N$ happens to equal the number of columns. That is why shapes
# stand beside every line of this course, and why we check numbers instead of looking at them.
#
# ## 3. The sum sign, and the matrix product
#
# $\sum_i x_i w_i$ says: let $i$ run over all values, multiply, add up. A network's score is such a sum, over the
# pixels: each pixel times the weight that it has for this class. With $x = (1, 0, 2)$ and $w = (2, 5, -1)$:
#
# $$\sum_i x_i w_i = 1 \cdot 2 + 0 \cdot 5 + 2 \cdot (-1) = 0$$
#
# The **matrix product** does this for all examples and all classes at once. With $W$ of shape $(3, 2)$, whose
# columns belong to two classes:
#
# $$y = x W, \qquad y_{nk} = \sum_i x_{ni} W_{ik}$$
#
# Shapes: $(N, D)$ times $(D, K)$ gives $(N, K)$. The inner letter, $D$, is the one that is summed over and gone.
# %%
W = np.array([[2.0, 0.0], [5.0, 1.0], [-1.0, 1.0]])  # (3, 2): D = 3 features, K = 2 classes
y = np.zeros((2, 2))
for n in range(2):
    for k in range(2):
        for i in range(3):
            y[n, k] += x[n, i] * W[i, k]
print(y)
check("the three loops give the scores 0 and 2, then 11 and 1", (y == [[0, 2], [11, 1]]).all())
check("x @ W gives the same", (x @ W == y).all())
# %% [markdown]
# ## 4. Delta
#
# The **Kronecker delta** $\delta_{ij}$ is 1 where $i = j$, and 0 elsewhere. It is a question written as a number:
# "are these two the same?" (As some books do, the exercises also write $[i = j]$.) As an array it is the unit matrix,
# `np.eye`. In a sum it picks one term, here the third, for the first is $a_0$:
#
# $$\sum_j \delta_{2j}\, a_j = a_2$$
#
# Lesson 2 puts all derivatives of softmax into one line with it.
# %%
a = np.array([4.0, 7.0, 9.0])
delta = np.eye(3)  # (3, 3)
print(delta @ a)
print("delta picks", sum(delta[2, j] * a[j] for j in range(3)))


# %% [markdown]
# ## 5. Slope, partial derivative, gradient
#
# The derivative of $f$ at $x$ says how fast $f$ changes: its change divided by that of $x$, for a very small
# step. For $f(x) = x^2$ it is $2x$; at $x = 3$, it is 6. You can measure it without knowing any rule: step a
# little forward, a little back, and divide. That is a **finite difference**:
#
# $$f'(x) \approx \frac{f(x + h) - f(x - h)}{2h}$$
#
# When there are several inputs, move one and keep the others still: a **partial derivative**, written with
# $\partial$. For $L(u, v) = u^2 v$ at $u = 3, v = 2$:
#
# $$\frac{\partial L}{\partial u} = 2uv = 12, \qquad \frac{\partial L}{\partial v} = u^2 = 9$$
#
# Both together, $(12, 9)$, are the **gradient**. It points to where $L$ grows fastest. Learning means: $L$ says
# how wrong the network is (its **loss**), and every parameter takes a small step *against* the gradient.
# %%
def L(u, v):
    return u**2 * v


h = 1e-5
u, v = 3.0, 2.0
dL_du = (L(u + h, v) - L(u - h, v)) / (2 * h)
dL_dv = (L(u, v + h) - L(u, v - h)) / (2 * h)
print(f"measured: {dL_du:.6f} and {dL_dv:.6f}")
check("measured slopes are the derived ones, 12 and 9, to 6 decimals", abs(dL_du - 12) < 1e-6 and abs(dL_dv - 9) < 1e-6)

step = 0.01
u, v = u - step * dL_du, v - step * dL_dv
print(f"before: L = 18; after one small step against the gradient: L = {L(u, v):.2f}")
check("one small step against the gradient lowers L from 18 to below 16", L(u, v) < 16)
# %%
steps = np.logspace(-13, 0, 40)
slopes = ((1 + steps) ** 4 - (1 - steps) ** 4) / (2 * steps)  # (40,): of x^4 at x = 1, where the true slope is 4
errors = abs(slopes - 4)
best = errors.argmin()
figure, (axes,) = panels(1, width=5.2, title="Measuring a slope: a step neither too large nor too small")
axes.loglog(steps, errors + 1e-16, color=BLUE)  # + 1e-16: an error of exactly 0 has no place on this axis
axes.set(xlabel="step h", ylabel="error of the measured slope")
show(
    figure,
    f"The slope of f(x) = x^4 at 1 is 4. With a large step the measured slope is off because the curve bends "
    f"differently on the two sides (a parabola does not: there any step is right but for rounding); with a tiny one, "
    f"because float64 keeps 16 digits. Best is h = {steps[best]:.0e}, with an error of {errors[best]:.0e}.",
)
# %% [markdown]
# ## 6. The chain rule
#
# The **chain rule**: if $y$ depends on $x$, and $L$ on $y$, then the effects multiply:
#
# $$\frac{\partial L}{\partial x} = \frac{\partial L}{\partial y}\,\frac{\partial y}{\partial x}$$
#
# Say $y = 3x$ and $L = y^2$, at $x = 2$. Then $y = 6$, $\partial L/\partial y = 2y = 12$, $\partial y/\partial x = 3$,
# so $\partial L/\partial x = 36$. (Check: $L = 9x^2$, whose derivative $18x$ is 36.) Where $x$ acts on $L$ along
# several ways, the effects of all ways are added: with $u = 3x$, $v = x^2$ and $L = u + v$ the slope at $x = 2$ is $3 +
# 4 = 7$. That is all there is to training a network of a million parameters: multiply along a way, add over ways, walk
# backwards.
#
# ## What can go wrong
#
# - **The wrong axis.** `x.sum(axis=0)` adds examples up; `axis=1` adds within one example. Print the shape.
# - **A row or a column?** An array of shape $(3,)$ is neither. Broadcasting treats it as a row.
# - **Integers.** `np.array([1, 2])` holds integers. A network computes with floating-point numbers: write `1.0`.
#
# ## Ten questions
#
# Answer on paper, then unfold. Each answer says what to read again if yours was different.
#
# **1.** An array has the shape $(5, 4)$. What is the shape of `a.sum(axis=0)`, and of
# `a.sum(axis=1, keepdims=True)`?
#
# <details><summary>Answer</summary>
#
# $(4,)$ and $(5, 1)$. Revise: 1 and 2.
#
# </details>
#
# **2.** Which fit together: $(6, 3)$ with $(3,)$; $(6, 3)$ with $(6,)$; $(6, 3)$ with $(6, 1)$?
#
# <details><summary>Answer</summary>
#
# The first and the third. Revise: 2.
#
# </details>
#
# **3.** When does forgetting `keepdims` go unnoticed?
#
# <details><summary>Answer</summary>
#
# When there are as many rows as columns, or only one column: then the shapes fit, in the wrong direction. Revise: the
# experiment.
#
# </details>
#
# **4.** $\sum_{i=1}^{4} i^2 = {?}$
#
# <details><summary>Answer</summary>
#
# $1 + 4 + 9 + 16 = 30$. Revise: 3.
#
# </details>
#
# **5.** $\begin{pmatrix} 1 & 2 \end{pmatrix} \begin{pmatrix} 3 & 0 \\ 1 & -1 \end{pmatrix} = {?}$
#
# <details><summary>Answer</summary>
#
# $(1 \cdot 3 + 2 \cdot 1,\; 1 \cdot 0 + 2 \cdot (-1)) = (5, -2)$. Revise: 3.
#
# </details>
#
# **6.** $x$ has the shape $(32, 64)$ and the scores shall have the shape $(32, 10)$. What shape must $W$ have?
#
# <details><summary>Answer</summary>
#
# $(64, 10)$. Revise: 3.
#
# </details>
#
# **7.** $\sum_j \delta_{1j}\, (j^2 + 1)$, where $j$ runs from 0 to 5?
#
# <details><summary>Answer</summary>
#
# Only $j = 1$ counts: 2. Revise: 4.
#
# </details>
#
# **8.** $L(u, v) = u v + v^2$. What is the gradient at $u = 4, v = 1$?
#
# <details><summary>Answer</summary>
#
# $(\partial L/\partial u, \partial L/\partial v) = (v,\; u + 2v) = (1, 6)$. Revise: 5.
#
# </details>
#
# **9.** There, you take a step of 0.1 against the gradient. Where do you arrive, and is $L$ lower?
#
# <details><summary>Answer</summary>
#
# At $(3.9, 0.4)$; $L$ was 5 and is $1.56 + 0.16 = 1.72$. Revise: 5.
#
# </details>
#
# **10.** $y = x^2$ and $L = 5y$. What is $\partial L/\partial x$ at $x = 3$?
#
# <details><summary>Answer</summary>
#
# $\partial L/\partial y \cdot \partial y/\partial x = 5 \cdot 6 = 30$. Revise: 6.
#
# </details>
#
# ## Exercises
#
# This lesson has none; lesson 1 has the first. Try `python train.py` now, with no argument: two networks, one for
# pictures and one for short comments, and a page for each that you open in a browser.
