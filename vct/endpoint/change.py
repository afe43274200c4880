"""Continuous endpoints: a reading at visits, or its change from baseline."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from vct.endpoint.base import Endpoint
from vct.endpoint.lookup import Readings
from vct.part import ReadoutName, VisitName
from vct.records import Outcome, Patient, Reading


class FromBaseline(Endpoint):
    """One outcome for each of `visits`, each held against the same baseline."""

    baseline: VisitName = Field(description="the visit that later ones are compared with")
    visits: tuple[VisitName, ...] = Field(min_length=1, max_length=50, description="visits judged, earliest first")

    @model_validator(mode="after")
    def _visits_differ(self) -> Self:
        if self.baseline in self.visits:
            raise ValueError(f"the baseline visit {self.baseline!r} must not be among the visits judged")
        if len(set(self.visits)) < len(self.visits):
            raise ValueError("a visit stands twice in visits")
        return self


class _Change(FromBaseline):
    """A change of one readout; the baseline reading is kept as the covariate for ANCOVA."""

    readout: ReadoutName
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "numbers"

    unit_of_change: ClassVar[str | None] = None

    @abstractmethod
    def _change(self, before: float, after: float) -> float | None:
        """The change, or None where it is not defined."""

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """The change at each visit; missing when either reading is."""
        found = Readings(readings)
        return tuple(self._at(patient, found, visit) for visit in self.visits)

    def _at(self, patient: Patient, found: Readings, visit: str) -> Outcome:
        before, after = found.value(self.readout, self.baseline), found.value(self.readout, visit)
        value = None
        if before is None:
            rule = found.why_missing(self.readout, self.baseline)
        elif after is None:
            rule = found.why_missing(self.readout, visit)
        else:
            value = self._change(before, after)
            rule = f"{self.readout} {before:.4g} -> {after:.4g}"
            rule += ": not defined when a reading is 0 or below" if value is None else ""
        return Outcome(
            patient=patient.id,
            arm=patient.arm,
            endpoint=self.name,
            visit=visit,
            value=value,
            unit=self.unit_of_change or found.unit(self.readout),
            baseline=before,
            unchanged=0.0,
            rule=rule,
        )


class AbsoluteChange(_Change):
    """Follow-up minus baseline, in the unit of the readout."""

    kind: Literal["absolute_change"] = "absolute_change"

    def _change(self, before: float, after: float) -> float | None:
        return after - before


class PercentChange(_Change):
    """100 (follow-up - baseline) / baseline, in %; missing when the baseline is not positive."""

    kind: Literal["percent_change"] = "percent_change"

    unit_of_change: ClassVar[str | None] = "%"

    def _change(self, before: float, after: float) -> float | None:
        return 100.0 * (after - before) / before if before > 0 else None


class LogRatio(_Change):
    """ln(follow-up / baseline), whose errors are symmetric where SUV repeats in proportion; positive readings only."""

    kind: Literal["log_ratio"] = "log_ratio"

    unit_of_change: ClassVar[str | None] = "ln ratio"

    def _change(self, before: float, after: float) -> float | None:
        return math.log(after) - math.log(before) if min(before, after) > 0 else None


class Value(Endpoint):
    """A reading as it is at each of `visits`; `baseline` only fills the covariate for ANCOVA."""

    kind: Literal["value"] = "value"
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "numbers"
    readout: ReadoutName
    baseline: VisitName | None = None
    visits: tuple[VisitName, ...] = Field(min_length=1, max_length=50, description="visits reported, earliest first")

    @model_validator(mode="after")
    def _visits_differ(self) -> Self:
        if len(set(self.visits)) < len(self.visits):
            raise ValueError("a visit stands twice in visits")
        return self

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """The reading at each visit, missing or not."""
        found = Readings(readings)
        before = found.value(self.readout, self.baseline)
        values = [(visit, found.value(self.readout, visit)) for visit in self.visits]
        return tuple(
            Outcome(
                patient=patient.id,
                arm=patient.arm,
                endpoint=self.name,
                visit=visit,
                value=value,
                unit=found.unit(self.readout),
                baseline=before,
                unchanged=before,
                rule=f"{self.readout} as read" if value is not None else found.why_missing(self.readout, visit),
            )
            for visit, value in values
        )
