"""What the disease does by itself: growth, drift of uptake, new lesions, and how uptake varies from day to day."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from vct.course.limits import DIAMETER_MM, DOUBLING_TIME_DAYS, quantile, within
from vct.distributions import AnyDistribution, Constant
from vct.part import Part
from vct.records import Patient, Visit
from vct.rng import stream

DAYS_PER_YEAR = 365.25


class History(Part):
    """Natural history. Left out, nothing grows, nothing appears and uptake is the same on every day.

    Volumes grow exponentially (doubling times of lung cancer are log-normal: Usuda 1994, Cancer 74:2239; single
    tumours follow the exponential best: Mackintosh 2014, doi 10.1111/resp.12311). New lesions are a Poisson process
    after day 0.

    `day_to_day_cv` is the biological part of the within-subject coefficient of variation of lesion uptake. Published
    test-retest figures, about 0.10 for careful protocols (Lodge 2017, J Nucl Med 58:523) and 0.12 to 0.15
    in two multicentre trials (Weber 2015, doi 10.2967/jnumed.114.147728), hold noise and scanner as well, which the
    acquisition adds: take less than the published figure.
    """

    doubling_time_days: Annotated[AnyDistribution, within(DOUBLING_TIME_DAYS)] | None = Field(
        default=None, description="of a lesion's volume; lesions do not grow when left out"
    )
    uptake_change_per_day: float = Field(default=0.0, ge=-0.05, le=0.05, description="relative, compounded")
    new_lesions_per_year: float = Field(default=0.0, ge=0.0, le=50.0)
    new_diameter_mm: Annotated[AnyDistribution, within(DIAMETER_MM)] = Field(
        default=Constant(value=10.0), description="at onset; default assumed"
    )
    day_to_day_cv: float = Field(default=0.0, ge=0.0, le=0.5)
    day_to_day_shared: float = Field(
        default=0.5, ge=0.0, le=1.0, description="share of that variance common to all lesions of a patient; assumed"
    )

    def growth(self, days: float, growth_u: float) -> float:
        """Factor on a diameter after `days` (negative: before): the cube root of the factor on the volume."""
        if self.doubling_time_days is None:
            return 1.0
        return float(2.0 ** (days / (3.0 * quantile(self.doubling_time_days, growth_u, DOUBLING_TIME_DAYS))))

    def drift(self, days: float) -> float:
        """Factor on uptake after `days`."""
        return float((1.0 + self.uptake_change_per_day) ** days)

    def onsets(self, patient: Patient, until_day: float, seed: int) -> Iterator[tuple[str, float, float]]:
        """New lesions up to a day: (name, onset day, u). Those with u below a rate ratio stay when the rate is cut.

        Thinning keeps the lesions of a treated patient among those that the untreated twin gets.
        """
        if self.new_lesions_per_year == 0.0:
            return
        rng = stream(seed, patient.id, "course", "onsets")
        number, day = 0, 0.0
        while True:
            number += 1
            day += float(rng.exponential(DAYS_PER_YEAR / self.new_lesions_per_year))
            u = float(rng.random())
            if day > until_day:
                return
            yield f"N{number:02d}", day, u

    def on_the_day(self, patient: Patient, visit: Visit, lesion: str, seed: int) -> float:
        """Factor on uptake that is this day's own, with median 1; log-normal with `day_to_day_cv`."""
        sigma = math.sqrt(math.log1p(self.day_to_day_cv**2))
        common = stream(seed, patient.id, visit.name, "course").standard_normal()
        own = stream(seed, patient.id, visit.name, "course", lesion).standard_normal()
        shared = self.day_to_day_shared
        return math.exp(sigma * (math.sqrt(shared) * common + math.sqrt(1.0 - shared) * own))
