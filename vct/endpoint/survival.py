"""Time to progression, and the pure rule that finds it in a series of scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from vct.endpoint.change import FromBaseline
from vct.endpoint.lookup import Readings
from vct.endpoint.response import above, at_least
from vct.part import ReadoutName
from vct.records import Outcome, Patient, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One scan of the series; `day` counts from randomisation, None is not read."""

    visit: str
    day: float
    value: float | None
    new_lesions: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progression:
    """The first progression (`event`) or the last evaluable scan without one (censored), and the rule."""

    event: bool
    day: float
    visit: str
    rule: str


def progression(baseline: Look, later: Sequence[Look], rise_fraction: float, rise_absolute: float) -> Progression:
    """The first of `later`, by day, that shows progression.

    A scan shows progression when it has a new lesion, or when its value exceeds the nadir (the least value of the
    earlier scans, baseline included) by more than `rise_fraction` of it and by at least `rise_absolute`. The event is
    dated to the scan that shows it. Without one, the patient is censored at the last evaluable scan: one whose value
    was read; with none after baseline, at day 0. A scan that was not read is skipped, unless it has a new lesion.

    `baseline.value` must be read. The limits of PERCIST 1.0 (30 %, 0.8 SUL) fit SULpeak; measuring from the nadir
    follows RECIST 1.1 (Eisenhauer 2009, doi 10.1016/j.ejca.2008.10.026).
    """
    nadir = baseline.value if baseline.value is not None else float("inf")
    last = baseline
    for look in sorted(later, key=lambda item: item.day):
        if look.new_lesions is not None and look.new_lesions > 0:
            rule = f"progression at {look.visit}: {look.new_lesions:g} new lesions"
            return Progression(event=True, day=look.day, visit=look.visit, rule=rule)
        if look.value is None:
            continue
        rise = look.value - nadir
        if above(rise, rise_fraction * max(nadir, 0.0)) and at_least(rise, rise_absolute):
            rule = f"progression at {look.visit}: {look.value:.4g} after a nadir of {nadir:.4g}"
            return Progression(event=True, day=look.day, visit=look.visit, rule=rule)
        nadir, last = min(nadir, look.value), look
    if last is baseline:
        return Progression(event=False, day=0.0, visit=baseline.visit, rule="censored at day 0: no later scan was read")
    rule = f"censored at {last.visit}, the last evaluable scan: {last.value:.4g}, nadir {nadir:.4g}"
    return Progression(event=False, day=max(last.day, 0.0), visit=last.visit, rule=rule)


class ProgressionTime(FromBaseline):
    """Days from randomisation to progression (`progression` has the rule), one outcome in all; missing without a
    baseline.
    """

    kind: Literal["progression_time"] = "progression_time"
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "times"
    readout: ReadoutName
    new_lesions: ReadoutName | None = None
    rise_percent: float = Field(default=30.0, gt=0, le=1000, description="above the nadir")
    rise_absolute: float = Field(default=0.0, ge=0, le=1e6, description="above the nadir, in the unit of the readout")
    death_counts: bool = Field(default=False, description="death is an event too: progression-free survival")

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """One outcome with `event` and `time_days`; `visit` is empty, for the time is judged over all visits."""
        found = Readings(readings)
        start = self._look(found, self.baseline)
        result = None
        if start is not None and start.value is not None:
            later = [look for visit in self.visits if (look := self._look(found, visit))]
            result = progression(start, later, self.rise_percent / 100.0, self.rise_absolute)
            if self.death_counts and patient.death_day is not None and not result.event:
                rule = f"died on day {patient.death_day:.0f}; {result.rule}"
                result = Progression(event=True, day=patient.death_day, visit=result.visit, rule=rule)
        return (
            Outcome(
                patient=patient.id,
                arm=patient.arm,
                endpoint=self.name,
                visit="",
                value=result.day if result else None,
                unit="d",
                event=result.event if result else None,
                time_days=result.day if result else None,
                baseline=start.value if start else None,
                rule=result.rule if result else found.why_missing(self.readout, self.baseline),
            ),
        )

    def _look(self, found: Readings, visit: str) -> Look | None:
        day = found.day(visit)
        if day is None:
            return None
        new = found.value(self.new_lesions, visit)
        return Look(visit=visit, day=day, value=found.value(self.readout, visit), new_lesions=new)
