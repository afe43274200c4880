"""Test-retest agreement: within-patient variation, repeatability coefficient, Bland-Altman bias and limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from vct.part import VisitName
from vct.records import Comparison, Outcome, Patient
from vct.stats.base import Analysis, Checked
from vct.stats.paired import paired
from vct.stats.result import Result, row
from vct.stats.sample import Floats, Sample, last_visit, samples, visits_of
from vct.stats.shape import REFUSALS
from vct.stats.student import mean_result, t_quantile, z_quantile

Scale = Literal["log", "absolute"]


class Repeatability(Analysis):
    """How well two scans of the same patient agree, in each arm.

    On the log scale, for readings whose error grows with their size as SUV's does, everything is reported in %
    of the reading and the limits are not symmetric; on the absolute scale, in the unit of the reading. `confidence` is
    both the coverage of the limits and the confidence of every interval. Within-patient SD of duplicate readings and
    limits of agreement: Bland and Altman 1986, doi 10.1016/S0140-6736(86)90837-8; log scale and the limits' standard
    error: Bland and Altman 1999, doi 10.1177/096228029900800204.
    """

    kind: Literal["repeatability"] = "repeatability"
    reference_visit: VisitName | None = Field(default=None, description="the first scan; the endpoint's first visit")
    scale: Scale = "log"

    checked: ClassVar[Checked] = "golden"
    tests: ClassVar[bool] = False

    def compare(
        self, outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str]
    ) -> tuple[Comparison, ...]:
        """Bias, limits of agreement, within-patient variation and repeatability of each arm; n counts pairs."""
        visits = visits_of(outcomes)
        first = next(iter(visits), "") if self.reference_visit is None else self.reference_visit
        second = last_visit(outcomes) if self.visit is None else self.visit
        pairs = zip(samples(outcomes, patients, arms, second), samples(outcomes, patients, arms, first), strict=True)
        return tuple(
            row(
                self,
                result,
                unit=later.unit,
                visit=second,
                arm=later.arm,
                n=len(later),
                n_missing=later.n_missing,
            )
            for later, earlier in (self._pairs(*pair) for pair in pairs)
            for result in self._results(later, earlier, first == second)
        )

    def _pairs(self, later: Sample, earlier: Sample) -> tuple[Sample, Sample]:
        later, earlier = paired(later, earlier)
        if self.scale == "absolute":
            return later, earlier
        positive = [min(values) > 0 for values in zip(later.values, earlier.values, strict=True)]
        return later.keep(positive), earlier.keep(positive)

    def _results(self, later: Sample, earlier: Sample, same_visit: bool) -> tuple[Result, ...]:
        if same_visit or len(later) < 2:
            note = "needs two visits" if same_visit else "needs two patients with both scans"
            return (Result(quantity="bias", note=note),)
        if later.is_survival:
            return (Result(quantity="bias", note=REFUSALS["numbers"]),)
        if self.scale == "absolute":
            differences = later.values - earlier.values
            return (*limits_of_agreement(differences, self.confidence), *repeatability(differences, self.confidence))
        differences = np.log(later.values) - np.log(earlier.values)
        return (
            *(mapped(result, percent) for result in limits_of_agreement(differences, self.confidence)),
            *log_repeatability(differences, self.confidence),
        )


def percent(log_ratio: float) -> float:
    """ln ratio to % change; infinite beyond what a double holds."""
    with np.errstate(over="ignore"):
        return 100.0 * float(np.expm1(log_ratio))


def percent_cv(log_sd: float) -> float:
    """Standard deviation of logarithms to the coefficient of variation of the log-normal, in %; it may be infinite."""
    return 10.0 * math.sqrt(percent(log_sd**2))


def mapped(result: Result, scale: Callable[[float], float]) -> Result:
    """A result on the log scale, in %."""
    values = (result.estimate, result.ci_low, result.ci_high)
    estimate, low, high = (None if value is None else scale(value) for value in values)
    return replace(result, unit="%", estimate=estimate, ci_low=low, ci_high=high)


def limits_of_agreement(differences: Floats, confidence: float) -> tuple[Result, ...]:
    """Bias and limits of agreement of later minus earlier; the limits' variance is s^2 (1 / n + z^2 / (2 (n - 1)))."""
    bias = mean_result("bias", differences, confidence)
    if bias.p_value is None:
        return (bias,)
    n, mean, deviation = len(differences), float(differences.mean()), float(differences.std(ddof=1))
    z = z_quantile(confidence)
    reach = t_quantile(confidence, n - 1) * deviation * math.sqrt(1.0 / n + z**2 / (2.0 * (n - 1)))
    limits = (("lower", mean - z * deviation), ("upper", mean + z * deviation))
    return (
        bias,
        *(
            Result(quantity=f"{name} limit of agreement", estimate=at, ci_low=at - reach, ci_high=at + reach)
            for name, at in limits
        ),
    )


def within_patient_sd(differences: Floats, confidence: float) -> Result:
    """sqrt(mean d^2 / 2) of n unbiased duplicate readings, with its chi-squared interval on n degrees of freedom."""
    from scipy.special import chdtri

    n = len(differences)
    deviation = math.sqrt(float((differences**2).mean()) / 2.0)
    result = Result(quantity="within-patient SD", estimate=deviation)
    if deviation == 0.0:
        return replace(result, note="both scans agree in every patient: no interval")
    tail = (1.0 - confidence) / 2.0
    low, high = (deviation * math.sqrt(n / float(chdtri(n, p))) for p in (tail, 1.0 - tail))
    return replace(result, ci_low=low, ci_high=high)


def repeatability(differences: Floats, confidence: float) -> tuple[Result, ...]:
    """Within-patient SD and repeatability coefficient z sqrt(2) SD, in the unit of the reading."""
    within = within_patient_sd(differences, confidence)
    factor = z_quantile(confidence) * math.sqrt(2.0)
    coefficient = mapped(within, lambda deviation: factor * deviation)
    return within, replace(coefficient, quantity="repeatability coefficient", unit=None)


def log_repeatability(differences: Floats, confidence: float) -> tuple[Result, ...]:
    """Within-patient CV and the changes in % that exceed repeatability, exp(-+ z sqrt(2) SD) - 1."""
    within = within_patient_sd(differences, confidence)
    factor = z_quantile(confidence) * math.sqrt(2.0)
    rise = mapped(within, lambda deviation: percent(factor * deviation))
    fall = mapped(within, lambda deviation: percent(-factor * deviation))
    fall = replace(fall, ci_low=fall.ci_high, ci_high=fall.ci_low)
    return (
        replace(mapped(within, percent_cv), quantity="within-patient CV"),
        replace(fall, quantity="repeatability limit, fall"),
        replace(rise, quantity="repeatability limit, rise"),
    )
