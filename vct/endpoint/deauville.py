"""The Deauville five-point score, and Lugano's metabolic response that builds on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from vct.endpoint.categorical import judged
from vct.endpoint.change import FromBaseline
from vct.endpoint.lookup import Readings
from vct.endpoint.response import NOT_EVALUABLE, Verdict, above, at_least
from vct.part import ReadoutName
from vct.records import Outcome, Patient, Reading

MARKEDLY = 2.0
NO_UPTAKE = 0.5
Scores = Literal["1", "2", "3", "4", "5"]
LuganoVerdicts = Literal["CMR", "PMR", "NMR", "PMD"]


def deauville(
    lesion: float | None,
    mediastinum: float | None,
    liver: float | None,
    *,
    new_lesions: float | None = None,
    markedly: float = MARKEDLY,
) -> Verdict:
    """The score of the hottest residual uptake against mediastinal blood pool and liver, SUV in g/ml.

    1 no uptake; 2 not above the mediastinum; 3 above it, not above the liver; 4 moderately, 5 markedly above the liver,
    or a new lesion (Barrington 2014, doi 10.1200/JCO.2013.53.5229). Markedly is from 2 to 3 times the liver on there:
    `markedly`, 2 by default. No uptake is taken as less than half the mediastinum's (assumed). NE without one of the
    three.
    """
    if new_lesions is not None and new_lesions > 0:
        return Verdict(category="5", rule="new lesion", numbers={"new_lesions": new_lesions})
    if lesion is None or mediastinum is None or liver is None:
        missing = [
            name
            for name, value in (("lesion", lesion), ("mediastinum", mediastinum), ("liver", liver))
            if value is None
        ]
        return Verdict(category=NOT_EVALUABLE, rule=f"not read: {', '.join(missing)}")
    numbers = {"lesion": lesion, "mediastinum": mediastinum, "liver": liver}
    if not at_least(lesion, NO_UPTAKE * mediastinum):
        return Verdict(category="1", rule="no uptake", numbers=numbers)
    if not above(lesion, mediastinum):
        return Verdict(category="2", rule="not above the mediastinum", numbers=numbers)
    if not above(lesion, liver):
        return Verdict(category="3", rule="above the mediastinum, not above the liver", numbers=numbers)
    if not at_least(lesion, markedly * liver):
        return Verdict(category="4", rule="moderately above the liver", numbers=numbers)
    return Verdict(category="5", rule=f"at least {markedly:g} times the liver", numbers=numbers)


def lugano(score: Verdict, before: float | None, after: float | None, *, fall_percent: float = 25.0) -> Verdict:
    """Metabolic response of Lugano 2014 (Cheson, doi 10.1200/JCO.2013.54.8800) from a Deauville score and uptake.

    CMR for 1 to 3. For 4 and 5: PMD with a new lesion or a rise of uptake, PMR with a fall, NMR otherwise. The paper
    gives no number; a fall or rise by more than `fall_percent` counts (EORTC's 25 %, assumed).
    """
    if score.category == NOT_EVALUABLE:
        return score
    if score.category in ("1", "2", "3"):
        return Verdict(category="CMR", rule=f"score {score.category}: {score.rule}", numbers=score.numbers)
    if score.rule == "new lesion":
        return Verdict(category="PMD", rule="new lesion", numbers=score.numbers)
    if before is None or after is None or before <= 0:
        return Verdict(category=NOT_EVALUABLE, rule="uptake was not read at baseline", numbers=score.numbers)
    change = (after - before) / before
    numbers = {**score.numbers, "baseline": before, "change_percent": 100.0 * change}
    if above(change, fall_percent / 100.0):
        return Verdict(category="PMD", rule=f"score {score.category}, uptake rose", numbers=numbers)
    if above(-change, fall_percent / 100.0):
        return Verdict(category="PMR", rule=f"score {score.category}, uptake fell", numbers=numbers)
    return Verdict(category="NMR", rule=f"score {score.category}, uptake unchanged", numbers=numbers)


class Deauville(FromBaseline):
    """The five-point score at each visit; `value` is 1 for the scores in `responders`, missing for NE.

    Take `visual_uptake` for a reader's eye, or `suv_peak` for a measured score.
    """

    kind: Literal["deauville"] = "deauville"
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "verdicts"
    uptake: ReadoutName = Field(description="the hottest lesion's uptake")
    mediastinum: ReadoutName = Field(description="mean of the blood pool")
    liver: ReadoutName = Field(description="mean of the liver")
    new_lesions: ReadoutName | None = None
    markedly: float = Field(default=MARKEDLY, ge=1.0, le=5.0, description="times the liver, for score 5")
    responders: tuple[Scores, ...] = Field(default=("1", "2", "3"), min_length=1, max_length=5)

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """The score at each visit."""
        found = Readings(readings)
        return tuple(
            judged(
                self,
                patient,
                visit,
                deauville(
                    found.value(self.uptake, visit),
                    found.value(self.mediastinum, visit),
                    found.value(self.liver, visit),
                    new_lesions=found.value(self.new_lesions, visit),
                    markedly=self.markedly,
                ),
                self.responders,
                found.value(self.uptake, self.baseline),
            )
            for visit in self.visits
        )


class Lugano(FromBaseline):
    """Lugano's metabolic response at each visit; `value` is 1 for `responders`, missing for NE."""

    kind: Literal["lugano"] = "lugano"
    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = "verdicts"
    uptake: ReadoutName = Field(description="the hottest lesion's uptake")
    mediastinum: ReadoutName
    liver: ReadoutName
    new_lesions: ReadoutName | None = None
    markedly: float = Field(default=MARKEDLY, ge=1.0, le=5.0, description="times the liver, for score 5")
    fall_percent: float = Field(default=25.0, gt=0.0, lt=100.0, description="change of uptake that counts")
    responders: tuple[LuganoVerdicts, ...] = Field(default=("CMR", "PMR"), min_length=1, max_length=4)

    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """The verdict at each visit."""
        found = Readings(readings)
        before = found.value(self.uptake, self.baseline)
        outcomes = []
        for visit in self.visits:
            after = found.value(self.uptake, visit)
            score = deauville(
                after,
                found.value(self.mediastinum, visit),
                found.value(self.liver, visit),
                new_lesions=found.value(self.new_lesions, visit),
                markedly=self.markedly,
            )
            verdict = lugano(score, before, after, fall_percent=self.fall_percent)
            outcomes.append(judged(self, patient, visit, verdict, self.responders, before))
        return tuple(outcomes)
