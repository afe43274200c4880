"""Sample-size re-estimation from the blinded variance: nobody learns the effect, and the type I error hardly moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from vct.errors import InputError
from vct.part import Part
from vct.stats.power.means import two_means


@dataclass(frozen=True, slots=True, kw_only=True)
class Reestimated:
    """Patients per arm from now on, the blinded standard deviation they rest on, and whether the cap cut them."""

    per_arm: int
    sd: float
    capped: bool


class BlindedReestimation(Part):
    """Re-estimate the size of a two-arm trial of means from the pooled, blinded values of the patients so far.

    One-sample variance of the pooled values; `adjusted` subtracts what the planned difference adds to it, n delta^2 /
    (4 (n - 1)) for equal arms (Zucker et al., doi:10.1002/(SICI)1097-0258(19991230)18:24<3493::AID-SIM302>3.0.CO;2-2;
    Kieser and Friede, doi:10.1002/sim.1585). `restricted`: never below the planned size (Wittes and Brittain,
    doi:10.1002/sim.4780090113).
    """

    kind: Literal["blinded_variance"] = "blinded_variance"
    difference: float = Field(description="planned difference of the means, in the unit of the endpoint")
    planned_per_arm: int = Field(ge=2, le=100_000)
    maximum_per_arm: int = Field(ge=2, le=100_000)
    alpha: float = Field(default=0.05, gt=0.0, lt=0.5)
    sides: Literal[1, 2] = 2
    power: float = Field(default=0.9, gt=0.0, lt=1.0)
    adjusted: bool = True
    restricted: bool = True

    @model_validator(mode="after")
    def _sound(self) -> BlindedReestimation:
        if self.difference == 0:
            raise ValueError("difference must not be 0: no sample size detects it")
        if self.maximum_per_arm < self.planned_per_arm:
            raise ValueError(
                f"maximum_per_arm {self.maximum_per_arm} must be at least planned_per_arm {self.planned_per_arm}"
            )
        if self.power <= self.alpha:
            raise ValueError(f"power {self.power:g} must be above alpha {self.alpha:g}")
        return self

    def revise(self, values: Sequence[float]) -> Reestimated:
        """The new size from the blinded `values` (both arms pooled, at least 4). Raises InputError otherwise."""
        pooled = np.asarray(values, dtype=float)
        n = pooled.size
        if n < 4 or not np.isfinite(pooled).all():
            raise InputError(f"blinded re-estimation needs at least 4 finite values (got {n})")
        if n > 2 * self.maximum_per_arm:
            raise InputError(f"{n} patients are more than the maximum of {2 * self.maximum_per_arm}")
        variance = float(pooled.var(ddof=1))
        if self.adjusted:
            variance -= n * self.difference**2 / (4.0 * (n - 1))
        if variance <= 0:
            raise InputError("the blinded variance is below what the planned difference alone would make")
        return self.sized(math.sqrt(variance), n)

    def sized(self, sd: float, n: int) -> Reestimated:
        """The new size from a standard deviation within the arms, when `n` patients have come in."""
        wanted = two_means(self.difference, sd, alpha=self.alpha, power=self.power, sides=self.sides).control
        wanted = max(wanted, self.planned_per_arm if self.restricted else 2, math.ceil(n / 2))
        return Reestimated(per_arm=min(wanted, self.maximum_per_arm), sd=sd, capped=wanted > self.maximum_per_arm)
