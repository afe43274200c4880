"""Endpoints that judge each visit by a criterion; their value is 1 for a responder and 0 for the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from vct.endpoint.change import FromBaseline
from vct.endpoint.lookup import Readings
from vct.endpoint.response import NOT_EVALUABLE, Findings, Verdict, at_least, percist
from vct.part import ReadoutName
from vct.records import Outcome, Patient, Reading

Verdicts = Literal["CMR", "PMR", "SMD", "PMD"]


class Percist(FromBaseline):
    """PERCIST 1.0 at each visit, by the rules of `vct.endpoint.response.percist`.

    `category` is CMR, PMR, SMD, PMD or NE; `value` is 1 for `responders`, 0 for the others and missing for NE.
    """

    kind: Literal["percist"] = "percist"
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "verdicts"

    failure: ClassVar[str] = "PMD"

    sul_peak: ReadoutName = Field(description="SULpeak of the hottest lesion of each scan")
    sum_of_targets: ReadoutName | None = Field(
        default=None, description="sum of SULpeak over up to five targets (`of: targets`); judges changes in its place"
    )
    liver_mean: ReadoutName = Field(description="SULmean of the liver")
    liver_sd: ReadoutName = Field(description="SD of SUL within the liver")
    blood_pool_mean: ReadoutName | None = Field(default=None, description="SULmean of the descending aorta")
    blood_pool_sd: ReadoutName | None = None
    tlg: ReadoutName | None = Field(default=None, description="total lesion glycolysis, for progression in extent")
    new_lesions: ReadoutName | None = Field(default=None, description="number of lesions that baseline did not show")
    responders: tuple[Verdicts, ...] = Field(default=("CMR", "PMR"), min_length=1, max_length=4)
    stable_background: bool = Field(
        default=False, description="not evaluable when the liver changed by more than 20 % or by 0.3 SUL or more"
    )

    @model_validator(mode="after")
    def _sd_needs_mean(self) -> Self:
        if self.blood_pool_sd is not None and self.blood_pool_mean is None:
            raise ValueError("blood_pool_sd needs blood_pool_mean")
        return self

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """The verdict at each visit."""
        found = Readings(readings)
        before = self._findings(found, self.baseline)
        return tuple(
            judged(self, patient, visit, self._judge(found, before, visit), self.responders, before.sul_peak)
            for visit in self.visits
        )

    def _judge(self, found: Readings, before: Findings, visit: str) -> Verdict:
        verdict = percist(before, self._findings(found, visit), stable_background=self.stable_background)
        if before.sul_peak is None and found.day(self.baseline) is not None:
            rule = "no measurable disease at baseline: no lesion was marked, or its SULpeak could not be read"
            return Verdict(category=NOT_EVALUABLE, rule=rule)
        return verdict

    def _findings(self, found: Readings, visit: str) -> Findings:
        return Findings(
            sul_peak=found.value(self.sul_peak, visit),
            sum_of_targets=found.value(self.sum_of_targets, visit),
            liver_mean=found.value(self.liver_mean, visit),
            liver_sd=found.value(self.liver_sd, visit),
            blood_pool_mean=found.value(self.blood_pool_mean, visit),
            blood_pool_sd=found.value(self.blood_pool_sd, visit),
            tlg=found.value(self.tlg, visit),
            new_lesions=found.value(self.new_lesions, visit),
        )


class Response(FromBaseline):
    """Whether a readout fell by at least `fall_percent` and by at least `fall_absolute`: R, NR or NE at each visit."""

    kind: Literal["response"] = "response"
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "verdicts"
    readout: ReadoutName
    fall_percent: float = Field(default=30.0, gt=0, le=100)
    fall_absolute: float = Field(default=0.0, ge=0, le=1e6, description="in the unit of the readout")

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """The verdict at each visit."""
        found = Readings(readings)
        before = found.value(self.readout, self.baseline)
        return tuple(judged(self, patient, visit, self._judge(found, visit), ("R",), before) for visit in self.visits)

    def _judge(self, found: Readings, visit: str) -> Verdict:
        before, after = found.value(self.readout, self.baseline), found.value(self.readout, visit)
        if before is None:
            return Verdict(category=NOT_EVALUABLE, rule=found.why_missing(self.readout, self.baseline))
        if after is None:
            return Verdict(category=NOT_EVALUABLE, rule=found.why_missing(self.readout, visit))
        if before <= 0:
            return Verdict(category=NOT_EVALUABLE, rule=f"{self.readout} is not positive at {self.baseline}")
        fall = before - after
        responds = at_least(fall / before, self.fall_percent / 100.0) and at_least(fall, self.fall_absolute)
        limits = f"{self.fall_percent:g} %" + (f" and {self.fall_absolute:g}" if self.fall_absolute else "")
        return Verdict(
            category="R" if responds else "NR",
            rule=f"{self.readout} {'fell' if responds else 'did not fall'} by at least {limits}",
            numbers={"baseline": before, "follow_up": after, "change_percent": -100.0 * fall / before},
        )


def judged(
    endpoint: FromBaseline,
    patient: Patient,
    visit: str,
    verdict: Verdict,
    responders: Sequence[str],
    baseline: float | None,
) -> Outcome:
    """The outcome of one verdict: 1 for one of `responders`, 0 for the others, missing for NE."""
    return Outcome(
        patient=patient.id,
        arm=patient.arm,
        endpoint=endpoint.name,
        visit=visit,
        value=None if verdict.category == NOT_EVALUABLE else float(verdict.category in responders),
        unit="1",
        category=verdict.category,
        baseline=baseline,
        unchanged=float(bool({"SMD", "SD", "NMR"} & set(responders))),
        rule=verdict.line,
    )
