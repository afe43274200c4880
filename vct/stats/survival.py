"""Times to an event: median survival, log-rank, Cox."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from vct.stats.base import Checked, Subgroup
from vct.stats.covariates import Covariate, covariate_columns, known
from vct.stats.curve import kaplan_meier, life_table, median_time
from vct.stats.result import Result
from vct.stats.sample import Floats, Sample
from vct.stats.shape import Contrast, Description, Needs
from vct.stats.student import ratio_result, z_p_value

NOT_SETTLED = 20.0
"""A log hazard ratio, or its standard error, of this size is a likelihood without a maximum (assumed)."""
NO_EVENTS = "no events at a time when both arms are at risk"


class KaplanMeier(Description):
    """Median survival of each arm from the Kaplan-Meier curve; `vct.stats.curve` has the method and the curve."""

    kind: Literal["kaplan_meier"] = "kaplan_meier"

    checked: ClassVar[Checked] = "golden"
    tests: ClassVar[bool] = False
    quantity: ClassVar[str] = "median time"
    needs: ClassVar[Needs | None] = "times"

    def describe(self, sample: Sample) -> tuple[Result, ...]:
        """The median with its limits, and how many events it rests on."""
        if not len(sample):
            return (Result(quantity=self.quantity, note="no patient has a value"),)
        found, low, high = median_time(kaplan_meier(sample.values, sample.events, self.confidence))
        note = f"{int(sample.events.sum())} events"
        if found is None:
            note += "; more than half are free of the event at the end"
        return (Result(quantity=self.quantity, estimate=found, ci_low=low, ci_high=high, note=note),)


class LogRank(Contrast):
    """Log-rank test (Mantel 1966; Peto and Peto 1972, doi 10.2307/2344317), stratified if asked.

    The hazard ratio is Peto's one-step estimate exp((O - E) / V), which is close to Cox's near 1 and too near to 1 far
    from it (Berry, Kitchin and Mock 1991, Stat Med 10:749).
    """

    kind: Literal["log_rank"] = "log_rank"
    stratify_by: Subgroup | None = None

    checked: ClassVar[Checked] = "golden"
    quantity: ClassVar[str] = "hazard ratio (Peto)"
    needs: ClassVar[Needs] = "times"

    def contrast(self, treated: Sample, reference: Sample) -> tuple[Result, ...]:
        """The hazard of the treated over that of the reference; the statistic is chi-squared."""
        excess = variance = 0.0
        for one, two in strata(treated, reference, self.stratify_by):
            part = observed_less_expected(one, two)
            excess, variance = excess + part[0], variance + part[1]
        if variance <= 0:
            return (Result(quantity=self.quantity, unit="1", note=NO_EVENTS),)
        z = excess / math.sqrt(variance)
        result = ratio_result(self.quantity, excess / variance, 1.0 / math.sqrt(variance), self.confidence)
        return (replace(result, statistic=z**2, p_value=z_p_value(z), note=_events(treated, reference)),)


def strata(treated: Sample, reference: Sample, by: Subgroup | None) -> list[tuple[Sample, Sample]]:
    """The two arms within each level of `by`."""
    if by is None:
        return [(treated, reference)]
    levels = sorted({getattr(patient, by) for sample in (treated, reference) for patient in sample.patients})
    return [(_within(treated, by, level), _within(reference, by, level)) for level in levels]


def _within(sample: Sample, by: Subgroup, level: str) -> Sample:
    return sample.keep([getattr(patient, by) == level for patient in sample.patients])


def observed_less_expected(treated: Sample, reference: Sample) -> tuple[float, float]:
    """Events of the treated beyond those expected under equal hazards, and the hypergeometric variance."""
    times = np.concatenate([treated.values, reference.values])
    events = np.concatenate([treated.events, reference.events])
    at, at_risk, n_events, _ = life_table(times, events)
    share = _at_risk(treated, at) / np.maximum(at_risk, 1)
    excess = float(treated.events.sum() - (n_events * share).sum())
    spare = (at_risk - n_events) / np.maximum(at_risk - 1, 1)
    return excess, float((n_events * share * (1.0 - share) * spare).sum())


def _at_risk(sample: Sample, times: Floats) -> Floats:
    """How many of a sample are still under observation just before each time."""
    return len(sample) - np.searchsorted(np.sort(sample.values), times, side="left").astype(float)


def _events(treated: Sample, reference: Sample) -> str:
    return f"{int(treated.events.sum())} and {int(reference.events.sum())} events"


class Cox(Contrast):
    """Cox's proportional hazards (Cox 1972, doi 10.1111/j.2517-6161.1972.tb00899.x), ties by Efron, Wald interval and
    test, adjusted for covariates and stratified if asked; two arms at a time.
    """

    kind: Literal["cox"] = "cox"
    covariates: tuple[Covariate, ...] = Field(default=(), max_length=5)
    stratify_by: Subgroup | None = None

    checked: ClassVar[Checked] = "golden"
    quantity: ClassVar[str] = "hazard ratio"
    needs: ClassVar[Needs] = "times"

    def usable(self, sample: Sample) -> Sample:
        """Those whose covariates are known."""
        return known([sample], self.covariates)[0]

    def contrast(self, treated: Sample, reference: Sample) -> tuple[Result, ...]:
        """The hazard of the treated over that of the reference; the statistic is Wald's z."""
        empty = Result(quantity=self.quantity, unit="1")
        if not bounded(strata(treated, reference, self.stratify_by)):
            return (replace(empty, note="no finite hazard ratio: the arms' events do not overlap"),)
        found = _partial_likelihood(treated, reference, self.covariates, self.stratify_by)
        if found is None:
            return (replace(empty, note="the model could not be fitted to these patients"),)
        log_ratio, error = found
        result, z = ratio_result(self.quantity, log_ratio, error, self.confidence), log_ratio / error
        return (replace(result, statistic=z, p_value=z_p_value(z), note=_events(treated, reference)),)


def bounded(pairs: Sequence[tuple[Sample, Sample]]) -> bool:
    """Whether the partial likelihood has a maximum in the arm's coefficient: in some stratum a treated patient has the
    event while the reference is at risk, and in some stratum the other way round.
    """
    up = any(_at_risk(two, one.values[one.events]).any() for one, two in pairs)
    down = any(_at_risk(one, two.values[two.events]).any() for one, two in pairs)
    return up and down


def _partial_likelihood(
    treated: Sample, reference: Sample, covariates: Sequence[Covariate], by: Subgroup | None
) -> tuple[float, float] | None:
    """Log hazard ratio of the arm and its standard error; None when the fit fails."""
    from statsmodels.duration.hazard_regression import PHReg

    patients = [*treated.patients, *reference.patients]
    outcomes = [*treated.outcomes, *reference.outcomes]
    arm = np.repeat([1.0, 0.0], [len(treated), len(reference)])
    design = np.column_stack([arm, *_varying(covariate_columns(patients, outcomes, covariates))])
    levels = None if by is None else np.unique([getattr(patient, by) for patient in patients], return_inverse=True)[1]
    times = np.array([outcome.value for outcome in outcomes], dtype=float)
    events = np.concatenate([treated.events, reference.events]).astype(float)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            fit = PHReg(times, design, status=events, strata=levels, ties="efron").fit(disp=0)
            estimate, error = float(fit.params[0]), float(fit.bse[0])
        except (ValueError, np.linalg.LinAlgError):
            return None
    settled = math.isfinite(error) and 0 < error < NOT_SETTLED and abs(estimate) < NOT_SETTLED
    return (estimate, error) if settled else None


def _varying(found: Sequence[Floats]) -> list[Floats]:
    return [column for column in found if float(np.ptp(column)) > 0]
