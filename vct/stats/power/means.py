"""Sample size and power for means: the noncentral t distribution, not its normal approximation."""

from __future__ import annotations

import math

from vct.errors import InputError
from vct.stats.power.sizing import Sizing, check, smallest, up


def two_means_power(
    difference: float,
    sd: float,
    control: int,
    test: int,
    *,
    alpha: float = 0.05,
    sides: int = 2,
    margin: float = 0.0,
    covariates: int = 0,
) -> float:
    """Power of the two-sample t test: towards larger values when there is a `margin`, else towards `difference`.

    `covariates` lose a degree of freedom each. Two-sided power leaves the wrong direction out.
    """
    from scipy.special import nctdtr, stdtrit

    _check_sd(sd)
    df = control + test - 2 - covariates
    if df < 1:
        return 0.0
    shift = (difference + margin if margin else abs(difference)) / sd * math.sqrt(control * test / (control + test))
    return float(1.0 - nctdtr(df, shift, stdtrit(df, 1.0 - alpha / sides)))


def two_means(
    difference: float,
    sd: float,
    *,
    alpha: float = 0.05,
    power: float = 0.9,
    sides: int = 2,
    ratio: float = 1.0,
    margin: float = 0.0,
    covariates: int = 0,
) -> Sizing:
    """Patients for a two-sample t test; `ratio` is test over control.

    Non-inferiority: `margin` > 0 is the loss that is tolerated when larger values are better, `difference` the true
    test - control; use sides=1. Raises InputError for an impossible question.
    """
    check(alpha, power, sides, ratio)
    _check_sd(sd)
    if difference + margin == 0 or (margin > 0 and difference + margin < 0):
        raise InputError("the true difference lies at or beyond the null hypothesis; no size helps")
    if margin != 0 and sides != 1:
        raise InputError("non-inferiority is one-sided: give sides=1")

    def power_at(n: int) -> float:
        return two_means_power(
            difference, sd, n, up(ratio * n), alpha=alpha, sides=sides, margin=margin, covariates=covariates
        )

    control = smallest(power_at, power)
    return Sizing(control=control, test=up(ratio * control), power=power_at(control))


def paired_means(
    change: float, sd: float, *, correlation: float, alpha: float = 0.05, power: float = 0.9, sides: int = 2
) -> Sizing:
    """Patients measured twice, for a paired t test of the mean `change`.

    `sd` is that of one measurement, so the change has sd sqrt(2 (1 - correlation)). Give correlation=0.5 to state the
    standard deviation of the change itself.
    """
    check(alpha, power, sides)
    _check_sd(sd)
    _check_correlation(correlation)
    if change == 0:
        raise InputError("a change of 0 cannot be detected")
    spread = sd * math.sqrt(2.0 * (1.0 - correlation))
    n = smallest(lambda n: paired_power(change, spread, n, alpha=alpha, sides=sides), power)
    return Sizing(control=n, test=0, power=paired_power(change, spread, n, alpha=alpha, sides=sides))


def paired_power(change: float, sd_change: float, n: int, *, alpha: float = 0.05, sides: int = 2) -> float:
    """Power of the one-sample t test of n changes, in the direction of `change`."""
    from scipy.special import nctdtr, stdtrit

    if n < 2:
        return 0.0
    shift = abs(change) / sd_change * math.sqrt(n)
    return float(1.0 - nctdtr(n - 1, shift, stdtrit(n - 1, 1.0 - alpha / sides)))


def ancova(
    difference: float,
    sd: float,
    *,
    correlation: float,
    alpha: float = 0.05,
    power: float = 0.9,
    sides: int = 2,
    ratio: float = 1.0,
) -> Sizing:
    """Patients for two arms compared at follow-up with the baseline as covariate.

    The residual variance is sd^2 (1 - correlation^2) (Borm, Fransen and Lemmens,
    doi:10.1016/j.jclinepi.2007.02.006); one degree of freedom goes to the covariate.
    """
    _check_sd(sd)
    _check_correlation(correlation)
    residual = sd * math.sqrt(1.0 - correlation**2)
    return two_means(difference, residual, alpha=alpha, power=power, sides=sides, ratio=ratio, covariates=1)


def _check_sd(sd: float) -> None:
    if not sd > 0:
        raise InputError(f"a standard deviation must be positive (got {sd:g})")


def _check_correlation(correlation: float) -> None:
    if not -1.0 < correlation < 1.0:
        raise InputError(f"a correlation must lie between -1 and 1 (got {correlation:g})")
