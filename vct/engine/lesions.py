"""Lesions in any engine's scan: find a place for each, then plant its activity and its density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.sites import Mask, SiteMap
from vct.records import Lesion
from vct.rng import stream
from vct.shapes import FWHM_PER_SIGMA, Box, ellipsoid_box, ellipsoid_occupancy
from vct.volume import Grid, Triple, Volume

SOFT_TISSUE_HU = 40.0  # assumed: unenhanced soft tissue
IN_LUNG_HU = 30.0  # assumed: a little lower, as nodules hold some air
_ENOUGH = {
    "bone": 0.6,
    "mediastinum": 0.6,
    "retroperitoneum": 0.6,
    "pelvis_node": 0.6,
    "axilla": 0.6,
    "supraclavicular": 0.6,
}
"""Share of a lesion's ball that must lie in sites too thin for a whole one; the rest pushes neighbours aside."""
_CANDIDATES = 300
_CROWDED = 4.0
_SAMPLES_ACROSS = 24
_MAX_OVERSAMPLE = 32


def place(lesions: Sequence[Lesion], labels: Volume, seed: int, patient_id: str) -> tuple[Lesion, ...]:
    """Give every lesion a `center_mm` in its site, with room for `room_mm`; no two overlap as long as there is room.

    `labels` must be the body's, the same at every visit; lesions that are there already must come before new ones.
    Draws come from `stream(seed, patient_id, lesion.id, "place")`. Among random voxels of the site the first is taken
    whose ball of `room_mm` lies in the site (in thin sites to 60 %) and in the body, else the one that does so best.
    Raises PatientError when the labels do not show a lesion's site.
    """
    sites, placed = SiteMap(labels), list[Lesion]()
    for lesion in lesions:
        rng = stream(seed, patient_id, lesion.id, "place")
        mask = sites.mask(lesion.organ, "right" if rng.integers(2) else "left")
        voxels = np.flatnonzero(mask)
        chosen = voxels[rng.permutation(voxels.size)[:_CANDIDATES]]
        candidates = np.stack(np.unravel_index(chosen, mask.shape), axis=1)
        centers = np.asarray(labels.grid.origin_mm) + candidates * np.asarray(labels.grid.spacing_mm)
        radius = max(lesion.room_mm / 2.0, 1.1 * max(labels.grid.spacing_mm))
        inside = np.minimum(_share(mask, candidates, radius, labels.grid), _ENOUGH.get(lesion.organ, 1.0))
        score = inside + _share(mask | sites.solid, candidates, radius, labels.grid)
        score -= _CROWDED * _crowding(centers, lesion.room_mm, placed)
        x, y, z = centers[int(np.argmax(score))].tolist()
        placed.append(replace(lesion, center_mm=(x, y, z)))
    return tuple(placed)


def plant(
    ct: Volume, pet: Volume, lesions: Sequence[Lesion], fwhm_mm: float = 0.0
) -> tuple[Volume, Volume, dict[str, float]]:
    """Put placed lesions into a CT [HU] and a PET [SUVbw] on the same grid; returns both and the uptake around each.

    The tissue that a lesion replaces gives way to `lesion.suv`, by the share of each voxel that the ellipsoid fills:
    (suv - background) x volume is added in all. A PET that carries a blur of `fwhm_mm` gets the lesion with that blur.
    A lesion of diameter 0 adds nothing.
    """
    hu, suv, background = ct.data.copy(), pet.data.copy(), {}
    for lesion in lesions:
        if lesion.center_mm is None:
            raise ValueError(f"lesion {lesion.id} has no place yet")
        box, share = occupancy(pet.grid, lesion)
        if share is None:
            background[lesion.id] = _nearest(pet, lesion.center_mm)
            continue
        around = float(np.average(pet.data[box], weights=share)) if share.any() else _nearest(pet, lesion.center_mm)
        background[lesion.id] = around
        if fwhm_mm > 0.0:
            wide, blurred = _blurred(share, box, fwhm_mm, pet.grid)
            suv[wide] += (lesion.suv - around) * blurred
        else:
            suv[box] += share * (lesion.suv - suv[box])
        target = IN_LUNG_HU if lesion.organ == "lung" else SOFT_TISSUE_HU
        hu[box] += share * (target - hu[box])
    return Volume(data=hu, grid=ct.grid, unit="HU"), Volume(data=suv, grid=pet.grid, unit="SUVbw"), background


def occupancy(grid: Grid, lesion: Lesion) -> tuple[Box, NDArray[np.float32] | None]:
    """Share of each voxel of a box that a placed lesion fills; None where it fills nothing of the grid.

    Shares sum up to the lesion's volume, also for lesions smaller than a voxel.
    """
    center = lesion.center_mm or (0.0, 0.0, 0.0)
    semi_x, semi_y, semi_z = lesion.semi_axes_mm
    semi: Triple = (semi_x, semi_y, semi_z)
    box = ellipsoid_box(grid, center, semi)
    if lesion.diameter_mm <= 0.0 or any(piece.stop <= piece.start for piece in box):
        return box, None
    fineness = max(step / (2.0 * a) for step, a in zip(grid.spacing_mm, semi, strict=True)) * _SAMPLES_ACROSS
    share = ellipsoid_occupancy(grid, center, semi, box, oversample=min(max(math.ceil(fineness), 4), _MAX_OVERSAMPLE))
    whole = all(
        o - s / 2 <= c - a and c + a <= o + (n - 0.5) * s
        for c, a, o, s, n in zip(center, semi, grid.origin_mm, grid.spacing_mm, grid.shape, strict=True)
    )
    rim = (share > 0.0) & (share < 1.0)
    rim_ml = float(share[rim].sum(dtype=np.float64)) * grid.voxel_ml
    if whole and rim_ml > 0.0:
        full_ml = float((share >= 1.0).sum()) * grid.voxel_ml
        share[rim] = np.clip(share[rim] * ((lesion.volume_ml - full_ml) / rim_ml), 0.0, 1.0)
    return box, share


def _share(mask: Mask, candidates: NDArray[np.int64], radius_mm: float, grid: Grid) -> NDArray[np.float64]:
    """Which part of a ball about each candidate (N, 3) lies in `mask`; beyond the grid is outside."""
    reach = np.asarray([math.floor(radius_mm / step) for step in grid.spacing_mm])
    offsets = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    offsets = offsets[np.linalg.norm(offsets * np.asarray(grid.spacing_mm), axis=1) <= radius_mm]
    padded = np.pad(mask, [(n, n) for n in reach])
    strides = np.asarray([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    places = ((candidates + reach) @ strides)[:, None] + (offsets @ strides)[None, :]
    return np.asarray(padded.ravel()[places].mean(axis=1))


def _crowding(centers: NDArray[Any], room_mm: float, placed: Sequence[Lesion]) -> NDArray[np.float64]:
    """How far each candidate's ball reaches into those of placed lesions, over their radii's sum (0: not at all)."""
    worst = np.zeros(len(centers))
    for other in placed:
        gap = (room_mm + other.room_mm) / 2.0
        away = np.linalg.norm(centers - np.asarray(other.center_mm), axis=1)
        worst = np.maximum(worst, (gap - away) / gap)
    return worst


def _nearest(volume: Volume, center_mm: Triple) -> float:
    """The voxel at a point, or the nearest one to it."""
    index = [
        min(max(round((c - o) / s), 0), n - 1)
        for c, o, s, n in zip(center_mm, volume.grid.origin_mm, volume.grid.spacing_mm, volume.grid.shape, strict=True)
    ]
    return float(volume.data[index[0], index[1], index[2]])


def _blurred(share: NDArray[Any], box: Box, fwhm_mm: float, grid: Grid) -> tuple[Box, NDArray[Any]]:
    """`share` after a Gaussian blur, on a box with room for it."""
    from scipy import ndimage

    sigma = [fwhm_mm / FWHM_PER_SIGMA / step for step in grid.spacing_mm]
    more = [math.ceil(4.0 * s) + 1 for s in sigma]
    blurred = ndimage.gaussian_filter(np.pad(share, [(n, n) for n in more]), sigma, mode="constant", truncate=4.0)
    wide, kept = [], []
    for part, n, size in zip(box, more, grid.shape, strict=True):
        start, stop = max(part.start - n, 0), min(part.stop + n, size)
        wide.append(slice(start, stop))
        kept.append(slice(start - part.start + n, stop - part.start + n))
    return (wide[0], wide[1], wide[2]), blurred[kept[0], kept[1], kept[2]]
