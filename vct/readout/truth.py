"""The planted truth that a reading is held against. Nothing here decides what is read on an image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vct.readout.suv import PEAK_RADIUS_MM
from vct.records import Lesion, Scan
from vct.volume import Grid, Triple


def lesions_in_view(scan: Scan) -> tuple[Lesion, ...]:
    """Planted lesions whose centre lies in the PET."""
    return tuple(
        lesion
        for lesion in scan.snapshot.lesions
        if lesion.center_mm is not None and _inside(scan.pet.grid, lesion.center_mm)
    )


def true_peak(scan: Scan, lesion: Lesion) -> float | None:
    """SUVpeak of the planted activity: a 1 cm3 sphere about the lesion's centre, which a small lesion does not fill.

    None when the lesion is that small and the uptake around it is not known.
    """
    share = _share_of_peak_sphere(lesion.semi_axes_mm)
    if share >= 1.0:
        return lesion.suv
    background = scan.background_suv.get(lesion.id)
    return None if background is None else share * lesion.suv + (1.0 - share) * background


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
