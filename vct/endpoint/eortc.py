"""EORTC 1999 and delta SUVmax: response by the change of uptake alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from vct.endpoint.categorical import Verdicts, judged
from vct.endpoint.change import FromBaseline
from vct.endpoint.lookup import Readings
from vct.endpoint.response import NOT_EVALUABLE, Verdict, above, at_least
from vct.part import ReadoutName
from vct.records import Outcome, Patient, Reading

RISE, FALL_AFTER_ONE_CYCLE, FALL_LATER = 0.25, 0.15, 0.25
LEAST_EXTENT_RISE = 0.20


def eortc(
    before: float | None,
    after: float | None,
    *,
    cycles: int = 2,
    new_lesions: float | None = None,
    background: float | None = None,
    extent_before: float | None = None,
    extent_after: float | None = None,
) -> Verdict:
    """EORTC 1999 (Young 1999, doi 10.1016/S0959-8049(99)00229-4), SUV in g/ml, extent as longest diameter in mm.

    In this order:

    NE   no uptake read at baseline
    PMD  a new lesion; SUV rose by more than 25 %; or the extent by more than 20 %
    NE   follow-up not read
    CMR  uptake not above the surrounding tissue (`background`; without it no CMR can be given)
    PMR  SUV fell by at least 15 % after one cycle, by more than 25 % after more
    SMD  otherwise
    """
    if before is None or before <= 0:
        return Verdict(category=NOT_EVALUABLE, rule="no uptake was read at baseline")
    if new_lesions is not None and new_lesions > 0:
        return Verdict(category="PMD", rule="new lesion", numbers={"new_lesions": new_lesions})
    if extent_before and extent_after is not None and above(extent_after / extent_before - 1.0, LEAST_EXTENT_RISE):
        numbers = {"extent_baseline": extent_before, "extent_follow_up": extent_after}
        return Verdict(category="PMD", rule="extent rose by more than 20 %", numbers=numbers)
    if after is None:
        return Verdict(category=NOT_EVALUABLE, rule="uptake was not read at follow-up")
    change = (after - before) / before
    numbers = {"baseline": before, "follow_up": after, "change_percent": 100.0 * change}
    if above(change, RISE):
        return Verdict(category="PMD", rule="SUV rose by more than 25 %", numbers=numbers)
    if background is not None and at_least(background, after):
        numbers["background"] = background
        return Verdict(category="CMR", rule="uptake not above the surrounding tissue", numbers=numbers)
    if cycles == 1 and at_least(-change, FALL_AFTER_ONE_CYCLE):
        return Verdict(category="PMR", rule="SUV fell by at least 15 % after one cycle", numbers=numbers)
    if cycles > 1 and above(-change, FALL_LATER):
        return Verdict(category="PMR", rule="SUV fell by more than 25 %", numbers=numbers)
    return Verdict(category="SMD", rule="neither response nor progression", numbers=numbers)


def delta_suv_max(before: float | None, after: float | None, fall_percent: float = 66.0) -> Verdict:
    """Good (R) or poor (NR) response by the fall of SUVmax of the hottest lesion of each scan.

    66 % after two cycles, 70 % after four (Lin 2007, doi 10.2967/jnumed.107.042093: 65.7 %; Casasnovas 2011, doi
    10.1182/blood-2010-12-327767). A fall of exactly the cut-off is a response.
    """
    if before is None or before <= 0:
        return Verdict(category=NOT_EVALUABLE, rule="SUVmax was not read at baseline")
    if after is None:
        return Verdict(category=NOT_EVALUABLE, rule="SUVmax was not read at follow-up")
    fall = (before - after) / before
    responds = at_least(fall, fall_percent / 100.0)
    return Verdict(
        category="R" if responds else "NR",
        rule=f"SUVmax {'fell' if responds else 'did not fall'} by at least {fall_percent:g} %",
        numbers={"baseline": before, "follow_up": after, "change_percent": -100.0 * fall},
    )


class Eortc(FromBaseline):
    """EORTC 1999 at each visit, by the rules of `eortc`; `value` is 1 for `responders`, missing for NE."""

    kind: Literal["eortc"] = "eortc"
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "verdicts"
    suv: ReadoutName = Field(description="uptake of the lesion; the paper's is the mean, most use the maximum")
    new_lesions: ReadoutName | None = None
    background: ReadoutName | None = Field(default=None, description="uptake of surrounding tissue, for CMR")
    extent: ReadoutName | None = Field(default=None, description="longest diameter, for progression in extent")
    cycles: int = Field(default=2, ge=1, le=50, description="treatment cycles before the visits judged")
    responders: tuple[Verdicts, ...] = Field(default=("CMR", "PMR"), min_length=1, max_length=4)

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """The verdict at each visit."""
        found = Readings(readings)
        before = found.value(self.suv, self.baseline)
        return tuple(
            judged(
                self,
                patient,
                visit,
                eortc(
                    before,
                    found.value(self.suv, visit),
                    cycles=self.cycles,
                    new_lesions=found.value(self.new_lesions, visit),
                    background=found.value(self.background, visit),
                    extent_before=found.value(self.extent, self.baseline),
                    extent_after=found.value(self.extent, visit),
                ),
                self.responders,
                before,
            )
            for visit in self.visits
        )


class DeltaSuvMax(FromBaseline):
    """Good or poor response by the fall of SUVmax at each visit, by the rule of `delta_suv_max`."""

    kind: Literal["delta_suv_max"] = "delta_suv_max"
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "verdicts"
    suv_max: ReadoutName
    fall_percent: float = Field(default=66.0, gt=0.0, lt=100.0)

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """The verdict at each visit."""
        found = Readings(readings)
        before = found.value(self.suv_max, self.baseline)
        return tuple(
            judged(
                self,
                patient,
                visit,
                delta_suv_max(before, found.value(self.suv_max, visit), self.fall_percent),
                ("R",),
                before,
            )
            for visit in self.visits
        )
