"""Single-arm phase II designs for a response rate, exact: Simon's two stages and the single stage.

R. Simon, Optimal two-stage designs for phase II clinical trials (doi:10.1016/0197-2456(89)90015-9): stop after n1
patients with r1 responders or fewer; the treatment is promising with more than r responders among n.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vct.errors import InputError
from vct.stats.design.base import Design, Look, Operating, Statistic

Array = NDArray[np.float64]
SLACK = 1e-12
"""Rounding error that a type I error or a power may miss its limit by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Go on with more than `r1` of `n1` responders; promising with more than `r` of `n`.

    `alpha` and `power` are attained; `early_stop` is the probability of stopping after stage one when the rate is p0,
    `expected_n` the expected number of patients then.
    """

    r1: int
    n1: int
    r: int
    n: int
    alpha: float
    power: float
    early_stop: float
    expected_n: float

    def promising(self, rate: float) -> float:
        """Probability of more than r responders, stage one passed, at this response rate."""
        from scipy.stats import binom

        x = np.arange(self.r1 + 1, self.n1 + 1)
        return float(binom.pmf(x, self.n1, rate) @ binom.sf(self.r - x, self.n - self.n1, rate))

    def p_value(self, responders: int, patients: int, p0: float) -> float:
        """One-sided p under stage-wise ordering (Koyama and Chen, PMC6047527): later stages are more extreme.

        Raises InputError when `patients` is neither n1 (stopped) nor n (finished), or the count does not fit.
        """
        from scipy.stats import binom

        if patients == self.n1 and 0 <= responders <= self.r1:
            return float(binom.sf(responders - 1, self.n1, p0))
        if patients == self.n and self.r1 < responders <= self.n:
            x = np.arange(self.r1 + 1, self.n1 + 1)
            return float(binom.pmf(x, self.n1, p0) @ binom.sf(responders - 1 - x, self.n - self.n1, p0))
        raise InputError(
            f"{responders} responders of {patients} cannot end this design: it stops at {self.n1} patients with at "
            f"most {self.r1} responders, or goes on to {self.n}"
        )


class _SingleArm(Design):
    """Uninteresting rate p0 against desirable rate p1, by counting responders. An effect is a true response rate."""

    alpha: float = Field(default=0.05, ge=1e-8, lt=0.5, description="type I error at p0, one-sided")
    power: float = Field(default=0.8, gt=0.0, le=1.0 - 1e-8, description="probability of a promising result at p1")
    p0: float = Field(gt=0.0, lt=1.0)
    p1: float = Field(gt=0.0, lt=1.0)
    max_patients: int = Field(default=150, ge=2, le=500)

    statistic: ClassVar[Statistic] = "responders"

    @model_validator(mode="after")
    def _rates(self) -> _SingleArm:
        if self.p1 <= self.p0:
            raise ValueError(f"p1 {self.p1:g} must be above p0 {self.p0:g}")
        return self


class SimonTwoStage(_SingleArm):
    """Simon's two-stage design: `optimal` has the fewest expected patients at p0, `minimax` the smallest maximum."""

    kind: Literal["simon_two_stage"] = "simon_two_stage"
    criterion: Literal["optimal", "minimax"] = "optimal"

    def stages(self) -> Stages:
        """The design found. Raises InputError when none exists within `max_patients`."""
        return _search(self.p0, self.p1, self.alpha, self.power, self.criterion, self.max_patients)

    def looks(self) -> tuple[Look, ...]:
        """Two looks, at n1 and n patients; the statistic is the number of responders."""
        found = self.stages()
        return (
            Look(
                number=1, fraction=found.n1 / found.n, efficacy=None, futility=found.r1, nominal_p=None, alpha_spent=0.0
            ),
            Look(
                number=2, fraction=1.0, efficacy=found.r + 1, futility=found.r, nominal_p=None, alpha_spent=found.alpha
            ),
        )

    def inflation(self) -> float:
        """Maximum number of patients over that of the exact single-stage design."""
        return self.stages().n / _single(self.p0, self.p1, self.alpha, self.power, self.max_patients)[1]

    def operating(self, effect: float) -> Operating:
        """Stopping probabilities when the true response rate is `effect`."""
        from scipy.stats import binom

        found = self.stages()
        stop = float(binom.cdf(found.r1, found.n1, effect))
        power = found.promising(effect)
        expected = (found.n1 * stop + found.n * (1.0 - stop)) / found.n
        return Operating(
            efficacy=(0.0, power), reverse=(0.0, 0.0), futility=(stop, 1.0 - stop - power), expected=expected
        )


class ExactSingleStage(_SingleArm):
    """The smallest exact binomial single-stage design; promising with more than r of n responders (A'Hern,
    doi:10.1002/sim.721).
    """

    kind: Literal["exact_single_stage"] = "exact_single_stage"

    def size(self) -> tuple[int, int]:
        """(r, n). Raises InputError when none exists within `max_patients`."""
        return _single(self.p0, self.p1, self.alpha, self.power, self.max_patients)

    def looks(self) -> tuple[Look, ...]:
        """The one look; the statistic is the number of responders."""
        from scipy.stats import binom

        r, n = self.size()
        p = float(binom.sf(r, n, self.p0))
        return (Look(number=1, fraction=1.0, efficacy=r + 1, futility=r, nominal_p=p, alpha_spent=p),)

    def inflation(self) -> float:
        """1: this is the fixed design."""
        return 1.0

    def operating(self, effect: float) -> Operating:
        """Probability of a promising result when the true response rate is `effect`."""
        from scipy.stats import binom

        r, n = self.size()
        power = float(binom.sf(r, n, effect))
        return Operating(efficacy=(power,), reverse=(0.0,), futility=(1.0 - power,), expected=1.0)


@lru_cache(maxsize=256)
def _single(p0: float, p1: float, alpha: float, power: float, most: int) -> tuple[int, int]:
    """(r, n) with the smallest n that keeps both errors; a larger n need not, as the binomial is discrete."""
    from scipy.stats import binom

    n = np.arange(2, most + 1)
    r = np.asarray(binom.isf(alpha, n, p0)).astype(int)
    fits = (np.asarray(binom.sf(r, n, p0)) <= alpha + SLACK) & (np.asarray(binom.sf(r, n, p1)) >= power - SLACK)
    if not fits.any():
        raise InputError(
            f"no single-stage design tells {p1:g} from {p0:g} with alpha {alpha:g} and power {power:g} within "
            f"{most} patients"
        )
    first = int(np.argmax(fits))
    return int(r[first]), int(n[first])


@lru_cache(maxsize=256)
def _search(p0: float, p1: float, alpha: float, power: float, criterion: str, most: int) -> Stages:
    best: Stages | None = None
    for n in range(2, most + 1):
        if best is not None and criterion == "minimax" and n > best.n:
            break
        r = _last_with(n, p1, power)
        for n1 in range(1, n):
            bar = np.inf if best is None else best.expected_n - SLACK
            if n1 >= bar:
                break
            r1 = min(_last_with(n1, p1, power), r)
            if r1 < 0 or _expected(n1, n, r1, p0) >= bar or _promising(n1, n, p0, r1, r) > alpha + SLACK:
                continue
            best = _best_bounds(n1, n, p0, p1, alpha, power, r1, bar) or best
    if best is None:
        raise InputError(
            f"no two-stage design tells {p1:g} from {p0:g} with alpha {alpha:g} and power {power:g} within "
            f"{most} patients; raise max_patients"
        )
    return best


def _best_bounds(
    n1: int, n: int, p0: float, p1: float, alpha: float, power: float, highest: int, bar: float
) -> Stages | None:
    """For these stage sizes the largest r1 up to `highest` that some r goes with, and the smallest such r.

    A larger r1 stops more often, so it has the fewest expected patients; only fewer than `bar` are of interest.
    """
    r1 = highest
    while r1 >= 0 and _expected(n1, n, r1, p0) < bar:
        r = _smallest_r(n1, n, r1, p0, alpha)
        reached = _promising(n1, n, p1, r1, r)
        if reached >= power - SLACK:
            return Stages(
                r1=r1,
                n1=n1,
                r=r,
                n=n,
                alpha=_promising(n1, n, p0, r1, r),
                power=reached,
                early_stop=1.0 - float(_table(n1, p0)[0][r1]),
                expected_n=_expected(n1, n, r1, p0),
            )
        r1 -= 1
    return None


def _expected(n1: int, n: int, r1: int, rate: float) -> float:
    """Expected patients at this response rate."""
    return n1 + float(_table(n1, rate)[0][r1]) * (n - n1)


def _smallest_r(n1: int, n: int, r1: int, p0: float, alpha: float) -> int:
    """The smallest r that keeps the type I error; it falls as r grows and is 0 at n."""
    low, high = r1, n
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _promising(n1, n, p0, r1, middle) <= alpha + SLACK else (middle + 1, high)
    return low


def _promising(n1: int, n: int, rate: float, r1: int, r: int) -> float:
    """P(X1 > r1 and X1 + X2 > r)."""
    tails, masses = _table(n - n1, rate)[0], _table(n1, rate)[1]
    sure = max(r1, r) + 1
    need = np.arange(r - r1 - 1, r - min(sure - 1, n1) - 1, -1)
    undecided = masses[r1 + 1 : r1 + 1 + need.size]
    certain = float(masses[sure:].sum())
    return certain + float(undecided @ np.where(need > n - n1, 0.0, tails[np.minimum(need, n - n1)]))


@lru_cache(maxsize=4096)
def _last_with(n: int, rate: float, power: float) -> int:
    """The largest r with P(X > r) >= power among n patients, -1 when there is none."""
    return int((_table(n, rate)[0] >= power - SLACK).sum()) - 1


@lru_cache(maxsize=4096)
def _table(n: int, rate: float) -> tuple[Array, Array]:
    """Upper tails P(X > x) and masses P(X = x) of the binomial for x = 0 to n."""
    from scipy.stats import binom

    x = np.arange(n + 1)
    return np.asarray(binom.sf(x, n, rate)), np.asarray(binom.pmf(x, n, rate))
