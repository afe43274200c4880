"""Height and weight given sex and age: quantiles by age band, joined by a Gaussian copula."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vct.distributions import AnyDistribution
from vct.distributions.base import Array
from vct.part import Part

AGE_YEARS = (18.0, 100.0)
HEIGHT_CM = (120.0, 220.0)
WEIGHT_KG = (25.0, 300.0)
BMI_KG_M2 = (10.0, 90.0)


class Window(Part):
    """Values from `min` to `max`, both included; either may be left out."""

    min: float | None = Field(default=None, ge=0, le=1000)
    max: float | None = Field(default=None, ge=0, le=1000)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("needs 'min' or 'max'")
        if self.min is not None and self.max is not None and not self.min < self.max:
            raise ValueError(f"'min' ({self.min:g}) must be under 'max' ({self.max:g})")
        return self

    def inside(self, limits: tuple[float, float]) -> tuple[float, float]:
        """The part of `limits` that lies in the window."""
        low, high = limits
        return (
            low if self.min is None else max(low, self.min),
            high if self.max is None else min(high, self.max),
        )


class Restrict(Part):
    """Limits on a population's members; what lies outside is cut off, and the dependence between the rest survives.

    Limits that always hold, with or without this part: age 18 to 100 years (the simulator knows adults), height 120 to
    220 cm, weight 25 to 300 kg, BMI 10 to 90 kg/m2 (assumed: the range of NHANES adults, widened).
    """

    age_years: Window | None = None
    height_cm: Window | None = None
    weight_kg: Window | None = None
    bmi_kg_m2: Window | None = None

    def ages(self) -> tuple[float, float]:
        """Youngest and oldest age allowed."""
        return self.age_years.inside(AGE_YEARS) if self.age_years else AGE_YEARS

    def allows(self, height_cm: Array, weight_kg: Array) -> NDArray[np.bool_]:
        """Which bodies lie inside all limits, shape (n,)."""
        allowed = np.ones(np.shape(height_cm), dtype=bool)
        bmi = weight_kg / (height_cm / 100.0) ** 2
        for window, limits, value in (
            (self.height_cm, HEIGHT_CM, height_cm),
            (self.weight_kg, WEIGHT_KG, weight_kg),
            (self.bmi_kg_m2, BMI_KG_M2, bmi),
        ):
            low, high = window.inside(limits) if window else limits
            allowed &= (value >= low) & (value <= high)
        return allowed


class AgeBand(Part):
    """Height and weight of people from an age on, up to the next band.

    `rank_correlation` is Spearman's. The copula's normal correlation is r = 2 sin(pi / 6 * rank correlation) (Pearson
    1907; Kruskal 1958, doi 10.1080/01621459.1958.10501481).
    """

    from_age_years: float = Field(ge=0, le=100)
    height_cm: AnyDistribution
    weight_kg: AnyDistribution
    rank_correlation: float = Field(ge=-0.99, le=0.99, description="Spearman's, between height and weight")

    def draw(self, uniforms: Array) -> tuple[Array, Array]:
        """Height and weight, each (n,), from two independent uniforms each, shape (n, 2)."""
        from scipy.special import ndtr, ndtri

        r = 2.0 * np.sin(np.pi / 6.0 * self.rank_correlation)
        first, second = ndtri(uniforms).T
        joined = ndtr(r * first + np.sqrt(1.0 - r * r) * second)
        return self.height_cm.ppf(uniforms[:, 0]), self.weight_kg.ppf(np.clip(joined, 2.0**-54, 1.0 - 2.0**-53))


Bands = tuple[AgeBand, ...]


class BodySize(Part):
    """Age bands of women and of men, youngest first; whoever is younger than the first band belongs to it."""

    F: Bands = Field(min_length=1, max_length=100)
    M: Bands = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for sex, bands in (("F", self.F), ("M", self.M)):
            ages = [band.from_age_years for band in bands]
            if any(later <= earlier for earlier, later in pairwise(ages)):
                raise ValueError(f"the bands of {sex} must come with rising 'from_age_years'")
        return self

    def draw(self, female: NDArray[np.bool_], age_years: Array, uniforms: Array) -> tuple[Array, Array]:
        """Height and weight, each (n,), given sex and age (n,), from two uniforms a person, shape (n, 2)."""
        height, weight = np.empty(female.shape), np.empty(female.shape)
        for bands, of_sex in ((self.F, female), (self.M, ~female)):
            starts = [band.from_age_years for band in bands[1:]]
            band_of = np.searchsorted(starts, age_years, side="right")
            for index, band in enumerate(bands):
                here = of_sex & (band_of == index)
                if here.any():
                    height[here], weight[here] = band.draw(uniforms[here])
        return height, weight
