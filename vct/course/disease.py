"""How much disease a patient has on day 0: number, sites, sizes, uptake and shapes of the lesions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from vct.course.limits import COUNT, DIAMETER_MM, SUV, quantile, within
from vct.course.shape import Necrosis, Shape, Site
from vct.distributions import AnyDistribution, Distribution
from vct.part import Part
from vct.records import Patient
from vct.rng import stream
from vct.structures import LESION_SITES
from vct.volume import Triple

RankCorrelation = Annotated[float, Field(ge=0.0, le=0.95)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A lesion's own draws, the same at every visit and on every arm; size and uptake are those of `onset_day`.

    `growth_u` is its place (0 to 1) in the distribution of doubling times, `response_z` its standard normal luck under
    treatment. A lesion with `onset_day` 0 is there from the start.
    """

    id: str
    organ: str
    diameter_mm: float
    suv: float
    axis_ratios: Triple
    growth_u: float
    response_z: float
    onset_day: float = 0.0
    irregularity: float = 0.0
    form: int = 0
    core_share: float = 0.0
    core_uptake: float = 1.0


class Disease(Part):
    """The lesions on day 0. `suv` is the uptake of the tissue, before any blur; `diameter_mm` that of the sphere of
    equal volume.

    Sizes, uptakes and growth of one patient's lesions share a random effect, through a Gaussian copula. Correlations
    are Spearman's; the normal scores get 2 sin(pi rho / 6) (Kruskal 1958, J Am Stat Assoc 53:814), which
    is exact for continuous distributions. Values outside the limits of
    `vct.course.limits` are clipped.
    """

    count: Annotated[AnyDistribution, within(COUNT)] = Field(
        description="lesions on day 0, rounded; truncate it for a least or a largest number"
    )
    sites: dict[Site, Annotated[float, Field(ge=0, le=1e6)]] = Field(
        min_length=1, description="weights of the places where lesions sit"
    )
    primary_site: Site | None = Field(default=None, description="where the first lesion always sits")
    diameter_mm: Annotated[AnyDistribution, within(DIAMETER_MM)]
    suv: Annotated[AnyDistribution, within(SUV)]
    size_uptake_correlation: RankCorrelation = 0.0
    between_lesion_correlation: RankCorrelation = Field(
        default=0.0, description="of the sizes, of the uptakes and of the growth of two lesions in one patient"
    )
    axis_ratio_sd: float = Field(default=0.0, ge=0.0, le=0.3, description="of the log axis ratios; 0 gives spheres")
    shape: Shape = Field(default=Shape(), description="bumps and dents about the ellipsoid")
    necrosis: Necrosis | None = Field(default=Necrosis(), description="cores that died; null: none do")

    @field_validator("sites")
    @classmethod
    def _some_weight(cls, sites: dict[str, float]) -> dict[str, float]:
        if not sum(sites.values()) > 0:
            raise ValueError("the weights must not all be 0")
        return sites

    def origins(self, patient: Patient, seed: int) -> tuple[Origin, ...]:
        """The lesions that the patient has from the start."""
        u = float(stream(seed, patient.id, "course", "count").random())
        n = round(quantile(self.count, max(u, 2.0**-54), COUNT))
        first = self.primary_site
        return tuple(
            self.origin(patient, seed, f"L{k:02d}", self.diameter_mm, site=first if k == 1 else None)
            for k in range(1, n + 1)
        )

    def origin(
        self,
        patient: Patient,
        seed: int,
        name: str,
        diameter_mm: Distribution,
        *,
        site: str | None = None,
        onset_day: float = 0.0,
    ) -> Origin:
        """Draw the lesion called `name`; its draws depend on that name and on the patient only."""
        shared = stream(seed, patient.id, "course", "disease").standard_normal(3)
        rng = stream(seed, patient.id, "course", name)
        site_u = float(rng.random())
        own = rng.standard_normal(7)
        within = normal_correlation(self.between_lesion_correlation)
        size, uptake, growth = math.sqrt(within) * shared + math.sqrt(1.0 - within) * own[:3]
        r = normal_correlation(self.size_uptake_correlation)
        uptake = r * size + math.sqrt(1.0 - r * r) * uptake
        x, y, z = np.exp(self.axis_ratio_sd * (own[4:] - own[4:].mean()))
        organ, diameter = site or self._site(site_u), quantile(diameter_mm, probability(size), DIAMETER_MM)
        look = stream(seed, patient.id, "course", name, "form")
        form, scores = int(look.integers(2**31)), look.standard_normal((2, 1))
        core, number = self.necrosis, np.array([LESION_SITES.index(organ)])
        return Origin(
            id=name,
            organ=organ,
            diameter_mm=diameter,
            suv=quantile(self.suv, probability(uptake), SUV),
            axis_ratios=(float(x), float(y), float(z)),
            growth_u=probability(growth),
            response_z=float(own[3]),
            onset_day=onset_day,
            irregularity=self.shape.of(diameter),
            form=form,
            core_share=0.0 if core is None else float(core.share(number, np.array([diameter]), scores)[0]),
            core_uptake=1.0 if core is None else core.uptake,
        )

    def _site(self, u: float) -> str:
        upto = np.cumsum(list(self.sites.values()))
        return list(self.sites)[int(np.searchsorted(upto / upto[-1], u, side="right"))]


def normal_correlation(rank_correlation: float) -> float:
    """Correlation of bivariate normal scores whose Spearman correlation is `rank_correlation`."""
    return 2.0 * math.sin(math.pi * rank_correlation / 6.0)


def probability(normal_score: float) -> float:
    """Standard normal probability, kept inside the open interval 0 to 1."""
    return min(max(NormalDist().cdf(float(normal_score)), 2.0**-54), 1.0 - 2.0**-53)
