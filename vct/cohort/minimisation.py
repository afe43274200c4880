"""Minimisation: the next patient goes, most likely, where the arms become most alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vct.cohort.allocation import Randomisation, ratios
from vct.cohort.plan import Arm
from vct.cohort.strata import Factor, refuse_repeats, stratum
from vct.records import Patient
from vct.rng import stream


class WeightedFactor(Factor):
    """A factor, and how much its imbalance counts beside the others'."""

    weight: float = Field(default=1.0, gt=0, le=100)


class Minimisation(Randomisation):
    """Minimisation of Pocock and Simon 1975 (doi 10.2307/2529712).

    For each arm that the patient might get, the imbalance of each factor is taken at the patient's level, as range or
    variance of the arms' numbers, and summed with the factors' weights. The arm with the smallest sum is given with
    `probability`, the others share the rest; among equal sums the preferred arm is drawn.

    With unequal ratios an arm of ratio r stands for r arms of ratio 1, among which minimisation is symmetric; so every
    patient's chance of each arm, averaged over histories, is the planned ratio, which plain minimisation would bend
    (Kuznetsova and Tymofyeyev 2012, doi 10.1002/sim.4447).
    """

    kind: Literal["minimisation"] = "minimisation"
    factors: tuple[WeightedFactor, ...] = Field(min_length=1, max_length=20)
    imbalance: Literal["range", "variance"] = "range"
    probability: float = Field(default=0.8, gt=0.5, le=1, description="of the preferred arm; 1 leaves chance to ties")

    @model_validator(mode="after")
    def _factors_differ(self) -> Self:
        refuse_repeats(self.factors)
        return self

    def assign(self, patients: Sequence[Patient], arms: Sequence[Arm], seed: int) -> tuple[Patient, ...]:
        """One patient after the other, given the numbers so far."""
        arm_of = np.repeat(np.arange(len(arms)), ratios(arms))
        numbers: dict[tuple[str, str], NDArray[np.float64]] = defaultdict(lambda: np.zeros(arm_of.size))
        assigned = []
        for patient in patients:
            mine = [numbers[factor.by, factor.level(patient)] for factor in self.factors]
            picked = self._pick(np.array(mine), stream(seed, patient.id, "randomisation"))
            for count in mine:
                count[picked] += 1
            arm = arms[arm_of[picked]].name
            assigned.append(replace(patient, arm=arm, stratum=stratum(self.factors, patient)))
        return tuple(assigned)

    def _pick(self, numbers: NDArray[np.float64], rng: np.random.Generator) -> int:
        """The arm for a patient whose levels have these `numbers` so far, shape (factors, arms of ratio 1)."""
        n = numbers.shape[1]
        after = numbers[:, None, :] + np.eye(n)
        spread = np.ptp(after, axis=2) if self.imbalance == "range" else after.var(axis=2)
        total = np.array([factor.weight for factor in self.factors]) @ spread
        tie, coin = rng.random(2)
        best = np.flatnonzero(np.isclose(total, total.min()))
        preferred = int(best[int(tie * best.size)])
        if n == 1 or coin < self.probability:
            return preferred
        others = np.delete(np.arange(n), preferred)
        return int(others[int((coin - self.probability) / (1.0 - self.probability) * others.size)])
