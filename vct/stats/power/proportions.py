"""Sample size and power for two proportions: normal test with pooled or unpooled variance, Fisher's exact test."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np

from vct.errors import InputError
from vct.stats.power.sizing import Sizing, check, up

Variance = Literal["pooled", "unpooled"]
TIE = 1.0 + 1e-7
"""Tables up to so much likelier than the observed one count as no more likely (rounding), as in R's fisher.test."""


def two_proportions_power(
    control_rate: float,
    test_rate: float,
    control: int,
    test: int,
    *,
    alpha: float = 0.05,
    sides: int = 2,
    variance: Variance = "pooled",
    margin: float = 0.0,
) -> float:
    """Power of the z test of two proportions (normal approximation).

    Towards larger rates in the test arm when there is a `margin`, else in the direction of the true difference.
    """
    from scipy.special import ndtr, ndtri

    _check_rates(control_rate, test_rate)
    null, true = _spreads(control_rate, test_rate, test / control, variance)
    gain = test_rate - control_rate
    distance = (gain + margin if margin else abs(gain)) * math.sqrt(control)
    return float(ndtr((distance - ndtri(1.0 - alpha / sides) * null) / true))


def two_proportions(
    control_rate: float,
    test_rate: float,
    *,
    alpha: float = 0.05,
    power: float = 0.9,
    sides: int = 2,
    ratio: float = 1.0,
    variance: Variance = "pooled",
    margin: float = 0.0,
) -> Sizing:
    """Patients for the z test, without continuity correction (Fleiss, Statistical Methods for Rates and Proportions).

    `variance`: of the difference under the null, from the pooled rate, or as under the alternative. Non-inferiority:
    `margin` > 0 is the loss tolerated when larger is better; it takes sides=1 and the unpooled variance. Raises
    InputError for an impossible question.
    """
    from scipy.special import ndtri

    check(alpha, power, sides, ratio)
    _check_rates(control_rate, test_rate)
    distance = test_rate - control_rate + margin
    if distance == 0 or (margin > 0 and distance < 0):
        raise InputError("the true difference lies at or beyond the null hypothesis; no size helps")
    if margin != 0 and (sides != 1 or variance != "unpooled"):
        raise InputError("non-inferiority is one-sided with unpooled variance: give sides=1, variance='unpooled'")
    null, true = _spreads(control_rate, test_rate, ratio, variance)
    needed = ((ndtri(1.0 - alpha / sides) * null + ndtri(power) * true) / distance) ** 2
    control, test = max(2, up(float(needed))), max(2, up(float(needed) * ratio))
    reached = two_proportions_power(
        control_rate, test_rate, control, test, alpha=alpha, sides=sides, variance=variance, margin=margin
    )
    return Sizing(control=control, test=test, power=reached)


def fisher_power(
    control_rate: float, test_rate: float, control: int, test: int, *, alpha: float = 0.05, sides: int = 2
) -> float:
    """Exact power of Fisher's test by enumeration of all tables; one-sided in the direction of the true difference.

    The two-sided p-value adds every table that is no more likely than the observed one.
    """
    from scipy.stats import binom

    reject = _fisher_region(control, test, alpha, sides, test_rate > control_rate)
    in_control = binom.pmf(np.arange(control + 1), control, control_rate)
    in_test = binom.pmf(np.arange(test + 1), test, test_rate)
    return float(in_control @ reject @ in_test)


def fisher(
    control_rate: float,
    test_rate: float,
    *,
    alpha: float = 0.05,
    power: float = 0.9,
    sides: int = 2,
    ratio: float = 1.0,
    largest: int = 1000,
) -> Sizing:
    """Patients for Fisher's exact test: the first control arm, from nine tenths of the pooled z test's upwards, with
    the power. Power is not monotone in n, so a larger trial may have a little less. Raises InputError past `largest`.
    """
    start = two_proportions(control_rate, test_rate, alpha=alpha, power=power, sides=sides, ratio=ratio)
    for control in range(max(2, int(0.9 * start.control)), largest + 1):
        test = up(ratio * control)
        reached = fisher_power(control_rate, test_rate, control, test, alpha=alpha, sides=sides)
        if reached >= power:
            return Sizing(control=control, test=test, power=reached)
    raise InputError(f"Fisher's test needs more than {largest} control patients here; use two_proportions")


@lru_cache(maxsize=8)
def _fisher_region(control: int, test: int, alpha: float, sides: int, larger: bool) -> np.ndarray:
    """1 where the test rejects, else 0: (control + 1, test + 1) by responders in each arm."""
    from scipy.stats import hypergeom

    reject = np.zeros((control + 1, test + 1))
    for responders in range(control + test + 1):
        in_test = np.arange(max(0, responders - control), min(test, responders) + 1)
        mass = hypergeom.pmf(in_test, control + test, responders, test)
        if sides == 1:
            p = mass[::-1].cumsum()[::-1] if larger else mass.cumsum()
        else:
            order = np.argsort(mass)
            upto = np.searchsorted(mass[order], mass * TIE, side="right")
            p = mass[order].cumsum()[upto - 1]
        reject[responders - in_test, in_test] = p <= alpha * (1.0 + 1e-12)
    return reject


def _spreads(control_rate: float, test_rate: float, ratio: float, variance: Variance) -> tuple[float, float]:
    """sqrt(control patients) times the standard error of the difference, under the null and under the truth."""
    true = control_rate * (1.0 - control_rate) + test_rate * (1.0 - test_rate) / ratio
    if variance == "unpooled":
        return math.sqrt(true), math.sqrt(true)
    mean = (control_rate + ratio * test_rate) / (1.0 + ratio)
    return math.sqrt((1.0 + 1.0 / ratio) * mean * (1.0 - mean)), math.sqrt(true)


def _check_rates(control_rate: float, test_rate: float) -> None:
    for name, rate in (("control_rate", control_rate), ("test_rate", test_rate)):
        if not 0.0 < rate < 1.0:
            raise InputError(f"{name} must lie between 0 and 1 (got {rate:g})")
