"""Resolution: Gaussian blur in millimetres, on top of the blur that a scan already carries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vct.shapes import FWHM_PER_SIGMA
from vct.volume import Grid, Triple, Volume, cubic_sampled


@lru_cache(maxsize=64)
def gaussian_kernel(variance: float) -> NDArray[np.float64]:
    """Weights of a sampled Gaussian whose own variance is `variance` (voxels^2), however narrow it is.

    The Gaussian that is sampled is a little wider than asked for where it is narrower than a voxel; its width is found
    by bisection. Blurs then add in quadrature on any grid.
    """
    if variance <= 0.0:
        return np.ones(1)
    steps = np.arange(-math.ceil(4.0 * math.sqrt(variance)) - 1, math.ceil(4.0 * math.sqrt(variance)) + 2)
    low, high = 0.0, math.sqrt(variance) + 1.0
    for _ in range(60):
        sigma = (low + high) / 2.0
        weights = np.exp(-0.5 * (steps / sigma) ** 2)
        weights /= weights.sum()
        low, high = (sigma, high) if float(weights @ steps**2) < variance else (low, sigma)
    weights.setflags(write=False)
    return np.asarray(weights)


def smooth(
    data: NDArray[Any], variances: Sequence[float], mode: Literal["nearest", "wrap", "constant"] = "nearest"
) -> NDArray[Any]:
    """Convolve (X, Y, Z) with the discrete Gaussian of `variances` (voxels^2) along each axis."""
    from scipy import ndimage

    for axis, variance in enumerate(variances):
        if variance > 0.0:
            data = ndimage.correlate1d(data, gaussian_kernel(variance), axis=axis, mode=mode)
    return data


def carried_variances_mm2(grid: Grid, fwhm_mm: float) -> Triple:
    """Blur along each axis of a scan that states `fwhm_mm`: at least that of averaging over a voxel, h^2 / 12.

    A stated FWHM includes the voxel's own average.
    """
    stated = (fwhm_mm / FWHM_PER_SIGMA) ** 2
    x, y, z = (max(stated, spacing**2 / 12.0) for spacing in grid.spacing_mm)
    return x, y, z


def blurred(volume: Volume, carried_mm: float, target_mm: float) -> tuple[Volume, float]:
    """Blur a volume that carries `carried_mm` until its FWHM is `target_mm`; also the FWHM that it then has.

    That is `target_mm`, unless the voxel's own average is coarser already: then nothing is added along that axis and
    the FWHM of the same mean variance is returned.
    """
    target = (target_mm / FWHM_PER_SIGMA) ** 2
    carried = carried_variances_mm2(volume.grid, carried_mm)
    added = [max(0.0, target - had) / h**2 for had, h in zip(carried, volume.grid.spacing_mm, strict=True)]
    data = smooth(volume.data, added)
    total = [max(target, had) for had in carried]
    fwhm_mm = target_mm if max(total) == target else FWHM_PER_SIGMA * math.sqrt(sum(total) / 3.0)
    return Volume(data=data, grid=volume.grid, unit=volume.unit), fwhm_mm


def sampled(volume: Volume, grid: Grid) -> Volume:
    """A blurred volume read off at the voxel centres of `grid`, without the blur of averaging over its voxels."""
    if grid == volume.grid:
        return volume
    old = volume.grid
    ratios = [new / was for new, was in zip(grid.spacing_mm, old.spacing_mm, strict=True)]
    starts = [(a - b) / h for a, b, h in zip(grid.origin_mm, old.origin_mm, old.spacing_mm, strict=True)]
    scale, offset = (ratios[0], ratios[1], ratios[2]), (starts[0], starts[1], starts[2])
    return Volume(data=cubic_sampled(volume.data, scale, offset, grid.shape), grid=grid, unit=volume.unit)
