"""Where a PET shows the organs that were labelled on its CT: one is taken over many breaths, the other in one.

A reader sees the dome of the liver in the lung of the fused images and takes it for what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vct.structures import voxels_of
from vct.volume import Volume

MOST_MM = 20.0
"""Farther apart diaphragms are no breathing (assumed)."""
DOME_MM, FADING_MM = 35.0, 75.0
"""The diaphragm's dome above the lungs' lowest end, and how fast the movement fades above and below it (assumed)."""
STEP_MM = 4.0
"""Columns so far apart are enough to tell."""
MOST_SUV = 1.0
"""A voxel that is off by more, a lesion or a hot loop, has no more say (assumed)."""
FEWEST_VOXELS = 8


def on_pet(labels: Volume, suv: NDArray[np.float32]) -> Volume:
    """Labels moved along z, most at the diaphragm, to where the uptake `suv` (X, Y, Z) on their grid fits them best.

    Each structure is given its mean uptake, and the movement with the least mean absolute deviation is taken. Labels
    without lungs stay where they are.
    """
    lungs = voxels_of(labels.data, "lungs").any(axis=(0, 1))
    if np.count_nonzero(lungs) < 2:
        return labels
    z = labels.grid.axes_mm()[2].ravel()
    share = _share(z - z[int(np.argmax(lungs))])
    near = np.flatnonzero(share > 0.1)
    step = [max(1, round(STEP_MM / spacing)) for spacing in labels.grid.spacing_mm[:2]]
    slab = slice(max(0, int(near[0])), int(near[-1]) + 1)
    some, seen = (image[:: step[0], :: step[1], slab] for image in (labels.data, suv))
    many = np.bincount(some.ravel(), minlength=256)
    mean = np.bincount(some.ravel(), weights=seen.ravel(), minlength=256) / np.maximum(many, 1)
    value = np.where(many < FEWEST_VOXELS, 0.0, mean).astype(np.float32)

    def missed(lag_mm: float) -> float:
        from_slice = _from_slices(share[slab], lag_mm, labels.grid.spacing_mm[2])
        return float(np.minimum(np.abs(seen - value[some[:, :, from_slice]]), MOST_SUV).mean())

    best = min(_lags(labels.grid.spacing_mm[2]), key=missed)
    if best == 0.0:
        return labels
    return replace(labels, data=labels.data[:, :, _from_slices(share, best, labels.grid.spacing_mm[2])])


def _lags(spacing_mm: float) -> Iterator[float]:
    """Whole slices, the smallest movement first."""
    yield 0.0
    for count in range(1, int(MOST_MM / spacing_mm) + 1):
        yield from (count * spacing_mm, -count * spacing_mm)


def _from_slices(share: NDArray[np.float64], lag_mm: float, spacing_mm: float) -> NDArray[np.intp]:
    """Which slice each slice shows when the diaphragm stands `lag_mm` higher."""
    moved = np.rint(share * lag_mm / spacing_mm).astype(np.intp)
    return np.asarray(np.clip(np.arange(share.size) - moved, 0, share.size - 1), dtype=np.intp)


def _share(above_base_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of the diaphragm's movement the body has at heights above the lungs' lowest end."""
    return np.asarray(np.exp(-(((above_base_mm - DOME_MM) / FADING_MM) ** 2)))
