"""Conduct: when patients come in and where, who leaves, which visits are missed or go wrong."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from vct.cohort.plan import PlannedVisit
from vct.part import ArmName, Part
from vct.records import Attendance, Attended, Patient, Visit
from vct.rng import stream

DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12.0
_BATCH = 256


class Rate(Part):
    """How many patients a site enrols from a day of the trial on, until the next rate."""

    from_day: float = Field(default=0.0, ge=0, le=36500)
    patients_per_month: float = Field(ge=0, le=1e6)


class Site(Part):
    """A hospital, and its accrual: a Poisson process with steps in its rate."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]*$")
    accrual: tuple[Rate, ...] = Field(default=(Rate(patients_per_month=10.0),), min_length=1, max_length=100)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        days = [rate.from_day for rate in self.accrual]
        if any(later <= earlier for earlier, later in pairwise(days)):
            raise ValueError("the steps of 'accrual' must come with rising 'from_day'")
        return self

    def arrivals(self, seed: int) -> Iterator[tuple[float, str]]:
        """Days of enrolment, with this site's name: without end, unless the last rate is 0.

        Unit-rate arrival times are carried through the inverse of the cumulative rate.
        """
        rng = stream(seed, "site", self.name, "accrual")
        start = np.array([rate.from_day for rate in self.accrual])
        daily = np.array([rate.patients_per_month for rate in self.accrual]) / DAYS_PER_MONTH
        expected = np.concatenate(([0.0], np.cumsum(daily[:-1] * np.diff(start))))
        clock = 0.0
        while True:
            times = clock + np.cumsum(rng.standard_exponential(_BATCH))
            step = np.searchsorted(expected, times, side="right") - 1
            for time, at in zip(times, step, strict=True):
                if daily[at] == 0:
                    return
                yield float(start[at] + (time - expected[at]) / daily[at]), self.name
            clock = float(times[-1])


class Dropout(Part):
    """Patients leave (or die, or start a new therapy) at a constant hazard: given as such, or as a share by a day."""

    annual_hazard: float | None = Field(default=None, gt=0, le=50)
    percent: float | None = Field(default=None, gt=0, lt=100)
    by_day: float | None = Field(default=None, gt=0, le=36500)
    hazard_ratio: dict[ArmName, float] = Field(
        default={}, description="by arm, where it differs from 1; the patient's luck is the same on every arm"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        both = self.percent is not None and self.by_day is not None
        neither = self.percent is None and self.by_day is None
        if not (both if self.annual_hazard is None else neither):
            raise ValueError("needs either 'annual_hazard', or 'percent' and 'by_day'")
        for arm, ratio in self.hazard_ratio.items():
            if not 0 <= ratio <= 100:
                raise ValueError(f"the hazard ratio of {arm!r} must lie between 0 and 100 (got {ratio:g})")
        return self

    @property
    def daily_hazard(self) -> float:
        """Hazard a day at hazard ratio 1."""
        if self.percent is not None and self.by_day is not None:
            return -float(np.log1p(-self.percent / 100.0)) / self.by_day
        return (self.annual_hazard or 0.0) / DAYS_PER_YEAR

    def day(self, patient: Patient, seed: int, event: str = "dropout") -> float:
        """Day from randomisation on which it happens to the patient; infinite for never."""
        hazard = self.daily_hazard * self.hazard_ratio.get(patient.arm, 1.0)
        waited = float(stream(seed, patient.id, event).standard_exponential())
        return waited / hazard if hazard > 0 else float("inf")


class Conduct(Part):
    """How the trial is run. Without it: one site, ten patients a month, everybody stays and every scan succeeds."""

    sites: tuple[Site, ...] = Field(default=(Site(name="site-1"),), min_length=1, max_length=200)
    dropout: Dropout | None = None
    new_therapy: Dropout | None = Field(default=None, description="another treatment is started; the patient stays in")
    death: Dropout | None = None
    missed_visit_probability: float = Field(default=0.0, ge=0, le=0.9, description="of each visit after day 0")
    failed_scan_probability: float = Field(default=0.0, ge=0, le=0.9, description="of each visit that is attended")

    @model_validator(mode="after")
    def _fills_up(self) -> Self:
        if all(site.accrual[-1].patients_per_month == 0 for site in self.sites):
            raise ValueError("the last rate of one site at least must be above 0, or the trial may never be full")
        return self

    def arrivals(self, n: int, seed: int) -> list[tuple[float, str]]:
        """The first `n` enrolments of all sites together: (day of the trial, site)."""
        return list(islice(heapq.merge(*(site.arrivals(seed) for site in self.sites)), n))

    def follow(
        self, patient: Patient, visits: Sequence[PlannedVisit], seed: int
    ) -> tuple[Patient, tuple[Attendance, ...]]:
        """The patient with the days of dropout, new therapy and death that fall before the last visit's window ends,
        and every visit's fate.

        The actual day follows a normal distribution around the planned one, of a standard deviation of half the window
        and cut at the window (assumed). It stays on its side of the middle to the next visit, and a visit planned up to
        day 0 stays before treatment. Such a visit is never missed either: the patient would not have been randomised.
        """
        last = visits[-1].day + visits[-1].window_days
        left, switched, died = (
            event.day(patient, seed, name) if event else float("inf")
            for name, event in (("dropout", self.dropout), ("new therapy", self.new_therapy), ("death", self.death))
        )
        patient = replace(
            patient,
            dropout_day=left if left <= min(last, died) else None,
            new_therapy_day=switched if switched <= min(last, died) else None,
            death_day=died if died <= last else None,
        )
        fates = []
        for planned, (low, high) in zip(visits, windows(visits), strict=True):
            when, missed, failed = stream(seed, patient.id, planned.name, "attendance").random(3)
            day = float(actual_day(planned, low, high, when))
            status: Attended = "done"
            if day >= min(left, died):
                status = "after_dropout" if left <= died else "after_death"
            elif planned.day > 0 and missed < self.missed_visit_probability:
                status = "missed"
            elif failed < self.failed_scan_probability:
                status = "failed_scan"
            visit = Visit(name=planned.name, day=day)
            fates.append(
                Attendance(patient=patient.id, arm=patient.arm, visit=visit, planned_day=planned.day, status=status)
            )
        return patient, tuple(fates)


def windows(visits: Sequence[PlannedVisit]) -> Iterator[tuple[float, float]]:
    """First and last day of each visit, such that visits keep their order."""
    days = [visit.day for visit in visits]
    middles = [-np.inf, *((earlier + later) / 2.0 for earlier, later in pairwise(days)), np.inf]
    for visit, (after, before) in zip(visits, pairwise(middles), strict=True):
        low, high = max(visit.day - visit.window_days, after), min(visit.day + visit.window_days, before)
        yield float(low), float(high if visit.day > 0 else min(high, 0.0))


def actual_day(planned: PlannedVisit, low: float, high: float, u: Any) -> Any:
    """Quantiles `u` (any shape) of a normal around the planned day, cut to `low`-`high`."""
    if high <= low:
        return np.full(np.shape(u), planned.day)
    from scipy.special import ndtr, ndtri

    sd = planned.window_days / 2.0
    start, end = ndtr((low - planned.day) / sd), ndtr((high - planned.day) / sd)
    return np.clip(planned.day + sd * ndtri(start + u * (end - start)), low, high)
