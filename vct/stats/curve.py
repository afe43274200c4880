"""Kaplan-Meier curves and the counts that the log-rank test adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vct.records import Outcome
from vct.stats.sample import Floats
from vct.stats.student import z_quantile

ROUNDING = 1e-9
"""Slack when a survival of exactly one half is looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class SurvivalCurve:
    """A step function: `survival[i]` holds from `time_days[i]` until the next time; it starts with 1 at time 0.

    Times are those at which something happened. `at_risk` counts just before the time. Limits are nan where the curve
    is 0.
    """

    time_days: Floats
    survival: Floats
    ci_low: Floats
    ci_high: Floats
    at_risk: NDArray[np.int64]
    events: NDArray[np.int64]
    censored: NDArray[np.int64]


def survival_curve(outcomes: Sequence[Outcome], confidence: float = 0.95) -> SurvivalCurve:
    """The Kaplan-Meier curve of these patients; outcomes without a time or an event indicator are left out."""
    usable = [
        (item.time_days, item.event) for item in outcomes if item.time_days is not None and item.event is not None
    ]
    times = np.array([time for time, _ in usable], dtype=float)
    return kaplan_meier(times, np.array([event for _, event in usable], dtype=bool), confidence)


def kaplan_meier(times: Floats, events: NDArray[np.bool_], confidence: float) -> SurvivalCurve:
    """Product-limit estimate (Kaplan and Meier 1958, doi 10.2307/2281868) with pointwise limits on the log(-log) scale
    from Greenwood's variance (Kalbfleisch and Prentice 1980).
    """
    at, at_risk, n_events, n_censored = life_table(times, events)
    survival = np.cumprod(1.0 - n_events / np.maximum(at_risk, 1))
    left = at_risk - n_events
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(n_events / (at_risk * left.astype(float)))
        reach = z_quantile(confidence) * np.sqrt(greenwood) / np.abs(np.log(survival))
        low, high = survival ** np.exp(reach), survival ** np.exp(-reach)
    for limit in (low, high):
        limit[survival >= 1.0] = 1.0
        limit[survival <= 0.0] = np.nan
    start = [len(times)]
    return SurvivalCurve(
        np.concatenate([[0.0], at]),
        np.concatenate([[1.0], survival]),
        np.concatenate([[1.0], low]),
        np.concatenate([[1.0], high]),
        np.concatenate([start, at_risk]).astype(np.int64),
        np.concatenate([[0], n_events]).astype(np.int64),
        np.concatenate([[0], n_censored]).astype(np.int64),
    )


def life_table(
    times: Floats, events: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct times, and at each the patients at risk just before it, the events and the censored."""
    at, place = np.unique(times, return_inverse=True)
    n_events = np.bincount(place, weights=events, minlength=len(at)).astype(np.int64)
    n_all = np.bincount(place, minlength=len(at)).astype(np.int64)
    at_risk = n_all[::-1].cumsum()[::-1]
    return at, at_risk, n_events, n_all - n_events


def median_time(curve: SurvivalCurve) -> tuple[float | None, float | None, float | None]:
    """Median survival in days with its limits (Brookmeyer and Crowley 1982, doi 10.2307/2530286); None where the curve
    or its limit does not come down to one half.
    """
    low = _crossing(curve.time_days, curve.ci_low)
    high = _crossing(curve.time_days, curve.ci_high)
    return _crossing(curve.time_days, curve.survival), low, high


def _crossing(times: Floats, level: Floats) -> float | None:
    """When `level` falls to one half; the middle of the step when it stays at exactly one half for a while."""
    below = np.nan_to_num(level, nan=np.inf) <= 0.5 + ROUNDING
    if not below.any():
        return None
    first = int(np.argmax(below))
    if abs(level[first] - 0.5) <= ROUNDING:
        later = np.flatnonzero(level < 0.5 - ROUNDING)
        if later.size:
            return float((times[first] + times[later[0]]) / 2.0)
    return float(times[first])
