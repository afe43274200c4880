"""RECIST 1.1 from sums of diameters: the response at each visit and the best overall response, confirmed or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from vct.endpoint.categorical import judged
from vct.endpoint.change import FromBaseline
from vct.endpoint.lookup import Readings
from vct.endpoint.response import NOT_EVALUABLE, Verdict, above, at_least
from vct.part import ReadoutName
from vct.records import Outcome, Patient, Reading

FALL, RISE, LEAST_RISE_MM = 0.30, 0.20, 5.0
CONFIRMED_AFTER_DAYS, STABLE_FROM_DAYS = 28.0, 42.0
RecistVerdicts = Literal["CR", "PR", "SD", "PD"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One visit: sum of the targets' longest diameters in mm (None: not read), the day, new lesions."""

    visit: str
    day: float
    sum_mm: float | None
    new_lesions: float | None = None


def recist(baseline: Assessment, later: Sequence[Assessment]) -> tuple[Verdict, ...]:
    """The response at each of `later`, in their order (Eisenhauer 2009, doi 10.1016/j.ejca.2008.10.026).

    In this order:

    NE   no measurable target at baseline
    PD   a new lesion; or the sum rose from the nadir (baseline included) by at least 20 % and by at least 5 mm
    NE   sum not read
    CR   no target left (sum 0)
    PR   sum fell from baseline by at least 30 %
    SD   otherwise

    Short axes of nodes and non-target lesions are not followed.
    """
    start = baseline.sum_mm
    if start is None or start <= 0:
        rule = "no measurable target at baseline"
        return tuple(Verdict(category=NOT_EVALUABLE, rule=rule) for _ in later)
    nadir, found = start, []
    for look in later:
        numbers = {"baseline_mm": start, "nadir_mm": nadir}
        if look.new_lesions is not None and look.new_lesions > 0:
            verdict = Verdict(category="PD", rule="new lesion", numbers=numbers | {"new_lesions": look.new_lesions})
        elif look.sum_mm is None:
            verdict = Verdict(category=NOT_EVALUABLE, rule="targets were not measured", numbers=numbers)
        else:
            verdict = _by_sum(start, nadir, look.sum_mm, numbers | {"sum_mm": look.sum_mm})
            nadir = min(nadir, look.sum_mm)
        found.append(verdict)
    return tuple(found)


def _by_sum(start: float, nadir: float, now: float, numbers: dict[str, float]) -> Verdict:
    rise = now - nadir
    if at_least(rise, RISE * nadir) and at_least(rise, LEAST_RISE_MM):
        return Verdict(category="PD", rule="sum rose by at least 20 % and 5 mm from the nadir", numbers=numbers)
    if not above(now, 0.0):
        return Verdict(category="CR", rule="no target left", numbers=numbers)
    if at_least((start - now) / start, FALL):
        return Verdict(category="PR", rule="sum fell by at least 30 % from baseline", numbers=numbers)
    return Verdict(category="SD", rule="neither response nor progression", numbers=numbers)


def best_overall(
    days: Sequence[float],
    verdicts: Sequence[Verdict],
    *,
    confirmed: bool = True,
    confirmed_after_days: float = CONFIRMED_AFTER_DAYS,
    stable_from_days: float = STABLE_FROM_DAYS,
) -> Verdict:
    """Best overall response up to progression, from the responses at `days` since treatment began.

    With confirmation a CR or PR counts when a later visit, at least four weeks on and before progression, shows the
    same or better (a CR after a PR confirms the PR); one that is not confirmed is SD. SD needs six weeks, which
    protocols may change; with less the patient is NE, or PD when that comes next (Eisenhauer 2009, table 3).
    """
    until = next((number for number, verdict in enumerate(verdicts) if verdict.category == "PD"), len(verdicts))
    before = list(zip(days[:until], verdicts[:until], strict=True))
    for wanted, enough in (("CR", ("CR",)), ("PR", ("PR", "CR"))):
        for day, verdict in before:
            if verdict.category not in enough:
                continue
            later = [d for d, v in before if v.category in enough and d >= day + confirmed_after_days]
            if later or not confirmed:
                note = f", confirmed on day {later[0]:g}" if confirmed else ""
                return Verdict(category=wanted, rule=f"{wanted} on day {day:g}{note}", numbers=verdict.numbers)
    lasting = [day for day, verdict in before if verdict.category in ("CR", "PR", "SD") and day >= stable_from_days]
    if lasting:
        return Verdict(category="SD", rule=f"no progression up to day {lasting[-1]:g}")
    if until < len(verdicts):
        return Verdict(category="PD", rule=f"progression on day {days[until]:g}: {verdicts[until].rule}")
    return Verdict(category=NOT_EVALUABLE, rule=f"no response, and none seen from day {stable_from_days:g} on")


class Recist(FromBaseline):
    """RECIST 1.1 at each visit, nadir taken over the visits before it; `value` is 1 for `responders`."""

    kind: Literal["recist"] = "recist"
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "verdicts"
    sum_of_diameters: ReadoutName = Field(description="sum of the targets' longest diameters, mm")
    new_lesions: ReadoutName | None = None
    responders: tuple[RecistVerdicts, ...] = Field(default=("CR", "PR"), min_length=1, max_length=4)

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """The response at each visit."""
        found = Readings(readings)
        start, later = _assessments(found, self.sum_of_diameters, self.new_lesions, self.baseline, self.visits)
        return tuple(
            judged(self, patient, look.visit, verdict, self.responders, start.sum_mm)
            for look, verdict in zip(later, recist(start, later), strict=True)
        )


class BestOverallResponse(FromBaseline):
    """RECIST 1.1's best overall response over `visits`, one outcome in all; `value` is 1 for `responders`.

    A patient who is never evaluable is NE: missing, or a non-responder where the analysis says so.
    """

    kind: Literal["best_overall_response"] = "best_overall_response"
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "verdicts"
    sum_of_diameters: ReadoutName
    new_lesions: ReadoutName | None = None
    confirmed: bool = Field(default=True, description="whether CR and PR need a second visit")
    confirmed_after_days: float = Field(default=CONFIRMED_AFTER_DAYS, ge=0.0, le=365.0)
    stable_from_days: float = Field(default=STABLE_FROM_DAYS, ge=0.0, le=365.0)
    responders: tuple[RecistVerdicts, ...] = Field(default=("CR", "PR"), min_length=1, max_length=4)

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """One outcome; `visit` is empty, for the response is judged over all visits."""
        found = Readings(readings)
        start, later = _assessments(found, self.sum_of_diameters, self.new_lesions, self.baseline, self.visits)
        verdict = best_overall(
            [look.day for look in later],
            recist(start, later),
            confirmed=self.confirmed,
            confirmed_after_days=self.confirmed_after_days,
            stable_from_days=self.stable_from_days,
        )
        return (judged(self, patient, "", verdict, self.responders, start.sum_mm),)


def _assessments(
    found: Readings, sums: str, new_lesions: str | None, baseline: str, visits: Sequence[str]
) -> tuple[Assessment, tuple[Assessment, ...]]:
    def at(visit: str) -> Assessment:
        return Assessment(
            visit=visit,
            day=found.day(visit) or 0.0,
            sum_mm=found.value(sums, visit),
            new_lesions=found.value(new_lesions, visit),
        )

    return at(baseline), tuple(at(visit) for visit in visits)
