"""Estimate, standard error, interval and p, once: by Student's t or by the normal distribution.

Only `scipy.special`, which imports quickly.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from vct.stats.result import Result
from vct.stats.sample import Floats

ROUNDING = 1e-10
"""A standard error below this share of the data's size is rounding, not variation (assumed; doubles carry 1e-16)."""


def t_quantile(confidence: float, df: float) -> float:
    """How many standard errors a two-sided interval of that confidence reaches."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + confidence / 2.0))


def t_p_value(statistic: float, df: float) -> float:
    """Two-sided p."""
    from scipy.special import stdtr

    return float(2.0 * stdtr(df, -abs(statistic)))


def z_quantile(confidence: float) -> float:
    """The same for the normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + confidence / 2.0))


def z_p_value(statistic: float) -> float:
    """Two-sided p."""
    from scipy.special import ndtr

    return float(2.0 * ndtr(-abs(statistic)))


def ratio_result(quantity: str, log_ratio: float, error: float, confidence: float) -> Result:
    """A ratio with its interval from its logarithm and the logarithm's standard error; infinite beyond a double."""
    reach = z_quantile(confidence) * error
    with np.errstate(over="ignore"):
        low, estimate, high = (float(np.exp(log_ratio + shift)) for shift in (-reach, 0.0, reach))
    return Result(quantity=quantity, unit="1", estimate=estimate, ci_low=low, ci_high=high)


def no_variation(error: float, *data: Floats) -> bool:
    """Whether a standard error is nothing but rounding."""
    size = max((float(np.abs(values).max()) for values in data if values.size), default=0.0)
    return not error > ROUNDING * size


def t_result(quantity: str, estimate: float, error: float, df: float, confidence: float, null: float = 0.0) -> Result:
    """Estimate, interval and test from an estimate with its standard error and degrees of freedom."""
    reach = t_quantile(confidence, df) * error
    statistic = (estimate - null) / error
    return Result(
        quantity=quantity,
        estimate=estimate,
        ci_low=estimate - reach,
        ci_high=estimate + reach,
        statistic=statistic,
        p_value=t_p_value(statistic, df),
    )


def mean_result(quantity: str, values: Floats, confidence: float, null: float = 0.0) -> Result:
    """The mean of one sample by Student's t: interval, and test against `null`."""
    n = len(values)
    if n == 0:
        return Result(quantity=quantity, note="no patient has a value")
    mean = float(values.mean())
    alone = Result(quantity=quantity, estimate=mean)
    if n == 1:
        return replace(alone, note="one patient: no interval")
    error = float(values.std(ddof=1)) / math.sqrt(n)
    if no_variation(error, values):
        return replace(alone, note="no variation between patients: no interval")
    return t_result(quantity, mean, error, n - 1, confidence, null)
