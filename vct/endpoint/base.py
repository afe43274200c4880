"""What an endpoint is: what the trial makes of one patient's readings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from vct.endpoint.estimand import Estimand
from vct.part import Part
from vct.records import Outcome, Patient, Reading


class Endpoint(Part):
    """Turns the readings of one patient into outcomes: one for each visit that it judges, or one in all."""

    name: str = Field(min_length=1, max_length=60, description="how analyses and tables call this endpoint")
    estimand: Estimand = Estimand()

    failure: ClassVar[str] = "NR"
    """Category of a patient whom a composite estimand counts as a failure, where the endpoint gives categories."""

    gives: ClassVar[Literal["numbers", "verdicts", "times"] | None] = None
    """What its values are, where a design must know; None says nothing."""

    @abstractmethod
    def derive(self, patient: Patient, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
        """The outcomes of one patient. Missing readings give an outcome with value None and the reason as its rule."""
