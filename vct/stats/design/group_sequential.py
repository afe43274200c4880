"""Group sequential designs: efficacy and futility boundaries, drift and stopping probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from vct.errors import InputError
from vct.part import Part
from vct.stats.design.base import Design, Look, Operating, Verdict
from vct.stats.design.boundaries import (
    NEVER,
    Crossing,
    Walk,
    crossing,
    inner_bound,
    lower_bound,
    root,
    upper_bound,
)
from vct.stats.design.fixed import Fixed
from vct.stats.design.spending import Array, EfficacyRule, FixedBounds, FutilityRule, Shape, Spending

MIN_GAP = 0.005
"""Looks closer than this in information are one look: the integration would need ever finer panels."""
MOST = 10.0
"""Information beyond so many times the planned maximum is taken for a mistake."""
FAR = 12.0
"""Drift beyond that of the fixed design within which every design finds its power."""


class Futility(Part):
    """When to stop for futility. `binding`: type I error counts on stopping; non-binding: it holds either way.

    One-sided: at or below the bound. Two-sided: when |z| is at or below it; no bound at early looks where the rule
    would put it below 0, and what was not spent there is spent at the next look.
    """

    rule: FutilityRule
    binding: bool = False


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Efficacy (upper, and lower when two-sided) and futility (lower when one-sided, else inner: |z| up to it) on the
    z scale (K,), and the expected z at full information that gives the power.
    """

    upper: tuple[float, ...]
    lower: tuple[float, ...]
    inner: tuple[float, ...]
    drift: float


class GroupSequential(Design):
    """Looks at given information fractions. An effect is a multiple of the planned one: 0 is none, 1 the planned.

    Two-sided designs are symmetric. Power counts rejections in the planned direction.
    """

    kind: Literal["group_sequential"] = "group_sequential"
    information: tuple[float, ...] = Field(
        min_length=2, max_length=20, description="information fraction at each look, the last one 1"
    )
    sides: Literal[1, 2] = 1
    efficacy: EfficacyRule
    futility: Futility | None = None

    @model_validator(mode="after")
    def _sound(self) -> GroupSequential:
        _check_information(self.information)
        if abs(self.information[-1] - 1.0) > 1e-9:
            raise ValueError(f"the last information fraction must be 1 (got {self.information[-1]:g})")
        if self.futility is None:
            return self
        rule = self.futility.rule
        if self.sides == 2 and isinstance(rule, FixedBounds) and min(rule.z) < 0:
            raise ValueError("two-sided futility stops when |z| is small: its z values must not be negative")
        if isinstance(rule, FixedBounds) and len(rule.z) != len(self.information) - 1:
            raise ValueError(
                f"futility needs {len(self.information) - 1} z values, one for each interim look (got {len(rule.z)})"
            )
        if self.futility.binding and isinstance(rule, Spending) and isinstance(self.efficacy, Shape):
            raise ValueError("binding futility by spending needs efficacy by spending too; or make it non-binding")
        return self

    def bounds(self) -> Boundaries:
        """Efficacy and futility boundaries (z scale) and the drift. Raises InputError when none fit together."""
        return _solve(self)

    @property
    def adapts(self) -> bool:
        """Whether its efficacy boundary can be found at looks that are not where they were planned."""
        return isinstance(self.efficacy, Spending) and not (self.futility is not None and self.futility.binding)

    def drift(self) -> float:
        """Expected z at full information under the planned effect."""
        return self.bounds().drift

    def looks(self) -> tuple[Look, ...]:
        """Every look with its boundary on the z scale, nominal one-sided p and the errors spent so far."""
        return _looks(self)

    def inflation(self) -> float:
        """Maximum information over that of the fixed design: (drift / fixed drift)^2."""
        return (self.drift() / Fixed(alpha=self.alpha, power=self.power, sides=self.sides).drift()) ** 2

    def operating(self, effect: float) -> Operating:
        """Stopping probabilities when the true effect is `effect` times the planned one; futility is obeyed."""
        found = self.under(effect * self.drift())
        nothing = np.zeros(len(self.information))
        reverse, futile = (found.lower, found.inner) if self.sides == 2 else (nothing, found.lower)
        futile[-1] = 1.0 - found.upper.sum() - reverse.sum() - futile[:-1].sum()
        stop = (found.upper + reverse + futile)[:-1]
        expected = float(np.asarray(self.information[:-1]) @ stop + 1.0 - stop.sum())
        return Operating(
            efficacy=tuple(found.upper.tolist()),
            reverse=tuple(reverse.tolist()),
            futility=tuple(futile.tolist()),
            expected=expected,
        )

    def verdict(self, look: int, value: float) -> Verdict:
        """Two-sided designs reject in either direction."""
        return super().verdict(look, abs(value) if self.sides == 2 else value)

    def at(self, observed: Sequence[float], final: bool) -> tuple[float, ...]:
        """Efficacy boundary (z) at the looks that really happened, for a spending rule without binding futility.

        `observed` is the information of each look so far over the planned maximum, which it may overrun. What the rule
        allows by then is spent at each look; everything that is left at the `final` one (Lan and DeMets,
        doi:10.2307/2336502). Raises InputError when information goes backwards or the rule is no spending function.
        """
        if not isinstance(self.efficacy, Spending):
            raise InputError(f"{self.efficacy.kind} holds only at its planned looks; use a spending function")  # type: ignore[attr-defined]
        if self.futility is not None and self.futility.binding:
            raise InputError("boundaries at observed information are given for non-binding futility only")
        try:
            _check_information(observed)
        except ValueError as error:
            raise InputError(str(error)) from None
        spent = self.efficacy.spent(np.minimum(observed, 1.0), self.alpha / self.sides)
        if final:
            spent[-1] = self.alpha / self.sides
        nobody = (0.0 if self.sides == 2 else -NEVER,) * (len(observed) - 1)
        return _spend_upper(tuple(observed), _steps(spent), self.sides, nobody)

    def under(self, drift: float, *, alpha: bool = False) -> Crossing:
        """Crossing probabilities when the expected z at full information is `drift`.

        With `alpha` a non-binding futility boundary is taken as ignored, as the type I error must allow for.
        """
        found = self.bounds()
        lower, inner = found.lower, found.inner
        if alpha and self.futility is not None and not self.futility.binding:
            inner = (0.0,) * len(inner)
            lower = lower if self.sides == 2 else (-NEVER,) * len(lower)
        return crossing(lower, found.upper, self.information, drift, inner)


@lru_cache(maxsize=256)
def _looks(design: GroupSequential) -> tuple[Look, ...]:
    from scipy.special import ndtr

    found = design.bounds()
    spent = np.cumsum(design.under(0.0, alpha=True).upper) * design.sides
    under = design.under(found.drift)
    lost = np.cumsum(under.inner if design.sides == 2 else under.lower)
    stops, least = (found.inner, 0.0) if design.sides == 2 else (found.lower, -NEVER)
    return tuple(
        Look(
            number=k + 1,
            fraction=design.information[k],
            efficacy=None if found.upper[k] >= NEVER else found.upper[k],
            futility=None if design.futility is None or stops[k] <= least else stops[k],
            nominal_p=float(ndtr(-found.upper[k])),
            alpha_spent=float(spent[k]),
            beta_spent=None if design.futility is None else float(lost[k]),
        )
        for k in range(len(design.information))
    )


def _check_information(information: Sequence[float]) -> None:
    if not all(0.0 <= t <= MOST for t in information) or not information:
        raise ValueError(f"information fractions must lie between 0 and {MOST:g} (got {tuple(information)})")
    if information[0] < MIN_GAP:
        raise ValueError(f"the first information fraction must be at least {MIN_GAP} (got {information[0]:g})")
    for before, after in itertools.pairwise(information):
        if after <= before:
            raise ValueError(f"information must grow from look to look: {after:g} comes after {before:g}")
        if after - before < MIN_GAP:
            raise ValueError(f"looks must lie at least {MIN_GAP} of the information apart ({before:g}, {after:g})")


@lru_cache(maxsize=256)
def _solve(design: GroupSequential) -> Boundaries:
    futility = design.futility
    if futility is not None and isinstance(futility.rule, Spending):
        return _with_beta_spending(design, futility.rule, binding=futility.binding)
    nothing = _no_futility(design)
    stops = nothing if futility is None else futility.rule.z  # type: ignore[union-attr]
    upper = _efficacy(design, stops if futility is not None and futility.binding else nothing)
    _check_order(stops, upper)
    lower, inner = _sides(design, stops, upper)
    return Boundaries(upper, lower, inner, _drift(design, lower, upper, inner))


def _no_futility(design: GroupSequential) -> tuple[float, ...]:
    """Futility bounds at the interim looks that stop nobody."""
    return (0.0 if design.sides == 2 else -NEVER,) * (len(design.information) - 1)


def _sides(
    design: GroupSequential, stops: Sequence[float], upper: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Lower and inner boundary (K,) from the futility bounds at the interim looks."""
    if design.sides == 2:
        return tuple(-z for z in upper), (*stops, upper[-1])
    return (*stops, upper[-1]), (0.0,) * len(upper)


def _efficacy(design: GroupSequential, stops: Sequence[float]) -> tuple[float, ...]:
    """The efficacy boundary when the interim futility bounds that count are known."""
    error = design.alpha / design.sides
    t = np.asarray(design.information)
    if isinstance(design.efficacy, Spending):
        return _spend_upper(design.information, _steps(design.efficacy.spent(t, error)), design.sides, tuple(stops))
    relative = design.efficacy.relative(t)

    def excess(height: float) -> float:
        upper = (height * relative).tolist()
        lower, inner = _sides(design, stops, upper)
        return crossing((*lower[:-1], -NEVER), upper, design.information, 0.0, inner).total - error

    height = root(excess, 0.0, 12.0 / float(relative.min()))
    return tuple((height * relative).tolist())


@lru_cache(maxsize=4096)
def _spend_upper(
    information: tuple[float, ...], steps: tuple[float, ...], sides: int, stops: tuple[float, ...]
) -> tuple[float, ...]:
    walk = Walk.start(information)
    upper: list[float] = []
    for step, stop in zip(steps, (*stops, 0.0), strict=True):
        bound = upper_bound(walk, step)
        upper.append(bound)
        walk = walk.go_on(-bound, bound, stop) if sides == 2 else walk.go_on(stop, bound)
    return tuple(upper)


def _steps(spent: Array) -> tuple[float, ...]:
    return tuple(np.diff(spent, prepend=0.0).tolist())


def _drift(
    design: GroupSequential, lower: tuple[float, ...], upper: tuple[float, ...], inner: tuple[float, ...]
) -> float:
    def shortfall(drift: float) -> float:
        return crossing(lower, upper, design.information, drift, inner).total - design.power

    start = Fixed(alpha=design.alpha, power=design.power, sides=design.sides).drift()
    if shortfall(start + FAR) < 0:
        raise InputError(f"no sample size reaches power {design.power:g}: futility stops too many trials")
    return root(shortfall, 0.0, start + FAR)


def _check_order(stops: Sequence[float], upper: Sequence[float]) -> None:
    if min(upper) <= -NEVER:
        raise InputError("binding futility leaves too few trials to spend alpha on; move it or make it non-binding")
    for k, (low, high) in enumerate(zip(stops, upper, strict=False), start=1):
        if low >= high:
            raise InputError(f"at look {k} futility (z <= {low:.3f}) meets efficacy (z >= {high:.3f})")


def _with_beta_spending(design: GroupSequential, rule: Spending, *, binding: bool) -> Boundaries:
    """The drift at which the power is what was asked, with beta spent on futility as the rule says."""
    t = np.asarray(design.information)
    error = design.alpha / design.sides
    betas = rule.spent(t, 1.0 - design.power)
    alphas = design.efficacy.spent(t, error) if isinstance(design.efficacy, Spending) else t
    gains = _steps(alphas)
    ignoring = None if binding else _efficacy(design, _no_futility(design))

    def walk(drift: float) -> tuple[list[float], list[float], float]:
        """Efficacy, interim futility and power under this drift."""
        null, planned = Walk.start(design.information), Walk.start(design.information, drift)
        upper: list[float] = []
        stops: list[float] = []
        power = spent = 0.0
        for k in range(len(t)):
            high = ignoring[k] if ignoring is not None else upper_bound(null, gains[k])
            upper.append(high)
            power += planned.above(high)
            if k == len(t) - 1:
                break
            if design.sides == 2:
                stop = min(inner_bound(planned, float(betas[k]) - spent), high)
                spent += planned.within(stop) if stop > 0.0 else 0.0
                null, planned = null.go_on(-high, high, stop), planned.go_on(-high, high, stop)
            else:
                stop = min(lower_bound(planned, float(betas[k]) - spent), high)
                spent += planned.below(stop)
                null, planned = null.go_on(stop, high), planned.go_on(stop, high)
            stops.append(stop)
        return upper, stops, power

    start = Fixed(alpha=design.alpha, power=design.power, sides=design.sides).drift()
    drift = root(lambda d: walk(d)[2] - design.power, 0.0, start + FAR)
    upper, stops, _ = walk(drift)
    _check_order(stops, upper)
    return Boundaries(tuple(upper), *_sides(design, stops, upper), drift)
