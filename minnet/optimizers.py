"""How gradients become better weights: each optimizer is one short formula, `update`, beside its source."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from math import sqrt
from typing import Any

import numpy as np

from minnet.layers.arguments import in_range, whole
from minnet.layers.base import Layer
from minnet.updates import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (a fading sum of past gradients) and Nesterov's look ahead.

    PyTorch's form, in which the learning rate multiplies the velocity. Sutskever et al. 2013, section 2, multiply the
    gradient instead; at a constant rate the two agree. `groups` and which arrays decay: see `updates.Optimizer`.
    """

    def __init__(
        self,
        model: Layer,
        learning_rate: float,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        groups: Sequence[dict[str, Any]] = (),
        loss: Layer | None = None,
    ) -> None:
        self.momentum = momentum
        self.nesterov = nesterov
        self.decoupled = decoupled
        if nesterov and not momentum:
            raise ValueError("nesterov looks ahead along the velocity: it needs momentum above 0")
        super().__init__(model, learning_rate, weight_decay, groups, loss)

    @property
    def momentum(self) -> float:
        """The part of the velocity that is left a step later. The state is momentum times velocity, so a new momentum
        rescales it; from 0, or to 0, it may be changed before the first step only."""
        return self._momentum

    @momentum.setter
    def momentum(self, momentum: float) -> None:
        momentum = in_range("momentum", momentum, below=1)
        if not vars(self).get("state"):
            self.slots = ("momentum",) if momentum else ()
        elif momentum != self.momentum:
            if not (momentum and self.momentum):
                raise ValueError("with momentum SGD keeps velocities, without it none: make a new optimizer")
            for state in self.state.values():
                state["momentum"] *= momentum / self.momentum
        self._momentum = momentum

    # v <- momentum v + g          w <- w - rate v          (Nesterov: w <- w - rate (g + momentum v))
    # Nesterov's theta moves by u' = momentum u - rate g, with g taken ahead of it, at w = theta + momentum u. Our
    # weights are these w. With a prime for the values after the step, theta' = theta + u' and u' = -rate v', hence
    #   w' = theta' + momentum u' = w - momentum u + u' + momentum u' = w - rate g + momentum u'
    # which is the form above. The state is m = momentum v, from which the next step starts and which Nesterov's form
    # needs as well: one pass over memory less.
    def update(self, w, g, state, settings, scratch):
        if state:
            (m,) = state
            m += g
            if self.nesterov:
                m *= self.momentum
                g += m
                g *= settings.rate
            else:
                np.multiply(m, settings.rate, out=g)
                m *= self.momentum
        else:
            g *= settings.rate
        w -= g

    def refuses_rows(self):
        if self.momentum:
            return "Momentum would go on moving the other rows: use SGD with momentum=0, or Adam (lazy on rows)"
        return ""


class RMSProp(Optimizer):
    """Each weight's step is divided by the running root mean square of its gradient (Tieleman and Hinton 2012).

    `groups` and which arrays decay: see `updates.Optimizer`.
    """

    slots = ("square",)

    def __init__(
        self,
        model: Layer,
        learning_rate: float = 0.01,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        groups: Sequence[dict[str, Any]] = (),
        loss: Layer | None = None,
    ) -> None:
        self.alpha = in_range("alpha", alpha, below=1)
        self.eps = in_range("eps", eps)
        super().__init__(model, learning_rate, weight_decay, groups, loss)

    # s <- alpha s + (1 - alpha) g^2          w <- w - rate g / (sqrt(s) + eps)
    def update(self, w, g, state, settings, scratch):
        (s,) = state
        s *= self.alpha
        np.multiply(g, g, out=scratch)
        scratch *= 1 - self.alpha
        s += scratch
        np.sqrt(s, out=scratch)
        scratch += self.eps
        g /= scratch
        g *= settings.rate
        w -= g

    def refuses_rows(self):
        return "RMSProp would let the other rows' mean squares fade: use SGD with momentum=0, or Adam (lazy on rows)"


class Adam(Optimizer):
    """Momentum and RMSProp, with a bias correction for their start at 0 (Kingma and Ba, arXiv 1412.6980, algorithm 1).

    On row-sparse gradients it is lazy: the moments of a row that the batch did not touch do not fade, as in
    torch.optim.SparseAdam. `groups` and which arrays decay: see `updates.Optimizer`.
    """

    slots = ("sum", "squares")

    def __init__(
        self,
        model: Layer,
        learning_rate: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        groups: Sequence[dict[str, Any]] = (),
        loss: Layer | None = None,
    ) -> None:
        self.betas = betas
        self.eps = in_range("eps", eps)
        super().__init__(model, learning_rate, weight_decay, groups, loss)

    @property
    def betas(self) -> tuple[float, float]:
        """The parts of the two moments that are left a step later. New ones rescale the state, see `update`."""
        return self._betas

    @betas.setter
    def betas(self, betas: tuple[float, float]) -> None:
        betas = (in_range("betas[0]", betas[0], below=1), in_range("betas[1]", betas[1], below=1))
        for state in vars(self).get("state", {}).values():
            for slot, old, new in zip(("sum", "squares"), self.betas, betas, strict=True):
                state[slot] *= (1 - old) / (1 - new)  # the moments stay what they are
        self._betas = betas

    # m <- beta1 m + (1 - beta1) g          v <- beta2 v + (1 - beta2) g^2
    # After t steps from zero the weights in these sums add up to c1 = 1 - beta1^t and c2 = 1 - beta2^t, hence
    #   w <- w - rate (m / c1) / (sqrt(v / c2) + eps)
    #      = w - (rate sqrt(c2) / c1) m / (sqrt(v) + eps sqrt(c2))
    # SparseAdam writes eps for eps sqrt(c2) (the order at the end of the paper's section 2); so do rows here.
    # The state is M = m / (1 - beta1) and V = v / (1 - beta2), whose sums need no constant factors:
    #   M <- beta1 M + g                      V <- beta2 V + g^2                      (two passes over memory less)
    # With q = sqrt(1 - beta2), so that sqrt(v) = q sqrt(V), the same step reads
    #   w <- w - (rate sqrt(c2) / c1) ((1 - beta1) / q) M / (sqrt(V) + eps sqrt(c2) / q)
    def update(self, w, g, state, settings, scratch):
        M, V = state
        beta1, beta2 = self.betas
        c1, c2, q = 1 - beta1**settings.steps, 1 - beta2**settings.steps, sqrt(1 - beta2)
        M *= beta1
        M += g
        g *= g
        V *= beta2
        V += g
        np.sqrt(V, out=g)
        g += self.eps / q if settings.lazy else self.eps * sqrt(c2) / q
        np.divide(M, g, out=g)
        g *= settings.rate * sqrt(c2) / c1 * ((1 - beta1) / q)
        w -= g


class AdamW(Adam):
    """Adam whose decay shrinks the weights themselves: w <- (1 - rate decay) w.

    arXiv 1711.05101, algorithm 2, in PyTorch's form: the paper multiplies the decay by the schedule, not by the rate.
    `groups` and which arrays decay: see `updates.Optimizer`.
    """

    decoupled = True

    def __init__(
        self,
        model: Layer,
        learning_rate: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        groups: Sequence[dict[str, Any]] = (),
        loss: Layer | None = None,
    ) -> None:
        super().__init__(
            model, learning_rate, betas=betas, eps=eps, weight_decay=weight_decay, groups=groups, loss=loss
        )


class Lookahead:
    """Every few steps of `optimizer`, slow weights move a part `alpha` towards its fast ones, which restart there.

    Zhang et al., arXiv 1907.08610, algorithm 1. Buffers of floating-point numbers are pulled as well (airbench94 does
    the same, arXiv 2404.00498): running statistics belong to the weights under which they were measured. A Trainer
    takes a Lookahead in place of an optimizer; its state holds the slow arrays as "0.W/slow".

    With `slowing`, alpha is 1 - (slowing^every) (progress^3) instead: at first the slow weights simply follow, towards
    the end of the run they average ever more steps (airbench94: 0.95). The Trainer sets `progress`.
    """

    progress = 0.0  # how much of the run is done, in [0, 1]

    def __init__(self, optimizer: Optimizer, every: int = 5, alpha: float = 0.5, slowing: float | None = None) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"Lookahead goes around an optimizer, such as Lookahead(SGD(model)); got {optimizer!r}")
        self.optimizer = optimizer
        self.every = whole("every", every)
        self.alpha = in_range("alpha", alpha, most=1)
        self.slowing = None if slowing is None else in_range("slowing", slowing, most=1)
        self.slow: dict[str, np.ndarray] = {}  # empty until the first step: weights may be loaded before it

    def step(self, learning_rate: float | None = None, scale: float = 1.0) -> None:
        """One step of the optimizer; after every `every`-th, `pull()`."""
        self._start()
        self.optimizer.step(learning_rate, scale)
        if self.steps % self.every == 0:
            self.pull()

    # slow <- slow + alpha (fast - slow)          fast <- slow
    def pull(self, alpha: float | None = None) -> None:
        """Moves slow towards fast, then fast onto slow. A run ends with alpha=0, which leaves the slow weights, or, if
        none of its steps pulled, with alpha=1, which leaves the fast ones."""
        if alpha is None:
            alpha = self.alpha if self.slowing is None else 1 - self.slowing**self.every * self.progress**3
        in_range("alpha", alpha, most=1)
        self._start()
        for place, fast in self._fast().items():
            slow = self.slow[place]
            with np.errstate(invalid="ignore"):
                moved = fast - slow
                moved *= alpha
                moved += slow
            np.copyto(moved, fast, where=~np.isfinite(moved))  # no way leads from -inf (a mask, a largest so far): jump
            slow[...] = fast[...] = moved

    def _start(self) -> None:
        if not self.slow:
            self.slow = {place: array.copy() for place, array in self._fast().items()}

    def _fast(self) -> dict[str, np.ndarray]:
        buffers = self.optimizer.model.named_buffers()
        return self.optimizer.parameters() | {place: a for place, a in buffers.items() if a.dtype.kind == "f"}

    @property
    def steps(self) -> int:
        """Updates so far."""
        return self.optimizer.steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self.optimizer.steps = steps

    @property
    def learning_rate(self) -> float:
        """The optimizer's own rate."""
        return self.optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: float) -> None:
        self.optimizer.learning_rate = learning_rate

    @property
    def pool(self) -> Executor | None:
        """The optimizer's threads."""
        return self.optimizer.pool

    @pool.setter
    def pool(self, pool: Executor | None) -> None:
        self.optimizer.pool = pool

    def state_arrays(self) -> dict[str, np.ndarray]:
        """The optimizer's state and the slow arrays: the arrays themselves, not copies."""
        return self.optimizer.state_arrays() | {f"{place}/slow": array for place, array in self.slow.items()}

    def load_state_arrays(self, flat: dict[str, np.ndarray]) -> None:
        """Replaces all state by copies of `flat`; raises ValueError, with nothing changed, when it does not fit."""
        slow = {key[: -len("/slow")]: array for key, array in flat.items() if key.endswith("/slow")}
        fast = self._fast()
        if slow and slow.keys() != fast.keys():
            place = min(slow.keys() ^ fast.keys())
            raise ValueError(f"'{place}/slow' is missing or unexpected: another optimizer or model saved this state")
        for place, array in slow.items():
            if (array.shape, array.dtype) != (fast[place].shape, fast[place].dtype):
                raise ValueError(f"'{place}/slow' is {array.dtype} {array.shape}, expected that of '{place}'")
        self.optimizer.load_state_arrays({key: array for key, array in flat.items() if not key.endswith("/slow")})
        self.slow = {place: array.copy() for place, array in slow.items()}

    def config(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"optimizer": "Lookahead", "of": self.optimizer.config(), "every": self.every, "alpha": self.alpha,
                "slowing": self.slowing}  # fmt: skip

    def __repr__(self) -> str:
        how = f"alpha={self.alpha}" if self.slowing is None else f"slowing={self.slowing}"
        return f"Lookahead({self.optimizer!r}, every={self.every}, {how})"
