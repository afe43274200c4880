"""Counting noise: how large it is at a given dose, time and body size, and a correlated draw of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vct.acquisition.blur import gaussian_kernel, smooth
from vct.shapes import FWHM_PER_SIGMA
from vct.volume import Grid

HALF_LIFE_MINUTES = 109.77  # fluorine-18
WATER_ATTENUATION_PER_CM = 0.096  # at 511 keV
LIVER_SUV = 2.3
"""SUVbw at which a liver's CoV is stated: mean of 80 healthy adults 2.29 (hedyPET v1.0), AutoPET 2.27 in men and 2.35
in women (Yoon 2025, arXiv 2505.22489)."""


def noise_variance(
    *, dose_mbq: float, uptake_minutes: float, bed_minutes: float, weight_kg: float, height_cm: float
) -> float:
    """Relative variance of a voxel's SUV over that SUV, up to the scanner's constant.

    Poisson counts along a line give a variance of activity x attenuation correction / time, and an SUV is activity x
    weight / dose: hence attenuation x weight / (decayed dose x time). The attenuation is exp(mu d) through a water
    cylinder with the patient's mass and height, of diameter d. This makes the dose that keeps the liver's CoV go with
    weight^2.15 between 46 and 130 kg, near the measured weight^2 (de Groot 2013, doi 10.1186/2191-219X-3-63). Scatter
    and randoms are not told apart from trues, and the depth inside the body is not looked at.
    """
    diameter_cm = 2.0 * math.sqrt(1000.0 * weight_kg / (math.pi * height_cm))
    decayed_mbq = dose_mbq * math.exp2(-uptake_minutes / HALF_LIFE_MINUTES)
    return math.exp(WATER_ATTENUATION_PER_CM * diameter_cm) * weight_kg / (decayed_mbq * bed_minutes)


def correlated_noise(rng: np.random.Generator, grid: Grid, fwhm_mm: float) -> NDArray[np.float32]:
    """Gaussian noise (X, Y, Z) of mean 0 and standard deviation 1: white noise smoothed by a kernel of `fwhm_mm`.

    The deviation is that of voxel values, whatever the voxel size.
    """
    variances = [(fwhm_mm / FWHM_PER_SIGMA / spacing) ** 2 for spacing in grid.spacing_mm]
    white = rng.standard_normal(grid.shape, dtype=np.float32)
    left = math.prod(float((gaussian_kernel(variance) ** 2).sum()) for variance in variances)
    noise: NDArray[np.float32] = smooth(white, variances, mode="wrap")
    noise /= np.float32(math.sqrt(left))
    return noise


def add_noise(
    pet: NDArray[np.float32], liver_cov: float, rng: np.random.Generator, grid: Grid, fwhm_mm: float
) -> NDArray[np.float32]:
    """`pet` (X, Y, Z) with noise whose variance goes with the local uptake and whose CoV is `liver_cov` at LIVER_SUV.

    The noise is added and nothing is clipped, so every mean is kept; where uptake is near 0 a voxel may fall below 0.
    """
    spread = np.sqrt(np.maximum(pet, 0.0) * np.float32(LIVER_SUV))
    spread *= np.float32(liver_cov)
    spread *= correlated_noise(rng, grid, fwhm_mm)
    spread += pet
    return np.asarray(spread, dtype=np.float32)
