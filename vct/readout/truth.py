"""The planted truth that a reading is held against. Nothing here decides what is read on an image."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vct.forms import depth_mm, filling, reach_mm
from vct.readout.suv import PEAK_RADIUS_MM
from vct.records import Lesion, Scan
from vct.shapes import ellipsoid_occupancy
from vct.volume import Grid, Triple

Array = NDArray[np.float64]
_WHOLE = 1e-3


def lesions_in_view(scan: Scan) -> tuple[Lesion, ...]:
    """Planted lesions whose centre lies in the PET."""
    return tuple(
        lesion
        for lesion in scan.snapshot.lesions
        if lesion.center_mm is not None and _inside(scan.pet.grid, lesion.center_mm)
    )


def true_peak(scan: Scan, lesion: Lesion) -> float | None:
    """SUVpeak of the planted activity: the 1 cm3 sphere that holds most of it, which a small lesion does not fill.

    None when the lesion does not fill it and the uptake around it is not known.
    """
    living, core = _peak_sphere(replace(lesion, id="", suv=1.0, room_mm=0.0, center_mm=(0.0, 0.0, 0.0), is_new=False))
    own = living * lesion.suv + core * lesion.core_suv
    rest = 1.0 - living - core
    if rest <= _WHOLE:
        return own / (living + core)
    background = scan.background_suv.get(lesion.id)
    return None if background is None else own + rest * background


def best_sphere(diameter_mm: Array, core_share: Array, core_uptake: Array) -> tuple[Array, Array]:
    """As `true_peak`, of balls (L,) with concentric cores: shares of the best sphere in living tissue and core."""
    radius = diameter_mm / 2.0
    core = radius * np.cbrt(core_share)
    away = np.linspace(0.0, 1.0, 33)[:, None] * radius
    within, dead = _overlap(radius, away), _overlap(core, away)
    best = np.argmax(within - (1.0 - core_uptake) * dead, axis=0)[None, :]
    within, dead = (np.take_along_axis(found, best, axis=0)[0] for found in (within, dead))
    return within - dead, dead


def _overlap(radius: Array, away: Array) -> Array:
    """Share of the 1 cm3 sphere in balls (L,) of `radius`, whose centres are `away` (N, L) from the sphere's."""
    peak = PEAK_RADIUS_MM
    apart = np.clip(away, np.maximum(np.abs(radius - peak), 1e-9), radius + peak)
    lens = (radius + peak - apart) ** 2 * (apart**2 + 2.0 * apart * (radius + peak) - 3.0 * (radius - peak) ** 2)
    return np.asarray(lens / (16.0 * apart * peak**3))


@lru_cache(maxsize=4096)
def _peak_sphere(lesion: Lesion) -> tuple[float, float]:
    """Shares of the best 1 cm3 sphere in the living tissue and in the core of a lesion about the origin."""
    if lesion.core_share <= 0.0 and depth_mm(lesion) >= PEAK_RADIUS_MM:
        return 1.0, 0.0
    if lesion.core_share <= 0.0 and lesion.irregularity <= 0.0:
        return _share_of_peak_sphere(lesion.semi_axes_mm), 0.0
    from scipy.signal import fftconvolve

    step = min(max(lesion.diameter_mm / 24.0, 0.75), 2.5)
    grid, ball = (_about_origin(reach, step) for reach in (reach_mm(lesion), PEAK_RADIUS_MM))
    filled = filling(grid, lesion)
    if filled is None:
        return 0.0, 0.0
    everywhere = (slice(0, ball.shape[0]),) * 3
    sphere = ellipsoid_occupancy(ball, (0.0, 0.0, 0.0), (PEAK_RADIUS_MM,) * 3, everywhere)
    sphere /= sphere.sum()
    whole = fftconvolve(filled.whole, sphere, mode="same")
    core = np.zeros_like(whole) if filled.core is None else fftconvolve(filled.core, sphere, mode="same")
    best = int(np.argmax(whole - (1.0 - lesion.core_uptake) * core))
    inside, dead = (min(max(float(found.ravel()[best]), 0.0), 1.0) for found in (whole, core))
    return max(inside - dead, 0.0), dead


def _about_origin(reach: float, step: float) -> Grid:
    n = math.ceil(reach / step) + 1
    return Grid(shape=(2 * n + 1,) * 3, spacing_mm=(step,) * 3, origin_mm=(-n * step,) * 3)


@lru_cache(maxsize=4096)
def _share_of_peak_sphere(semi_axes: Triple, step_mm: float = 0.25) -> float:
    """Share of the 1 cm3 sphere that a concentric ellipsoid fills."""
    if min(semi_axes) >= PEAK_RADIUS_MM:
        return 1.0
    steps = np.arange(step_mm / 2.0, PEAK_RADIUS_MM, step_mm)
    x, y, z = steps[:, None, None], steps[None, :, None], steps[None, None, :]
    sphere = x**2 + y**2 + z**2 <= PEAK_RADIUS_MM**2
    a, b, c = semi_axes
    return float((sphere & ((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 <= 1.0)).sum() / sphere.sum())


def _inside(grid: Grid, point_mm: Triple) -> bool:
    return all(
        -0.5 <= (p - o) / s < n - 0.5
        for p, o, s, n in zip(point_mm, grid.origin_mm, grid.spacing_mm, grid.shape, strict=True)
    )
