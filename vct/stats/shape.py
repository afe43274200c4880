"""The two shapes that most analyses have: describe each arm, or set each later arm against the first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from vct.records import Comparison, Outcome, Patient
from vct.stats.base import Analysis
from vct.stats.result import Result, row
from vct.stats.sample import Sample, last_visit, samples

Needs = Literal["numbers", "verdicts", "times"]

REFUSALS: dict[Needs, str] = {
    "numbers": "a time to an event needs kaplan_meier, log_rank or cox",
    "verdicts": "needs an endpoint with verdicts (percist, response)",
    "times": "needs a time to an event (progression_time)",
}


def refusal(needs: Needs, *arms: Sample) -> str:
    """Why these data are of the wrong kind for a method; "" when they are not."""
    if not any(len(sample) for sample in arms):
        return ""
    fits = {
        "numbers": not all(sample.is_survival for sample in arms),
        "verdicts": all(sample.is_categorical for sample in arms),
        "times": all(sample.is_survival for sample in arms),
    }
    return "" if fits[needs] else REFUSALS[needs]


class Description(Analysis):
    """Says something of each arm on its own."""

    quantity: ClassVar[str]
    needs: ClassVar[Needs | None] = None

    @abstractmethod
    def describe(self, sample: Sample) -> tuple[Result, ...]:
        """What is said of one arm, which may be empty."""

    def compare(
        self, outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str]
    ) -> tuple[Comparison, ...]:
        """The same statements of each arm."""
        visit = last_visit(outcomes) if self.visit is None else self.visit
        found = samples(outcomes, patients, arms, visit)
        return tuple(
            row(
                self,
                result,
                unit=sample.unit,
                visit=visit,
                arm=sample.arm,
                n=len(sample),
                n_missing=sample.n_missing,
            )
            for sample in found
            for result in self._results(sample)
        )

    def _results(self, sample: Sample) -> tuple[Result, ...]:
        wrong = refusal(self.needs, sample) if self.needs else ""
        return (Result(quantity=self.quantity, note=wrong),) if wrong else self.describe(sample)


class Contrast(Analysis):
    """Sets each later arm against the first, two arms at a time."""

    quantity: ClassVar[str]
    needs: ClassVar[Needs] = "numbers"

    @abstractmethod
    def contrast(self, treated: Sample, reference: Sample) -> tuple[Result, ...]:
        """What is said of two arms, either of which may be empty; estimates are treated against reference."""

    def usable(self, sample: Sample) -> Sample:
        """The members that the method can use; all of them, unless it needs more than a value."""
        return sample

    def compare(
        self, outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str]
    ) -> tuple[Comparison, ...]:
        """One contrast for each later arm."""
        visit = last_visit(outcomes) if self.visit is None else self.visit
        reference, *later = (self.usable(sample) for sample in samples(outcomes, patients, arms, visit))
        if not later:
            return (lonely(self, self.quantity, reference, visit),)
        return tuple(
            against(self, result, treated, reference, visit)
            for treated in later
            for result in self._results(treated, reference)
        )

    def _results(self, treated: Sample, reference: Sample) -> tuple[Result, ...]:
        wrong = refusal(self.needs, treated, reference)
        return (Result(quantity=self.quantity, note=wrong),) if wrong else self.contrast(treated, reference)


def against(analysis: Analysis, result: Result, treated: Sample, reference: Sample, visit: str) -> Comparison:
    """A row about two arms."""
    return row(
        analysis,
        result,
        unit=treated.unit,
        visit=visit,
        arm=treated.arm,
        n=len(treated),
        n_missing=treated.n_missing + reference.n_missing,
        reference=reference.arm,
        n_reference=len(reference),
    )


def lonely(analysis: Analysis, quantity: str, sample: Sample, visit: str) -> Comparison:
    """The row of a contrast in a trial of one arm."""
    return row(
        analysis,
        Result(quantity=quantity, note="a comparison needs a second arm"),
        unit=sample.unit,
        visit=visit,
        arm=sample.arm,
        n=len(sample),
        n_missing=sample.n_missing,
    )
