"""What an analysis is: a statement about the arms from the outcomes of one endpoint."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from vct.part import EndpointName, Part, VisitName
from vct.records import Comparison, Outcome, Patient

AnalysisSet = Literal["ITT", "PP"]
Missing = Literal["complete_cases", "non_responder", "last_observation", "baseline_observation", "multiple_imputation"]
Subgroup = Literal["sex", "stratum", "site"]
Checked = Literal["golden", "second implementation", "unvalidated"]


class Analysis(Part):
    """Compares arms, or describes one. The caller has already chosen set, source and subgroup, and filled missing
    values.
    """

    endpoint: EndpointName
    visit: VisitName | None = Field(
        default=None, description="the visit to analyse; the endpoint's last one when left out"
    )
    analysis_sets: tuple[AnalysisSet, ...] = Field(default=("ITT",), min_length=1)
    missing: Missing = "complete_cases"
    subgroups: tuple[Subgroup, ...] = ()
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)

    checked: ClassVar[Checked] = "unvalidated"
    tests: ClassVar[bool] = True
    """Whether it tests a hypothesis, so that a design may rest on it."""
    of_readers: ClassVar[bool] = False
    """Whether `compare` gets the outcomes of each reader (`Outcome.reader`) in place of those of record."""
    by_t: ClassVar[bool] = False
    """Whether its intervals are Student's, so that their half-width is a quantile of t times the standard error."""

    @property
    def null(self) -> float:
        """The estimate that would mean no effect, of a ratio its logarithm."""
        return 0.0

    @abstractmethod
    def compare(
        self, outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str]
    ) -> tuple[Comparison, ...]:
        """Compare every later arm with the first of `arms` (the reference), or describe each arm.

        `outcomes` hold this endpoint only, of `patients` only; a patient without an outcome value counts as missing.
        Too few data give a Comparison with estimate None and a note, never an exception.
        """
