"""`Population`: what a cohort file says. Sex, age, height and weight are drawn together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, model_validator

from vct.cohort.bodysize import BodySize, Restrict
from vct.cohort.candidates import DEMOGRAPHICS, Candidates
from vct.distributions import AnyDistribution, Distribution, uniforms, within
from vct.distributions.base import Array
from vct.errors import InputError
from vct.part import Part
from vct.records import Sex
from vct.rng import stream

MAX_ATTEMPTS = 5000
MIN_ACCEPTANCE = 0.01
TRIED = 2000


class BySex(Part):
    """One distribution for women and one for men."""

    F: AnyDistribution
    M: AnyDistribution


def _one_or_by_sex(value: Any) -> str:
    by_sex = isinstance(value, BySex) or (isinstance(value, dict) and "kind" not in value and {"F", "M"} & set(value))
    return "by_sex" if by_sex else "for_both"


if TYPE_CHECKING:
    PerSex = Distribution | BySex
else:
    PerSex = Annotated[
        Annotated[AnyDistribution, Tag("for_both")] | Annotated[BySex, Tag("by_sex")], Discriminator(_one_or_by_sex)
    ]


class Target(Part):
    """What a source reports of one variable in one sex; `vct cohort` shows the drawn sample beside it."""

    variable: str = Field(min_length=1, max_length=60)
    sex: Sex
    mean: float
    sd: float = Field(ge=0)
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float


class Population(Part):
    """People of whom candidates are drawn: share of women, age by sex, height and weight by sex and age band.

    Every candidate has a random stream of its own, so that drawing more of them changes nobody.
    """

    title: str = Field(min_length=1, max_length=200)
    description: str = ""
    source: str | tuple[str, ...] = Field(description="where the numbers come from")
    female_fraction: float = Field(ge=0, le=1)
    age_years: PerSex = Field(description="one distribution, or one for each sex under F and M")
    body_size: BodySize
    biomarkers: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")], AnyDistribution] = Field(
        default={}, max_length=50, description="what criteria may ask for beside demographics; independent of them"
    )
    restrict: Restrict = Restrict()
    targets: tuple[Target, ...] = Field(default=(), max_length=200, description="never taken over with `from:`")

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        clash = sorted(set(self.biomarkers) & set(DEMOGRAPHICS))
        if clash:
            raise ValueError(f"a biomarker must not be called {clash[0]!r}")
        for sex in ("F", "M"):
            try:
                self.age_of(sex)
            except ValueError:
                low, high = self.restrict.ages()
                raise ValueError(f"'age_years' of {sex} has no value from {low:g} to {high:g} years") from None
        self._refuse_rare_bodies()
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """Names that criteria may ask for."""
        return (*DEMOGRAPHICS, *self.biomarkers)

    def age_of(self, sex: Sex) -> Distribution:
        """Age of one sex, restricted."""
        found = getattr(self.age_years, sex) if isinstance(self.age_years, BySex) else self.age_years
        return within(found, *self.restrict.ages())

    def candidates(self, first: int, n: int, seed: int) -> Candidates:
        """Candidates number `first` to `first + n - 1`.

        Raises InputError when a candidate's sex and age leave practically no body inside `restrict`.
        """
        ids = tuple(f"C{number:04d}" for number in range(first, first + n))
        streams = [stream(seed, name, "demographics") for name in ids]
        sex_age = np.array([uniforms(rng, 2) for rng in streams]).reshape(n, 2)
        female = sex_age[:, 0] <= self.female_fraction
        age = self._ages(female, sex_age[:, 1])
        height, weight = self._bodies(streams, female, age)
        columns = dict(zip(DEMOGRAPHICS, (age, height, weight, weight / (height / 100.0) ** 2), strict=True))
        for name, distribution in self.biomarkers.items():
            luck = np.array([uniforms(stream(seed, one, "biomarker", name), 1)[0] for one in ids])
            columns[name] = distribution.ppf(luck)
        return Candidates(seed, ids, female, columns)

    def _ages(self, female: NDArray[np.bool_], u: Array) -> Array:
        return np.where(female, self.age_of("F").ppf(u), self.age_of("M").ppf(u))

    def _bodies(self, streams: list[np.random.Generator], female: NDArray[np.bool_], age: Array) -> tuple[Array, Array]:
        """Height and weight of each person, redrawn from the person's own stream until `restrict` allows them."""
        height, weight = np.empty(age.shape), np.empty(age.shape)
        todo = np.arange(age.size)
        for _ in range(MAX_ATTEMPTS):
            if not todo.size:
                return height, weight
            u = np.array([uniforms(streams[index], 2) for index in todo])
            height[todo], weight[todo] = self.body_size.draw(female[todo], age[todo], u)
            todo = todo[~self.restrict.allows(height[todo], weight[todo])]
        sex = "F" if female[todo[0]] else "M"
        raise InputError(
            f"cohort: {MAX_ATTEMPTS} bodies drawn for a person ({sex}, {age[todo[0]]:.0f} years), none of them inside "
            "'restrict'; widen its height, weight or BMI"
        )

    def _refuse_rare_bodies(self) -> None:
        """Raise ValueError when `restrict` would throw nearly every body away."""
        u = uniforms(stream(0, "restrict"), 4 * TRIED).reshape(TRIED, 4)
        for sex, share in (("F", self.female_fraction), ("M", 1.0 - self.female_fraction)):
            of_sex = np.full(TRIED, sex == "F")
            body = self.body_size.draw(of_sex, self._ages(of_sex, u[:, 1]), u[:, 2:])
            kept = float(self.restrict.allows(*body).mean())
            if share > 0 and kept < MIN_ACCEPTANCE:
                raise ValueError(
                    f"'restrict' leaves {kept:.1%} of the bodies of {sex}; at least {MIN_ACCEPTANCE:.0%} must remain"
                )
