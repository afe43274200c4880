"""The same patient twice: counterfactual twins on two arms, or two visits of one arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from vct.part import VisitName
from vct.records import Comparison, Outcome, Patient
from vct.stats.base import Analysis, Checked
from vct.stats.result import Result, row
from vct.stats.sample import Sample, last_visit, samples
from vct.stats.shape import against, lonely, refusal
from vct.stats.student import mean_result


def paired(first: Sample, second: Sample) -> tuple[Sample, Sample]:
    """The members of both whose ids stand in both; the others count as missing."""
    both = {patient.id for patient in first.patients} & {patient.id for patient in second.patients}
    one, two = (sample.keep([patient.id in both for patient in sample.patients]) for sample in (first, second))
    return one, two


class PairedT(Analysis):
    """Student's paired t test (Student 1908, doi 10.1093/biomet/6.1.1).

    With `reference_visit`, each arm's patients at `visit` against themselves at `reference_visit`; without it, each
    later arm against the first, patient by patient, which needs counterfactual twins (the same ids on both arms).
    """

    kind: Literal["paired_t"] = "paired_t"
    reference_visit: VisitName | None = Field(default=None, description="compare visits within each arm, not arms")

    checked: ClassVar[Checked] = "golden"
    by_t: ClassVar[bool] = True
    quantity: ClassVar[str] = "mean paired difference"

    def compare(
        self, outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str]
    ) -> tuple[Comparison, ...]:
        """One row for each later arm (twins) or for each arm (visits); n counts pairs."""
        visit = last_visit(outcomes) if self.visit is None else self.visit
        found = samples(outcomes, patients, arms, visit)
        if self.reference_visit is not None:
            earlier = samples(outcomes, patients, arms, self.reference_visit)
            return tuple(self._visits(*pair, visit) for pair in zip(found, earlier, strict=True))
        reference, *later = found
        if not later:
            return (lonely(self, self.quantity, reference, visit),)
        return tuple(self._twins(treated, reference, visit) for treated in later)

    def _twins(self, treated: Sample, reference: Sample, visit: str) -> Comparison:
        treated, reference = paired(treated, reference)
        result = self._result(self.quantity, treated, reference, "no patient has a value on both arms (twins)")
        return against(self, result, treated, reference, visit)

    def _visits(self, later: Sample, earlier: Sample, visit: str) -> Comparison:
        later, earlier = paired(later, earlier)
        quantity = f"{self.quantity}, {visit} - {self.reference_visit}"
        result = self._result(quantity, later, earlier, "no patient has a value at both visits")
        n, missing = len(later), later.n_missing
        return row(self, result, unit=later.unit, visit=visit, arm=later.arm, n=n, n_missing=missing)

    def _result(self, quantity: str, first: Sample, second: Sample, alone: str) -> Result:
        if not len(first):
            return Result(quantity=quantity, note=alone)
        if wrong := refusal("numbers", first, second):
            return Result(quantity=quantity, note=wrong)
        return mean_result(quantity, first.values - second.values, self.confidence)
