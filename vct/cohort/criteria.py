"""Inclusion and exclusion criteria: who is turned away, and why."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vct.cohort.candidates import Candidates, VariableName
from vct.errors import InputError, nearest
from vct.part import Part, one_of
from vct.records import Sex
from vct.rng import stream


class Criterion(Part):
    """Something that is true or false of a candidate."""

    reason: str = Field(default="", max_length=200, description="how tables name those who are turned away by this")

    @property
    @abstractmethod
    def statement(self) -> str:
        """What is asked, in words."""

    @abstractmethod
    def holds(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Of whom it is true, shape (n,)."""


class Range(Criterion):
    """A number of the candidate lies from `min` to `max`, both included."""

    kind: Literal["range"] = "range"
    variable: VariableName = Field(description="age_years, height_cm, weight_kg, bmi_kg_m2 or one of the biomarkers")
    min: float | None = Field(default=None, ge=-1e6, le=1e6)
    max: float | None = Field(default=None, ge=-1e6, le=1e6)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a range needs 'min' or 'max'")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"'min' ({self.min:g}) must not be over 'max' ({self.max:g})")
        return self

    @property
    def statement(self) -> str:
        """Variable and limits."""
        if self.min is None:
            return f"{self.variable} <= {self.max:g}"
        return f"{self.variable} >= {self.min:g}" if self.max is None else f"{self.variable} {self.min:g}-{self.max:g}"

    def holds(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Whose value lies inside. Raises InputError for a variable that the population does not have."""
        if self.variable not in candidates.columns:
            near = nearest(self.variable, candidates.columns)
            known = ", ".join(candidates.columns) + (f"; did you mean {near!r}?" if near else "")
            raise InputError(f"eligibility: the cohort has no {self.variable!r}; it has {known}")
        value = candidates.columns[self.variable]
        low = -np.inf if self.min is None else self.min
        high = np.inf if self.max is None else self.max
        return np.asarray((value >= low) & (value <= high))


class SexIs(Criterion):
    """The candidate is of this sex."""

    kind: Literal["sex"] = "sex"
    value: Sex

    @property
    def statement(self) -> str:
        """The sex asked for."""
        return f"sex {self.value}"

    def holds(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Who is of the sex."""
        return candidates.female if self.value == "F" else ~candidates.female


class Prevalence(Criterion):
    """Something that the simulation does not model, true of a share of the candidates, by chance and nothing else."""

    kind: Literal["prevalence"] = "prevalence"
    reason: str = Field(min_length=1, max_length=200, description="what it is, for instance 'glucose > 11 mmol/l'")
    probability: float = Field(ge=0, le=1)

    @property
    def statement(self) -> str:
        """The reason."""
        return self.reason

    def holds(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Who has it; the candidate's luck is named after the reason, so that other criteria do not move it."""
        luck = [stream(candidates.seed, name, "criterion", self.reason).random() for name in candidates.ids]
        return np.asarray(luck) < self.probability


CRITERIA = (Range, SexIs, Prevalence)

if TYPE_CHECKING:
    AnyCriterion = Criterion
else:
    AnyCriterion = one_of(CRITERIA)


class Eligibility(Part):
    """Who may enter: all of `inclusion` and none of `exclusion`."""

    inclusion: tuple[AnyCriterion, ...] = Field(default=(), max_length=50)
    exclusion: tuple[AnyCriterion, ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _reasons_differ(self) -> Self:
        for reason in self.reasons:
            if self.reasons.count(reason) > 1:
                raise ValueError(f"two criteria are called {reason!r}; give each its own 'reason'")
        return self

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a candidate is turned away, in the order in which it is asked: inclusion first."""
        return (
            *(item.reason or f"not {item.statement}" for item in self.inclusion),
            *(item.reason or item.statement for item in self.exclusion),
        )

    def first_failure(self, candidates: Candidates) -> NDArray[np.intp]:
        """Position in `reasons` of the first criterion that turns each candidate away, or -1; shape (n,)."""
        failed = [~item.holds(candidates) for item in self.inclusion]
        failed += [item.holds(candidates) for item in self.exclusion]
        if not failed:
            return np.full(len(candidates), -1)
        table = np.array(failed)
        return np.where(table.any(axis=0), table.argmax(axis=0), -1)
