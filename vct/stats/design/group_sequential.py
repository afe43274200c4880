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
from vct.stats.design.boundaries import NEVER, Crossing, Walk, crossing, lower_bound, root, upper_bound
from vct.stats.design.fixed import Fixed
from vct.stats.design.spending import EfficacyRule, FixedBounds, FutilityRule, Shape, Spending

MIN_GAP = 0.005
"""Looks closer than this in information are one look: the integration would need ever finer panels."""
FAR = 12.0
"""Drift beyond that of the fixed design within which every design finds its power."""


class Futility(Part):
    """When to stop for futility. `binding`: type I error counts on stopping; non-binding: it holds either way."""

    rule: FutilityRule
    binding: bool = False


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Efficacy and futility on the z scale (K,), and the expected z at full information that gives the power."""

    upper: tuple[float, ...]
    lower: tuple[float, ...]
    drift: float


class GroupSequential(Design):
    """Looks at given information fractions. An effect is a multiple of the planned one: 0 is none, 1 the planned.

    Two-sided designs are symmetric and have no futility. Power counts rejections in the planned direction.
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
        if self.sides == 2:
            raise ValueError("a futility boundary needs sides: 1; a two-sided design here has none")
        rule = self.futility.rule
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

    def drift(self) -> float:
        """Expected z at full information under the planned effect."""
        return self.bounds().drift

    def looks(self) -> tuple[Look, ...]:
        """Every look with its boundary on the z scale, nominal one-sided p and the errors spent so far."""
        from scipy.special import ndtr

        found = self.bounds()
        spent = np.cumsum(self._under(0.0, alpha=True).upper) * self.sides
        lost = np.cumsum(self._under(found.drift).lower)
        return tuple(
            Look(
                number=k + 1,
                fraction=self.information[k],
                efficacy=None if found.upper[k] >= NEVER else found.upper[k],
                futility=None if self.futility is None or found.lower[k] <= -NEVER else found.lower[k],
                nominal_p=float(ndtr(-found.upper[k])),
                alpha_spent=float(spent[k]),
                beta_spent=None if self.futility is None else float(lost[k]),
            )
            for k in range(len(self.information))
        )

    def inflation(self) -> float:
        """Maximum information over that of the fixed design: (drift / fixed drift)^2."""
        return (self.drift() / Fixed(alpha=self.alpha, power=self.power, sides=self.sides).drift()) ** 2

    def operating(self, effect: float) -> Operating:
        """Stopping probabilities when the true effect is `effect` times the planned one; futility is obeyed."""
        found = self._under(effect * self.drift())
        nothing = np.zeros(len(self.information))
        reverse, futile = (found.lower, nothing) if self.sides == 2 else (nothing, found.lower.copy())
        futile[-1] = 1.0 - found.upper.sum() - reverse.sum() - futile[:-1].sum()
        stop = found.upper[:-1] + found.lower[:-1]
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
        return _spend_upper(tuple(observed), np.diff(spent, prepend=0.0), self.sides)

    def _under(self, drift: float, *, alpha: bool = False) -> Crossing:
        """Crossing probabilities; with `alpha` a non-binding futility boundary is taken as ignored."""
        found = self.bounds()
        lower = found.lower
        if alpha and self.futility is not None and not self.futility.binding:
            lower = (-NEVER,) * len(lower)
        return crossing(lower, found.upper, self.information, drift)


def _check_information(information: Sequence[float]) -> None:
    if information[0] < MIN_GAP:
        raise ValueError(f"the first information fraction must be at least {MIN_GAP} (got {information[0]:g})")
    for before, after in itertools.pairwise(information):
        if after <= before:
            raise ValueError(f"information must grow from look to look: {after:g} comes after {before:g}")
        if after - before < MIN_GAP:
            raise ValueError(f"looks must lie at least {MIN_GAP} of the information apart ({before:g}, {after:g})")
    if information[-1] > 10.0:
        raise ValueError(f"information must be at most ten times what was planned (got {information[-1]:g})")


@lru_cache(maxsize=256)
def _solve(design: GroupSequential) -> Boundaries:
    futility = design.futility
    interim = len(design.information) - 1
    if futility is None or isinstance(futility.rule, FixedBounds):
        fixed = (-NEVER,) * interim if futility is None else futility.rule.z  # type: ignore[union-attr]
        counted = fixed if futility is not None and futility.binding else (-NEVER,) * interim
        upper = _efficacy(design, counted)
        _check_order(fixed, upper)
        lower = tuple(-z for z in upper) if design.sides == 2 else (*fixed, upper[-1])
        return Boundaries(upper, lower, _drift(design, lower, upper))
    return _with_beta_spending(design, futility.rule, binding=futility.binding)


def _efficacy(design: GroupSequential, lower: tuple[float, ...]) -> tuple[float, ...]:
    """The efficacy boundary when the interim futility bounds that count are known."""
    error = design.alpha / design.sides
    t = np.asarray(design.information)
    if isinstance(design.efficacy, Spending):
        steps = np.diff(design.efficacy.spent(t, error), prepend=0.0)
        return _spend_upper(design.information, steps, design.sides, lower)
    relative = design.efficacy.relative(t)

    def excess(height: float) -> float:
        upper = (height * relative).tolist()
        low = [-z for z in upper] if design.sides == 2 else [*lower, -NEVER]
        return crossing(low, upper, design.information, 0.0).total - error

    height = root(excess, 0.0, 12.0 / float(relative.min()))
    return tuple((height * relative).tolist())


def _spend_upper(
    information: tuple[float, ...], steps: np.ndarray, sides: int, lower: tuple[float, ...] = ()
) -> tuple[float, ...]:
    walk = Walk.start(information)
    upper: list[float] = []
    for k, step in enumerate(steps):
        bound = upper_bound(walk, float(step))
        upper.append(bound)
        low = -bound if sides == 2 else (lower[k] if k < len(lower) else -NEVER)
        walk = walk.go_on(low, bound)
    return tuple(upper)


def _drift(design: GroupSequential, lower: tuple[float, ...], upper: tuple[float, ...]) -> float:
    def shortfall(drift: float) -> float:
        return crossing(lower, upper, design.information, drift).total - design.power

    start = Fixed(alpha=design.alpha, power=design.power, sides=design.sides).drift()
    if shortfall(start + FAR) < 0:
        raise InputError(f"no sample size reaches power {design.power:g}: futility stops too many trials")
    return root(shortfall, 0.0, start + FAR)


def _check_order(lower: Sequence[float], upper: Sequence[float]) -> None:
    if min(upper) <= -NEVER:
        raise InputError("binding futility leaves too few trials to spend alpha on; move it or make it non-binding")
    for k, (low, high) in enumerate(zip(lower, upper, strict=False), start=1):
        if low >= high:
            raise InputError(
                f"at look {k} futility (z <= {low:.3f}) meets efficacy (z >= {high:.3f}); no trial goes on"
            )


def _with_beta_spending(design: GroupSequential, rule: Spending, *, binding: bool) -> Boundaries:
    """The drift at which both boundaries meet at the last look with the error beta all spent."""
    beta = 1.0 - design.power
    t = np.asarray(design.information)
    steps = np.diff(rule.spent(t, beta), prepend=0.0)
    ignoring = None if binding else _efficacy(design, (-NEVER,) * (len(t) - 1))

    def walk(drift: float) -> tuple[list[float], list[float], float]:
        """Both boundaries under this drift, and the error at the last look beyond what may be spent there."""
        null, planned = Walk.start(design.information), Walk.start(design.information, drift)
        alphas = design.efficacy.spent(t, design.alpha) if isinstance(design.efficacy, Spending) else t
        gains = np.diff(alphas, prepend=0.0)
        upper: list[float] = []
        lower: list[float] = []
        for k in range(len(t)):
            high = ignoring[k] if ignoring is not None else upper_bound(null, float(gains[k]))
            upper.append(high)
            if k == len(t) - 1:
                lower.append(high)
                break
            lower.append(min(lower_bound(planned, float(steps[k])), high))
            null, planned = null.go_on(lower[k], high), planned.go_on(lower[k], high)
        return upper, lower, planned.below(upper[-1]) - float(steps[-1])

    start = Fixed(alpha=design.alpha, power=design.power).drift()
    drift = root(lambda d: walk(d)[2], 0.0, start + FAR)
    upper, lower, _ = walk(drift)
    _check_order(lower[:-1], upper)
    return Boundaries(tuple(upper), tuple(lower), drift)
