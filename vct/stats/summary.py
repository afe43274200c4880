"""What an analysis says of one arm: mean, median, SD, rates; and one arm against a fixed value."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from vct.stats.base import Checked
from vct.stats.result import Result
from vct.stats.sample import Floats, Sample
from vct.stats.shape import REFUSALS, Description
from vct.stats.student import mean_result, no_variation, t_p_value

Interval = Literal["wilson", "clopper_pearson"]
Alternative = Literal["two_sided", "greater", "less"]

EMPTY = "no patient has a value"


def rate(quantity: str, count: int, n: int, confidence: float, interval: Interval) -> Result:
    """A proportion with its score interval (Wilson 1927, doi 10.1080/01621459.1927.10502953) or its exact one (Clopper
    and Pearson 1934, doi 10.1093/biomet/26.4.404).
    """
    from scipy.stats import binomtest

    if n == 0:
        return Result(quantity=quantity, unit="1", note=EMPTY)
    method: Literal["wilson", "exact"] = "wilson" if interval == "wilson" else "exact"
    limits = binomtest(count, n).proportion_ci(confidence, method)
    low, high = float(limits.low), float(limits.high)
    return Result(quantity=quantity, unit="1", estimate=count / n, ci_low=low, ci_high=high, note=f"{count} of {n}")


class Summary(Description):
    """Each arm by itself: mean, median and SD; of verdicts, the rate of responders and the share of each category.

    Mean by Student's t, SD by chi-squared (normal data), median by order statistics (exact, so that coverage is at
    least `confidence`), rates by `interval`.
    """

    kind: Literal["summary"] = "summary"
    interval: Interval = Field(default="wilson", description="confidence interval of a rate")

    checked: ClassVar[Checked] = "golden"
    tests: ClassVar[bool] = False
    quantity: ClassVar[str] = "mean"

    def describe(self, sample: Sample) -> tuple[Result, ...]:
        """Statements by the kind of data."""
        if not len(sample):
            return (Result(quantity=self.quantity, note=EMPTY),)
        if sample.is_survival:
            return (Result(quantity=self.quantity, note=REFUSALS["numbers"]),)
        if sample.is_categorical:
            return self._rates(sample)
        values = sample.values
        return (
            mean_without_test(values, self.confidence),
            median(values, self.confidence),
            spread(values, self.confidence),
        )

    def _rates(self, sample: Sample) -> tuple[Result, ...]:
        n = len(sample)
        categories = Counter(outcome.category for outcome in sample.outcomes)
        counts = {"response rate": int(sample.values.sum())}
        counts |= {f"share {category}": count for category, count in sorted(categories.items())}
        return tuple(rate(name, count, n, self.confidence, self.interval) for name, count in counts.items())


def mean_without_test(values: Floats, confidence: float) -> Result:
    """The mean and its interval."""
    return replace(mean_result("mean", values, confidence), statistic=None, p_value=None)


def median(values: Floats, confidence: float) -> Result:
    """The median with the interval between two order statistics that covers it at least as often as asked."""
    from scipy.stats import binom

    ordered, n = np.sort(values), len(values)
    result = Result(quantity="median", estimate=float(np.median(ordered)))
    rank = int(binom.ppf((1.0 - confidence) / 2.0, n, 0.5))
    if rank < 1:
        return replace(result, note="too few patients for an interval of this confidence")
    return replace(result, ci_low=float(ordered[rank - 1]), ci_high=float(ordered[n - rank]))


def spread(values: Floats, confidence: float) -> Result:
    """The standard deviation (n - 1) with its chi-squared interval."""
    from scipy.special import chdtri

    n = len(values)
    if n < 2:
        return Result(quantity="SD", note="needs two patients")
    deviation = float(values.std(ddof=1))
    if no_variation(deviation, values):
        return Result(quantity="SD", estimate=0.0, note="no variation between patients: no interval")
    tail = (1.0 - confidence) / 2.0
    low, high = (deviation * math.sqrt((n - 1) / float(chdtri(n - 1, p))) for p in (tail, 1.0 - tail))
    return Result(quantity="SD", estimate=deviation, ci_low=low, ci_high=high)


class OneSample(Description):
    """Each arm against a fixed value: a rate by the exact binomial test, or a mean by Student's t.

    The interval of a rate is Clopper and Pearson's, two-sided whatever the alternative.
    """

    kind: Literal["one_sample"] = "one_sample"
    null_rate: float | None = Field(default=None, gt=0, lt=1, description="response rate under the null hypothesis")
    null_mean: float | None = Field(default=None, ge=-1e9, le=1e9, description="mean under the null hypothesis")
    alternative: Alternative = "two_sided"

    checked: ClassVar[Checked] = "golden"
    quantity: ClassVar[str] = "estimate"

    @model_validator(mode="after")
    def _one_null(self) -> Self:
        if (self.null_rate is None) == (self.null_mean is None):
            raise ValueError("give either null_rate (for verdicts) or null_mean (for numbers)")
        return self

    @property
    def null(self) -> float:
        """The rate or mean under the null hypothesis."""
        return (self.null_mean if self.null_mean is not None else self.null_rate) or 0.0

    def describe(self, sample: Sample) -> tuple[Result, ...]:
        """The estimate with its interval and the test."""
        if self.null_mean is not None:
            return (self._mean(sample, self.null_mean),)
        return (self._rate(sample, self.null_rate or 0.0),)

    def _mean(self, sample: Sample, null: float) -> Result:
        if len(sample) and sample.is_survival:
            return Result(quantity="mean", note=REFUSALS["numbers"])
        result = mean_result("mean", sample.values, self.confidence, null)
        if self.alternative == "two_sided" or result.statistic is None:
            return replace(result, note=result.note or f"against {null:g}")
        half = t_p_value(result.statistic, len(sample) - 1) / 2.0
        expected = (result.statistic > 0) == (self.alternative == "greater")
        return replace(result, p_value=half if expected else 1.0 - half, note=f"{self.alternative} than {null:g}")

    def _rate(self, sample: Sample, null: float) -> Result:
        from scipy.stats import binomtest

        if len(sample) and not sample.is_categorical:
            return Result(quantity="response rate", note=REFUSALS["verdicts"])
        count, n = int(sample.values.sum()), len(sample)
        result = rate("response rate", count, n, self.confidence, "clopper_pearson")
        if n == 0:
            return result
        sides = {"two_sided": "two-sided", "greater": "greater", "less": "less"}
        p = float(binomtest(count, n, null, alternative=sides[self.alternative]).pvalue)  # type: ignore[arg-type]
        words = "against" if self.alternative == "two_sided" else f"{self.alternative} than"
        return replace(result, p_value=min(p, 1.0), note=f"{result.note}, {words} {null:g}")
