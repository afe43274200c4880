"""The form of a lesion: a smooth random surface about its ellipsoid, and how much of each voxel it and its core fill.

In coordinates in which the ellipsoid is the unit ball the surface lies at exp(i f(u)) / m in direction u. f is a random
sum of Legendre polynomials of degree 2 to 4 about random axes with root mean square 1, i the lesion's irregularity, and
m keeps the volume. The necrotic core is the same body, smaller, about the same centre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.records import Lesion
from vct.rng import stream
from vct.shapes import Box, ellipsoid_box, ellipsoid_occupancy
from vct.volume import Grid, Triple

Array = NDArray[np.float64]

POWER = {2: 0.5, 3: 0.3, 4: 0.2}
"""Share of each degree in the variance of f (assumed: the coarser the stronger)."""
AXES_EACH = 3
_POINTS_ACROSS, _STEPS_ACROSS = 24, 8
_LATITUDES = 32
_CORNERS: Array = (np.indices((4, 4, 4)).reshape(3, -1).astype(np.float64) + 0.5) / 4.0 - 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The surface of one form: `radius` in any direction, and its `least` and `most`. A ball where nothing is given."""

    axes: Array
    weights: Array
    least: float = 1.0
    most: float = 1.0
    log_scale: float = 0.0

    def radius(self, directions: NDArray[Any]) -> NDArray[Any]:
        """Distance of the surface, over that of the ellipsoid, along unit vectors (N, 3)."""
        return np.exp(self._field(directions) - self.log_scale)

    def _field(self, directions: NDArray[Any]) -> NDArray[Any]:
        cosines = directions @ self.axes.T.astype(directions.dtype)
        squares = cosines * cosines
        second, third = slice(0, AXES_EACH), slice(AXES_EACH, 2 * AXES_EACH)
        fourth = slice(2 * AXES_EACH, None)
        weights = self.weights.astype(directions.dtype)
        found = (1.5 * squares[:, second] - 0.5) @ weights[second]
        found += (cosines[:, third] * (2.5 * squares[:, third] - 1.5)) @ weights[third]
        found += ((4.375 * squares[:, fourth] - 3.75) * squares[:, fourth] + 0.375) @ weights[fourth]
        return np.asarray(found)


@lru_cache(maxsize=4096)
def outline(form: int, irregularity: float) -> Outline | None:
    """The surface numbered `form`; None for an ellipsoid."""
    if irregularity <= 0.0:
        return None
    rng = stream(form, "form")
    count = AXES_EACH * len(POWER)
    axes = rng.standard_normal((count, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    spread = [math.sqrt(share * (2 * degree + 1)) for degree, share in POWER.items() for _ in range(AXES_EACH)]
    weights = rng.standard_normal(count) * spread
    directions, area = directions_of_sphere(_LATITUDES)
    field = Outline(axes, weights)._field(directions)
    weights *= irregularity / math.sqrt(float(area @ field**2))
    field = Outline(axes, weights)._field(directions)
    log_scale = math.log(float(area @ np.exp(3.0 * field))) / 3.0
    slack = 0.02 * irregularity
    least, most = (math.exp(float(edge) - log_scale) for edge in (field.min() - slack, field.max() + slack))
    return Outline(axes, weights, least, most, log_scale)


@lru_cache(maxsize=4)
def directions_of_sphere(latitudes: int) -> tuple[Array, Array]:
    """Unit vectors (N, 3) and their shares (N,) of the sphere's area: Gauss-Legendre in z, even in azimuth."""
    z, weight = np.polynomial.legendre.leggauss(latitudes)
    azimuth = (np.arange(2 * latitudes) + 0.5) * math.pi / latitudes
    flat = np.sqrt(1.0 - z**2)
    vectors = np.stack(
        [
            np.outer(flat, np.cos(azimuth)),
            np.outer(flat, np.sin(azimuth)),
            np.broadcast_to(z[:, None], (latitudes, azimuth.size)),
        ],
        axis=-1,
    )
    return vectors.reshape(-1, 3), np.repeat(weight / (2.0 * azimuth.size), azimuth.size)


def outline_of(lesion: Lesion) -> Outline | None:
    """The surface of a lesion; None for an ellipsoid."""
    return outline(lesion.form, lesion.irregularity)


def reach_mm(lesion: Lesion) -> float:
    """No part of the lesion is farther from its centre."""
    surface = outline_of(lesion)
    return max(lesion.semi_axes_mm) * (1.0 if surface is None else surface.most)


def depth_mm(lesion: Lesion) -> float:
    """A ball of this radius about the lesion's centre lies inside it."""
    surface = outline_of(lesion)
    return min(lesion.semi_axes_mm) * (1.0 if surface is None else surface.least)


def contains(lesion: Lesion, points_mm: NDArray[Any]) -> NDArray[np.bool_]:
    """Which points (N, 3), in mm from its centre, lie in the lesion."""
    scaled = points_mm / np.asarray(lesion.semi_axes_mm)
    away = np.linalg.norm(scaled, axis=1)
    surface = outline_of(lesion)
    if surface is None:
        return np.asarray(away <= 1.0)
    return np.asarray(away <= surface.radius(scaled / np.maximum(away, 1e-9)[:, None]))


def longest_axial_mm(lesion: Lesion) -> float:
    """The lesion's longest diameter in any axial slice, as RECIST has it."""
    if outline_of(lesion) is None:
        return 2.0 * max(lesion.semi_axes_mm[:2])
    return lesion.diameter_mm * _longest_axial(lesion.axis_ratios, lesion.form, lesion.irregularity)


@lru_cache(maxsize=4096)
def _longest_axial(axis_ratios: Triple, form: int, irregularity: float) -> float:
    """Over the diameter of the sphere of equal volume: the widest of thin slices through points of the surface."""
    surface = outline(form, irregularity)
    directions, _ = directions_of_sphere(96)
    radii = 1.0 if surface is None else surface.radius(directions)[:, None]
    points = directions * radii * np.asarray(axis_ratios) / 2.0
    ranked = points[np.argsort(points[:, 2])]
    starts = np.searchsorted(ranked[:, 2], np.linspace(ranked[0, 2], ranked[-1, 2], 48, endpoint=False))
    angles = np.arange(36) * math.pi / 36
    seen = ranked[:, :2] @ np.stack([np.cos(angles), np.sin(angles)])
    width = np.maximum.reduceat(seen, starts) - np.minimum.reduceat(seen, starts)
    return float(width.max())


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """Shares (0 to 1) of the voxels in `box` that a lesion fills, core included, and that its `core` fills."""

    box: Box
    whole: NDArray[np.float32]
    core: NDArray[np.float32] | None

    def excess(self, lesion: Lesion, around: NDArray[Any] | float) -> NDArray[Any]:
        """SUV that the lesion adds to each voxel of the box, where it takes the place of tissue of SUV `around`."""
        added = self.whole * (lesion.suv - around)
        return added if self.core is None else added + self.core * (lesion.core_suv - lesion.suv)


def filling(grid: Grid, lesion: Lesion, margin_mm: float = 0.0) -> Filling | None:
    """What a placed lesion fills of a grid; the box has a margin. None where it fills nothing.

    Shares sum up to the volumes of lesion and core, also for those smaller than a voxel.
    """
    center = lesion.center_mm or (0.0, 0.0, 0.0)
    surface = outline_of(lesion)
    x, y, z = lesion.semi_axes_mm
    most = 1.0 if surface is None else surface.most
    box = ellipsoid_box(grid, center, (x * most, y * most, z * most), margin_mm)
    if lesion.diameter_mm <= 0.0 or any(piece.stop <= piece.start for piece in box):
        return None
    whole = _shares(grid, center, (x, y, z), surface, box, lesion.volume_ml)
    if lesion.core_share <= 0.0:
        return Filling(box, whole, None)
    c = float(np.cbrt(lesion.core_share))
    core = _shares(grid, center, (c * x, c * y, c * z), surface, box, lesion.core_ml)
    return Filling(box, whole, np.minimum(core, whole))


def _shares(
    grid: Grid, center: Triple, semi: Triple, surface: Outline | None, box: Box, volume_ml: float
) -> NDArray[np.float32]:
    """Shares of the voxels of `box`; those of the rim are scaled until they sum up to `volume_ml`."""
    coarseness = max(step / (2.0 * a) for step, a in zip(grid.spacing_mm, semi, strict=True))
    if surface is None:
        oversample = min(max(math.ceil(coarseness * _POINTS_ACROSS), 4), 32)
        share = ellipsoid_occupancy(grid, center, semi, box, oversample)
        most = 1.0
    else:
        share = _occupancy(grid, center, semi, surface, box, min(math.ceil(coarseness * _STEPS_ACROSS), 16))
        most = surface.most
    in_view = all(
        o - s / 2 <= c - most * a and c + most * a <= o + (n - 0.5) * s
        for c, a, o, s, n in zip(center, semi, grid.origin_mm, grid.spacing_mm, grid.shape, strict=True)
    )
    rim = (share > 0.0) & (share < 1.0)
    rim_ml = float(share[rim].sum(dtype=np.float64)) * grid.voxel_ml
    if in_view and rim_ml > 0.0:
        full_ml = float((share >= 1.0).sum()) * grid.voxel_ml
        share[rim] = np.clip(share[rim] * ((volume_ml - full_ml) / rim_ml), 0.0, 1.0)
    return share


def _occupancy(
    grid: Grid, center: Triple, semi: Triple, surface: Outline, box: Box, divide: int
) -> NDArray[np.float32]:
    """As `ellipsoid_occupancy`, for a surface: each voxel is cut into `divide`^3, and each piece by the plane that the
    surface is there."""
    x, y, z = (
        ((o + s * (piece.start - 0.5 + (np.arange((piece.stop - piece.start) * divide + 2) - 0.5) / divide)) - c) / a
        for c, a, o, s, piece in zip(center, semi, grid.origin_mm, grid.spacing_mm, box, strict=True)
    )
    away = np.sqrt((x**2)[:, None, None] + (y**2)[None, :, None] + (z**2)[None, None, :])
    near = 2.0 * math.hypot(*(axis[1] - axis[0] for axis in (x, y, z)))
    height = away - 1.0
    i, j, k = np.nonzero((away > surface.least - near) & (away < surface.most + near) & (away > 1e-6))
    there = away[i, j, k]
    height[i, j, k] = there - surface.radius(np.stack([x[i], y[j], z[k]], axis=1) / there[:, None])
    middle = (slice(1, -1),) * 3
    slopes = np.stack([slope[middle] for slope in np.gradient(height)])
    height = height[middle]
    rim = np.abs(height) < np.abs(slopes).sum(axis=0) / 2.0
    share = (height <= 0.0).astype(np.float32)
    share[rim] = (height[rim][:, None] + slopes[:, rim].T @ _CORNERS <= 0.0).mean(axis=1)
    nx, ny, nz = (piece.stop - piece.start for piece in box)
    return np.asarray(share.reshape(nx, divide, ny, divide, nz, divide).mean(axis=(1, 3, 5)), dtype=np.float32)
