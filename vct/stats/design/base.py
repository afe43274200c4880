"""What a design is: when to look, what stops the trial, and how often that happens."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from vct.part import Part

Verdict = Literal["efficacy", "futility", "continue"]
Statistic = Literal["z", "responders"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One analysis: the trial stops for efficacy at `statistic >= efficacy`, for futility at `statistic <= futility`.

    `fraction` is the information (or patients) so far over the planned maximum, `alpha_spent` the type I error spent
    up to this look (both sides together), `beta_spent` the type II error spent by futility, None without futility.
    """

    number: int
    fraction: float
    efficacy: float | None
    futility: float | None
    nominal_p: float | None
    alpha_spent: float
    beta_spent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """What a design does under one true effect: probability of stopping at each look, and why.

    `efficacy` rejects in the planned direction, `reverse` in the other one (two-sided designs only, else zeros);
    `futility` stops without rejecting, its last entry by reaching the end. `expected` is the expected information (or
    patients) at stopping over the planned maximum.
    """

    efficacy: tuple[float, ...]
    reverse: tuple[float, ...]
    futility: tuple[float, ...]
    expected: float

    @property
    def power(self) -> float:
        """Probability that the null hypothesis is rejected in the planned direction."""
        return sum(self.efficacy)

    @property
    def rejected(self) -> float:
        """Probability that the null hypothesis is rejected in either direction: the type I error under no effect."""
        return sum(self.efficacy) + sum(self.reverse)


class Design(Part):
    """When to look and when to stop. `alpha` is the error of the whole test, both sides together when two-sided."""

    alpha: float = Field(default=0.025, ge=1e-8, lt=0.5, description="type I error of the whole test")
    power: float = Field(default=0.9, gt=0.0, le=1.0 - 1e-8)

    statistic: ClassVar[Statistic] = "z"

    @model_validator(mode="after")
    def _possible(self) -> Design:
        if self.power <= self.alpha:
            raise ValueError(
                f"power {self.power:g} must be above alpha {self.alpha:g}: a test that rejects at random does as well"
            )
        return self

    @abstractmethod
    def looks(self) -> tuple[Look, ...]:
        """Every analysis with its stopping rule, the last one included."""

    @abstractmethod
    def inflation(self) -> float:
        """Maximum sample size over that of the fixed design with the same alpha and power."""

    @abstractmethod
    def operating(self, effect: float) -> Operating:
        """Stopping probabilities under `effect`; what it measures is said by each design."""

    def patients(self, fixed: float) -> tuple[int, ...]:
        """Patients (or events) at each look, rounded up, when the fixed design of the same power needs `fixed`."""
        most = fixed * self.inflation()
        return tuple(math.ceil(look.fraction * most - 1e-9 * most) for look in self.looks())

    def verdict(self, look: int, value: float) -> Verdict:
        """What the design says at look `look` (from 1) when the statistic is `value`; at the last look it never says
        "continue".
        """
        looks = self.looks()
        rule = looks[look - 1]
        if rule.efficacy is not None and value >= rule.efficacy:
            return "efficacy"
        if look == len(looks) or (rule.futility is not None and value <= rule.futility):
            return "futility"
        return "continue"
