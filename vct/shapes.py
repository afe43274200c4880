"""Regions and ellipsoids on a voxel grid, and what a Gaussian blur leaves of a sphere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.volume import Grid, Triple

FWHM_PER_SIGMA = math.sqrt(8.0 * math.log(2.0))
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A set of voxels: `mask` within `box` of a volume."""

    box: Box
    mask: NDArray[np.bool_]

    def values(self, data: NDArray[Any]) -> NDArray[np.float64]:
        """Values (N,) of a volume's `data` (X, Y, Z) in the region, in double precision."""
        return np.asarray(data[self.box][self.mask], dtype=np.float64)


def ellipsoid_box(grid: Grid, center_mm: Triple, semi_axes_mm: Triple, margin_mm: float = 0.0) -> Box:
    """Index box of `grid` that holds the ellipsoid and a margin; clipped, and empty when all of it lies outside."""
    box = []
    for c, a, o, s, n in zip(center_mm, semi_axes_mm, grid.origin_mm, grid.spacing_mm, grid.shape, strict=True):
        low = math.floor((c - a - margin_mm - o) / s)
        high = math.ceil((c + a + margin_mm - o) / s) + 1
        box.append(slice(min(max(low, 0), n), min(max(high, 0), n)))
    return box[0], box[1], box[2]


def ellipsoid_occupancy(
    grid: Grid, center_mm: Triple, semi_axes_mm: Triple, box: Box, oversample: int = 8
) -> NDArray[np.float32]:
    """Share of each voxel of `box` that lies inside an axis-aligned ellipsoid, by `oversample`^3 points a voxel.

    Returns an array shaped as `box`, 0 to 1.
    """
    terms = []
    for c, a, o, s, piece in zip(center_mm, semi_axes_mm, grid.origin_mm, grid.spacing_mm, box, strict=True):
        steps = (np.arange((piece.stop - piece.start) * oversample) + 0.5) / oversample - 0.5
        terms.append((((o + s * (piece.start + steps)) - c) / a) ** 2)
    inside = (terms[0][:, None, None] + terms[1][None, :, None] + terms[2][None, None, :]) <= 1.0
    shape = [piece.stop - piece.start for piece in box]
    blocks = inside.reshape(shape[0], oversample, shape[1], oversample, shape[2], oversample)
    return np.asarray(blocks.mean(axis=(1, 3, 5)), dtype=np.float32)


def ellipsoid_mask(grid: Grid, center_mm: Triple, semi_axes: Triple, box: Box) -> NDArray[np.bool_]:
    """Which voxel centres of `box` lie in the ellipsoid."""
    terms = [
        ((axis.ravel()[piece] - c) / a) ** 2
        for axis, piece, c, a in zip(grid.axes_mm(), box, center_mm, semi_axes, strict=True)
    ]
    return np.asarray(terms[0][:, None, None] + terms[1][None, :, None] + terms[2][None, None, :] <= 1.0)


def blurred_sphere_center(radius_mm: float, fwhm_mm: float) -> float:
    """Centre value of a unit sphere after an isotropic Gaussian blur: the recovery of its peak.

    erf(R / (sigma sqrt 2)) - sqrt(2 / pi) (R / sigma) exp(-R^2 / (2 sigma^2)), the integral of a 3-D Gaussian over a
    ball.
    """
    if fwhm_mm <= 0.0:
        return 1.0
    ratio = radius_mm * FWHM_PER_SIGMA / fwhm_mm
    return math.erf(ratio / math.sqrt(2.0)) - math.sqrt(2.0 / math.pi) * ratio * math.exp(-(ratio**2) / 2.0)
