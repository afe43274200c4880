"""EARL's bands of sphere recovery, and the filter with which a scanner meets them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vct.shapes import FWHM_PER_SIGMA

Standard = Literal["earl_1", "earl_2"]
DIAMETERS_MM = (37.0, 28.0, 22.0, 17.0, 13.0, 10.0)
CONTRAST = 10.0
"""Sphere over background in EARL's phantom: 20 and 2 kBq/ml (Koopman 2017, doi 10.1186/s40658-017-0185-6)."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Lowest and highest recovery of each sphere of `DIAMETERS_MM`; `maximum` is None where we have no source read."""

    mean: tuple[tuple[float, float], ...]
    maximum: tuple[tuple[float, float], ...] | None


BANDS: dict[Standard, Bands] = {
    "earl_1": Bands(
        mean=((0.76, 0.89), (0.72, 0.85), (0.63, 0.78), (0.57, 0.73), (0.44, 0.60), (0.27, 0.43)),
        maximum=((0.95, 1.16), (0.91, 1.13), (0.83, 1.09), (0.73, 1.01), (0.59, 0.85), (0.34, 0.57)),
    ),
    "earl_2": Bands(
        mean=((0.85, 1.00), (0.82, 0.97), (0.80, 0.99), (0.76, 0.97), (0.63, 0.86), (0.39, 0.61)),
        maximum=None,
    ),
}
"""EARL 1: accreditation specifications of January 2017 (earl.eanm.org), A50 and maximum. EARL 2: A50 from memory of
Kaalep 2018 (doi 10.1007/s00259-018-3977-4); its maxima need the overshoot of PSF reconstruction, which a Gaussian
lacks, and were not read."""

SEARCHED_MM = tuple(float(fwhm) for fwhm in np.arange(3.0, 12.01, 0.05))


def blurred_sphere(radius_mm: float, fwhm_mm: float, r_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Value at distance `r_mm` (N,) > 0 from the centre of a unit sphere blurred by a Gaussian (closed form)."""
    from scipy.special import erf

    sigma = fwhm_mm / FWHM_PER_SIGMA
    low, high = (radius_mm - r_mm) / (math.sqrt(2.0) * sigma), (radius_mm + r_mm) / (math.sqrt(2.0) * sigma)
    tails = sigma / (r_mm * math.sqrt(2.0 * math.pi)) * (np.exp(-(low**2)) - np.exp(-(high**2)))
    return np.asarray((erf(low) + erf(high)) / 2.0 - tails)


@lru_cache(maxsize=512)
def recovery(diameter_mm: float, fwhm_mm: float) -> tuple[float, float]:
    """A50 mean and maximum over the true value of a noise-free sphere at EARL's contrast.

    A50 takes the voxels above half of maximum and background.
    """
    r = np.asarray((np.arange(4000) + 0.5) / 4000.0 * diameter_mm, dtype=np.float64)
    background = 1.0 / CONTRAST
    values = background + (1.0 - background) * blurred_sphere(diameter_mm / 2.0, fwhm_mm, r)
    inside = values >= (values[0] + background) / 2.0
    return float(np.average(values[inside], weights=r[inside] ** 2)), float(values[0])


def inside(standard: Standard, fwhm_mm: float) -> bool:
    """Whether the noise-free curves of this resolution lie in the bands at every sphere."""
    return _worst(standard, fwhm_mm) <= 1.0


@lru_cache(maxsize=64)
def matched_fwhm_mm(standard: Standard, at_least_mm: float) -> float | None:
    """The resolution whose curves keep furthest from the bands' edges, among those a filter can reach from
    `at_least_mm`; None when none lies inside.
    """
    within = [
        fwhm
        for fwhm in (at_least_mm, *SEARCHED_MM)
        if fwhm >= max(at_least_mm, SEARCHED_MM[0]) and inside(standard, fwhm)
    ]
    return min(within, key=lambda fwhm: _worst(standard, fwhm)) if within else None


def _worst(standard: Standard, fwhm_mm: float) -> float:
    """Largest distance from a band's middle over its half width; above 1 is outside."""
    bands = BANDS[standard]
    worst = 0.0
    for number, diameter in enumerate(DIAMETERS_MM):
        for band, value in zip((bands.mean, bands.maximum), recovery(diameter, fwhm_mm), strict=True):
            if band is not None:
                low, high = band[number]
                worst = max(worst, abs(value - (low + high) / 2.0) / ((high - low) / 2.0))
    return worst
