"""Two arms, one number a patient: Welch's t and Mann-Whitney."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from vct.stats.base import Checked
from vct.stats.result import Result
from vct.stats.sample import Floats, Sample
from vct.stats.shape import Contrast
from vct.stats.student import no_variation, t_result, z_quantile

EXACT_BELOW = 50
"""Arms smaller than this use the exact distribution of U when no values are tied, as R's `wilcox.test` does."""


class WelchT(Contrast):
    """Difference of means by Welch's t test: variances may differ (Welch 1947, doi 10.1093/biomet/34.1-2.28)."""

    kind: Literal["welch_t"] = "welch_t"

    checked: ClassVar[Checked] = "golden"
    by_t: ClassVar[bool] = True
    quantity: ClassVar[str] = "mean difference"

    def contrast(self, treated: Sample, reference: Sample) -> tuple[Result, ...]:
        """The difference, treated minus reference."""
        return (welch(treated.values, reference.values, self.confidence),)


def welch(treated: Floats, reference: Floats, confidence: float) -> Result:
    """Mean difference of two samples, degrees of freedom by Welch-Satterthwaite."""
    quantity = WelchT.quantity
    if min(len(treated), len(reference)) < 2:
        return Result(quantity=quantity, note="needs two patients an arm")
    difference = float(treated.mean() - reference.mean())
    parts = [float(values.var(ddof=1)) / len(values) for values in (treated, reference)]
    error = math.sqrt(sum(parts))
    if no_variation(error, treated, reference):
        return Result(
            quantity=quantity, estimate=difference, note="no variation between patients: no interval, no test"
        )
    shares = [part / sum(parts) for part in parts]
    df = 1.0 / sum(share**2 / (len(values) - 1) for share, values in zip(shares, (treated, reference), strict=True))
    return t_result(quantity, difference, error, df, confidence)


class MannWhitney(Contrast):
    """Mann-Whitney test with the Hodges-Lehmann shift and its distribution-free interval.

    Hodges and Lehmann 1963, doi 10.1214/aoms/1177704172; Hollander and Wolfe, Nonparametric Statistical Methods, 1973.
    """

    kind: Literal["mann_whitney"] = "mann_whitney"

    checked: ClassVar[Checked] = "golden"
    quantity: ClassVar[str] = "Hodges-Lehmann shift"

    def contrast(self, treated: Sample, reference: Sample) -> tuple[Result, ...]:
        """The median of all differences, treated minus reference."""
        return (mann_whitney(treated.values, reference.values, self.confidence),)


def mann_whitney(treated: Floats, reference: Floats, confidence: float) -> Result:
    """Shift, interval, U of the treated and two-sided p.

    Exact without ties and with fewer than `EXACT_BELOW` patients an arm; else normal with the correction for ties and,
    in the p-value, for continuity.
    """
    from scipy.stats import mannwhitneyu

    quantity = MannWhitney.quantity
    if min(len(treated), len(reference)) < 1:
        return Result(quantity=quantity, note="needs a patient on either arm")
    differences = np.sort(np.subtract.outer(treated, reference).ravel())
    shift = float(np.median(differences))
    pooled = np.concatenate([treated, reference])
    _, ties = np.unique(pooled, return_counts=True)
    if len(ties) == 1:
        return Result(quantity=quantity, estimate=shift, p_value=1.0, note="every value is the same: no interval")
    exact = bool(ties.max() == 1) and max(len(treated), len(reference)) < EXACT_BELOW
    test = mannwhitneyu(treated, reference, alternative="two-sided", method="exact" if exact else "asymptotic")
    result = Result(quantity=quantity, estimate=shift, statistic=float(test.statistic), p_value=float(test.pvalue))
    rank = (
        exact_rank(len(treated), len(reference), confidence)
        if exact
        else normal_rank(len(treated), len(reference), confidence, ties)
    )
    if rank < 1:
        return replace(result, note="too few patients for an interval of this confidence")
    return replace(result, ci_low=float(differences[rank - 1]), ci_high=float(differences[-rank]))


def exact_rank(n: int, m: int, confidence: float) -> int:
    """The rank from either end at which the interval's limits stand: the most with P(U < rank) <= half the error."""
    return int(np.searchsorted(np.cumsum(null_of_u(n, m)), (1.0 - confidence) / 2.0, side="right"))


def normal_rank(n: int, m: int, confidence: float, ties: NDArray[np.int64]) -> int:
    """The same from the normal approximation with correction for ties and continuity."""
    total = n + m
    variance = n * m / 12.0 * (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1)))
    return math.floor(n * m / 2.0 - z_quantile(confidence) * math.sqrt(variance) + 0.5)


@cache
def null_of_u(n: int, m: int) -> Floats:
    """Null probabilities of U = 0 .. n m without ties, by Mann and Whitney's recursion on the largest value."""
    shorter = [np.ones(1) for _ in range(m + 1)]
    for i in range(1, n + 1):
        row = [np.ones(1)]
        for j in range(1, m + 1):
            counts = np.zeros(i * j + 1)
            counts[j:] += shorter[j] * (i / (i + j))
            counts[: len(row[-1])] += row[-1] * (j / (i + j))
            row.append(counts)
        shorter = row
    return shorter[m]
