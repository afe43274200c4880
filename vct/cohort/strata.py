"""Factors that a randomisation balances over, and the strata that they make."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from vct.part import Part
from vct.records import Patient

NAMED = ("sex", "site")


class Factor(Part):
    """A property of the patient: sex or site as it is, a number cut into classes."""

    by: Literal["sex", "site", "age_years", "height_cm", "weight_kg", "bmi_kg_m2"]
    cuts: tuple[float, ...] = Field(default=(), max_length=20, description="where a number's next class begins")

    @model_validator(mode="after")
    def _cut(self) -> Self:
        if self.by in NAMED and self.cuts:
            raise ValueError(f"{self.by!r} takes no 'cuts'")
        if self.by not in NAMED and not self.cuts:
            raise ValueError(f"{self.by!r} needs 'cuts', for instance [65]")
        if any(later <= earlier for earlier, later in pairwise(self.cuts)):
            raise ValueError("'cuts' must rise")
        return self

    def level(self, patient: Patient) -> str:
        """The class that the patient belongs to, in words."""
        value = getattr(patient, self.by)
        if self.by in NAMED:
            return str(value)
        passed = sum(value >= cut for cut in self.cuts)
        if passed == 0:
            return f"{self.by} < {self.cuts[0]:g}"
        if passed == len(self.cuts):
            return f"{self.by} >= {self.cuts[-1]:g}"
        return f"{self.by} {self.cuts[passed - 1]:g} to < {self.cuts[passed]:g}"


def stratum(factors: Sequence[Factor], patient: Patient) -> str:
    """The patient's levels of all factors in one name."""
    return ", ".join(factor.level(patient) for factor in factors)


def refuse_repeats(factors: Sequence[Factor]) -> None:
    """Raise ValueError when a property is used by two factors."""
    used = [factor.by for factor in factors]
    for name in used:
        if used.count(name) > 1:
            raise ValueError(f"{name!r} is used by two factors")
