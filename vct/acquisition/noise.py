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


def noise_variance(
    *,
    dose_mbq: float,
    uptake_minutes: float,
    bed_minutes: float,
    weight_kg: float,
    height_cm: float,
    randoms_per_mbq_per_kg: float = 0.0,
) -> float:
    """Relative variance of a voxel's SUV, up to the scanner's constant.

    Poisson counts along a line give a variance of activity x attenuation correction / time, and an SUV is activity x
    weight / dose: hence attenuation x weight / (decayed dose x time). The attenuation is exp(mu d) through a water
    cylinder with the patient's mass and height, of diameter d. This makes the dose that keeps the liver's CoV go with
    weight^2.15 between 46 and 130 kg, near the measured weight^2 (de Groot 2013, doi 10.1186/2191-219X-3-63).

    Trues and randoms go with the activity and its square, so randoms over trues go with the activity concentration:
    `randoms_per_mbq_per_kg` is that ratio at a decayed 1 MBq/kg. Counts then weigh as noise-equivalent counts,
    T / (1 + 2 R / T) (Strother 1990, doi 10.1109/23.106715, delayed-window subtraction). Scatter is a constant share of
    the trues and cancels. The depth inside the body is not looked at.
    """
    diameter_cm = 2.0 * math.sqrt(1000.0 * weight_kg / (math.pi * height_cm))
    decayed_mbq = dose_mbq * math.exp2(-uptake_minutes / HALF_LIFE_MINUTES)
    randoms_to_trues = randoms_per_mbq_per_kg * decayed_mbq / weight_kg
    per_true = math.exp(WATER_ATTENUATION_PER_CM * diameter_cm) * weight_kg / (decayed_mbq * bed_minutes)
    return per_true * (1.0 + 2.0 * randoms_to_trues)


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
    pet: NDArray[np.float32], cov: float, rng: np.random.Generator, grid: Grid, fwhm_mm: float
) -> NDArray[np.float32]:
    """`pet` (X, Y, Z) with noise whose standard deviation is `cov` times the local uptake.

    In OSEM the standard deviation of a voxel goes with its mean (Barrett 1994, doi 10.1088/0031-9155/39/5/004), in
    filtered back-projection it would hardly change over the body; `benchmarks/osem.md` has what our own OSEM does. The
    noise is added and nothing is clipped, so every mean is kept; a voxel may fall below 0.
    """
    noisy = correlated_noise(rng, grid, fwhm_mm)
    noisy *= np.float32(cov)
    noisy *= np.maximum(pet, 0.0)
    noisy += pet
    return np.asarray(noisy, dtype=np.float32)


def share_left_by_filter(grid: Grid, noise_fwhm_mm: float, filter_mm: float) -> float:
    """Standard deviation of correlated noise after a Gaussian filter of `filter_mm`, over that before."""
    left = 1.0
    for spacing in grid.spacing_mm:
        before, added = ((fwhm / FWHM_PER_SIGMA / spacing) ** 2 for fwhm in (noise_fwhm_mm, filter_mm))
        kernel = gaussian_kernel(before)
        left *= float((np.convolve(kernel, gaussian_kernel(added)) ** 2).sum() / (kernel**2).sum())
    return math.sqrt(left)
