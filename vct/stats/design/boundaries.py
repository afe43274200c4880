"""Recursive numerical integration of a group sequential test.

Armitage, McPherson and Rowe (doi:10.2307/2343787); Jennison and Turnbull, Group Sequential Methods, chapter 19.
The statistics are Z_k ~ N(drift sqrt(t_k), 1) with Cov(Z_j, Z_k) = sqrt(t_j / t_k) for j <= k: the canonical joint
distribution. `t` is the information fraction and `drift` the expectation of Z at t = 1. The density of Z_k among
trials that go on is kept on the nodes of a composite Gauss-Legendre rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REACH = 9.0
"""Standard deviations around the mean that are integrated: what lies outside is below 1e-18."""
NODES = 16
PANEL_SD = 2.5
"""Longest panel in standard deviations of the narrowest kernel; with 16 nodes the rule is exact to about 1e-13."""
NEVER = 20.0
"""A boundary on the z scale that no trial reaches in double precision."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Where the statistic of the trials that go on can be: probability `mass` (N,) at z = `nodes` (N,), look `k` next.

    `information` (K,) holds the information fraction of every look; `t` is that of the nodes (0 before the first look).
    """

    information: tuple[float, ...]
    drift: float
    nodes: Array
    mass: Array
    t: float = 0.0
    k: int = 0

    @classmethod
    def start(cls, information: Sequence[float], drift: float = 0.0) -> Walk:
        """Before the first look."""
        return cls(tuple(information), drift, np.zeros(1), np.ones(1))

    def above(self, z: float) -> float:
        """Probability of reaching look `k` and finding Z_k >= z there."""
        from scipy.special import ndtr

        return float(self.mass @ ndtr(-self._deviate(np.array([z])))[:, 0])

    def below(self, z: float) -> float:
        """Probability of reaching look `k` and finding Z_k <= z there."""
        from scipy.special import ndtr

        return float(self.mass @ ndtr(self._deviate(np.array([z])))[:, 0])

    def within(self, z: float) -> float:
        """Probability of reaching look `k` and finding -z <= Z_k <= z there."""
        from scipy.special import ndtr

        inside = ndtr(self._deviate(np.array([z]))) - ndtr(self._deviate(np.array([-z])))
        return float(self.mass @ inside[:, 0])

    def go_on(self, lower: float, upper: float, inner: float = 0.0) -> Walk:
        """Past look `k`, where trials with lower < Z_k < upper go on, unless -inner <= Z_k <= inner."""
        t = self.information[self.k]
        gap = self.information[self.k + 1] - t if self.k + 1 < len(self.information) else t
        longest = PANEL_SD * min(1.0, np.sqrt((t - self.t) / t), np.sqrt(gap / t))
        centre = self.drift * np.sqrt(t)
        low, high = max(lower, centre - REACH), min(upper, centre + REACH)
        parts = [(low, high)] if inner <= 0.0 else [(low, min(-inner, high)), (max(inner, low), high)]
        rules = [_composite(start, end, longest) for start, end in parts if start < end] or [(np.zeros(1), np.zeros(1))]
        nodes, weights = (np.concatenate(arrays) for arrays in zip(*rules, strict=True))
        density = np.exp(-0.5 * self._deviate(nodes) ** 2) * np.sqrt(t / (t - self.t) / (2.0 * np.pi))
        return Walk(self.information, self.drift, nodes, weights * (self.mass @ density), t, self.k + 1)

    def _deviate(self, z: Array) -> Array:
        """Standardised increments from every node to every z of look `k`: (N, M)."""
        t = self.information[self.k]
        gap = t - self.t
        ahead = z * np.sqrt(t) - self.drift * gap
        return np.asarray((ahead[None, :] - (self.nodes * np.sqrt(self.t))[:, None]) / np.sqrt(gap))


@dataclass(frozen=True, slots=True)
class Crossing:
    """Probability of stopping at each look (K,): above the upper, below the lower, inside the inner boundary."""

    upper: Array
    lower: Array
    inner: Array

    @property
    def total(self) -> float:
        """Probability that the upper boundary is ever crossed."""
        return float(self.upper.sum())


def crossing(
    lower: Sequence[float],
    upper: Sequence[float],
    information: Sequence[float],
    drift: float,
    inner: Sequence[float] | None = None,
) -> Crossing:
    """Probability of crossing each boundary at each look when the statistic has this `drift`."""
    walk = Walk.start(information, drift)
    ups, downs, ins = [], [], []
    for low, high, hole in zip(lower, upper, inner or (0.0,) * len(upper), strict=True):
        ups.append(walk.above(high))
        downs.append(walk.below(low))
        ins.append(walk.within(hole) if hole > 0.0 else 0.0)
        walk = walk.go_on(low, high, hole)
    return Crossing(np.array(ups), np.array(downs), np.array(ins))


def upper_bound(walk: Walk, probability: float) -> float:
    """The z at the next look that is exceeded with this probability; NEVER when the probability is nil."""
    if probability < 1e-15:
        return NEVER
    if walk.above(-NEVER) <= probability:
        return -NEVER
    return root(lambda z: np.log(max(walk.above(z), 1e-300)) - np.log(probability), -NEVER, NEVER)


def lower_bound(walk: Walk, probability: float) -> float:
    """The z at the next look below which it falls with this probability; -NEVER when the probability is nil."""
    if probability < 1e-15:
        return -NEVER
    if walk.below(NEVER) <= probability:
        return NEVER
    return root(lambda z: np.log(max(walk.below(z), 1e-300)) - np.log(probability), -NEVER, NEVER)


def inner_bound(walk: Walk, probability: float) -> float:
    """The z at the next look that |Z| stays below with this probability; 0 when Z <= 0 alone is as likely.

    An inner boundary appears only where the one-sided lower bound would be positive (Jennison and Turnbull, Group
    Sequential Methods, chapter 5).
    """
    if walk.below(0.0) >= probability:
        return 0.0
    if walk.within(NEVER) <= probability:
        return NEVER
    return root(lambda z: walk.within(z) - probability, 0.0, NEVER)


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """The zero of `f` between `low` and `high`, to 1e-11."""
    from scipy.optimize import brentq

    return float(brentq(f, low, high, xtol=1e-11, rtol=1e-13))


@cache
def _legendre() -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(NODES)
    return x, w


def _composite(low: float, high: float, longest: float) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on panels of [low, high] no longer than `longest`."""
    panels = max(1, int(np.ceil((high - low) / longest)))
    x, w = _legendre()
    half = 0.5 * (high - low) / panels
    centres = low + half * (2.0 * np.arange(panels) + 1.0)
    return (centres[:, None] + half * x).ravel(), np.tile(half * w, panels)
