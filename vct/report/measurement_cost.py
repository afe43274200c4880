"""What measurement costs the primary analysis: its interval on the readings beside that on the planted truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vct.records import Comparison, Outcome, TrialResult
from vct.report.wording import is_ratio
from vct.rng import stream

OF_MEANS = ("welch_t", "ancova", "mixed_model")
DRAWS = 2000
FEWEST = 4
"""Patients an arm without whom a bootstrap says nothing (assumed)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Half widths of the interval, measured and on the truth, and the share of patients that measurement costs.

    Shares are in percent with their 95 % interval; None where something is not known. A negative share says that the
    readings spread less than the truth.
    """

    half_width: float | None
    half_width_truth: float | None = None
    percent: float | None = None
    low_percent: float | None = None
    high_percent: float | None = None

    @property
    def is_told_from_none(self) -> bool:
        """Whether the share's interval is known and leaves 0 out."""
        low, high = self.low_percent, self.high_percent
        return low is not None and high is not None and (low > 0.0 or high < 0.0)


def measurement_cost(result: TrialResult, item: Comparison, truth: Comparison | None) -> Cost:
    """1 - (width on the truth / width measured)^2, as a mean's interval narrows with the root of n.

    Its interval, for analyses of means: the ratio of the two variances within arms, baseline taken out where the
    outcomes have one, varies by a paired bootstrap over patients (percentiles, Efron 1979, doi 10.1214/aos/1176344552),
    and so much, on the log scale, does the ratio of the widths. The same draws for the same result.
    """
    measured, true = _half_width(item), _half_width(truth)
    if not measured or true is None:
        return Cost(half_width=measured, half_width_truth=true)
    ratio = (true / measured) ** 2
    low, high = _spread_of_ratio(result, item)
    return Cost(
        half_width=measured,
        half_width_truth=true,
        percent=100.0 * (1.0 - ratio),
        low_percent=None if high is None else 100.0 * (1.0 - ratio * high),
        high_percent=None if low is None else 100.0 * (1.0 - ratio * low),
    )


def _half_width(item: Comparison | None) -> float | None:
    if item is None or item.ci_low is None or item.ci_high is None or is_ratio(item.quantity):
        return None
    return (item.ci_high - item.ci_low) / 2.0


def _spread_of_ratio(result: TrialResult, item: Comparison) -> tuple[float | None, float | None]:
    """2.5 and 97.5 % points of the bootstrapped ratio of variances over the ratio seen; None where there is none."""
    arms = [_residuals(result, item, arm) for arm in (item.reference, item.arm)]
    if item.method not in OF_MEANS or any(len(pairs) < FEWEST for pairs in arms):
        return None, None
    rng = stream(int(result.provenance.get("seed", 0)), "report", "measurement cost", item.endpoint, item.arm)
    drawn, seen = np.zeros((DRAWS, 2)), np.zeros(2)
    for pairs in arms:
        again = pairs[rng.integers(len(pairs), size=(DRAWS, len(pairs)))]
        drawn += ((again - again.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        seen += (pairs**2).sum(axis=0)
    if (seen <= 0.0).any() or (drawn <= 0.0).any():
        return None, None
    ratios = (drawn[:, 1] / drawn[:, 0]) / (seen[1] / seen[0])
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def _residuals(result: TrialResult, item: Comparison, arm: str) -> Floats:
    """(patients, measured and true) values of one arm about their mean, or about their line over baseline."""
    kept = result.enrolment.per_protocol if item.analysis_set == "PP" else None
    found: dict[str, dict[str, Outcome]] = {"measured": {}, "truth": {}}
    for outcome in result.outcomes:
        if (outcome.endpoint, outcome.visit, outcome.arm) == (item.endpoint, item.visit, arm) and not outcome.reader:
            found[outcome.source][outcome.patient] = outcome
    pairs = [
        (seen, found["truth"][patient])
        for patient, seen in found["measured"].items()
        if patient in found["truth"] and (kept is None or (patient, arm) in kept)
    ]
    pairs = [pair for pair in pairs if all(outcome.value is not None for outcome in pair)]
    columns = [_about_baseline([pair[side] for pair in pairs], item.method) for side in (0, 1)]
    return np.stack(columns, axis=1)


def _about_baseline(outcomes: Sequence[Outcome], method: str) -> Floats:
    values: Floats = np.array([outcome.value for outcome in outcomes], dtype=float)
    if len(values) < FEWEST:
        return values
    values -= values.mean()
    if method == "welch_t" or any(outcome.baseline is None for outcome in outcomes):
        return values
    start: Floats = np.array([outcome.baseline for outcome in outcomes], dtype=float)
    start -= start.mean()
    if start.any():
        values -= start * float(start @ values) / float(start @ start)
    return values
