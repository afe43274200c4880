"""Lesions in any engine's scan: find a place for each, then plant its activity and its density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.sites import Mask, SiteMap
from vct.forms import contains, filling, reach_mm
from vct.records import Lesion
from vct.rng import stream
from vct.shapes import FWHM_PER_SIGMA, Box
from vct.volume import Grid, Triple, Volume

SOFT_TISSUE_HU = 40.0  # assumed: unenhanced soft tissue
IN_LUNG_HU = 30.0  # assumed: a little lower, as nodules hold some air
NECROSIS_HU = 15.0  # assumed: between water and soft tissue
_ENOUGH = {
    "bone": 0.6,
    "mediastinum": 0.6,
    "retroperitoneum": 0.6,
    "pelvis_node": 0.6,
    "axilla": 0.6,
    "supraclavicular": 0.6,
}
"""Share of a lesion that must lie in sites too thin for a whole one; the rest pushes neighbours aside."""
_CANDIDATES = 300
_CROWDED = 4.0


def place(lesions: Sequence[Lesion], labels: Volume, seed: int, patient_id: str) -> tuple[Lesion, ...]:
    """Give every lesion a `center_mm` in its site, with room for `room_mm`; no two overlap as long as there is room.

    `labels` must be the body's, the same at every visit; lesions that are there already must come before new ones.
    Draws come from `stream(seed, patient_id, lesion.id, "place")`. Among random voxels of the site the first is taken
    about which the lesion, grown to a diameter of `room_mm`, lies in the site (in thin sites to 60 %) and in the body,
    else the one about which it does so best.
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
        offsets = _offsets(lesion, labels.grid)
        inside = np.minimum(_share(mask, candidates, offsets), _ENOUGH.get(lesion.organ, 1.0))
        score = inside + _share(mask | sites.solid, candidates, offsets)
        score -= _CROWDED * _crowding(centers, lesion.room_mm, placed)
        x, y, z = centers[int(np.argmax(score))].tolist()
        placed.append(replace(lesion, center_mm=(x, y, z)))
    return tuple(placed)


def plant(
    ct: Volume, pet: Volume, lesions: Sequence[Lesion], fwhm_mm: float = 0.0
) -> tuple[Volume, Volume, dict[str, float]]:
    """Put placed lesions into a CT [HU] and a PET [SUVbw] on the same grid; returns both and the uptake around each.

    The tissue that a lesion replaces gives way to its uptake by the share of each voxel that it fills, and so does
    living tissue to the core: (mean_suv - background) x volume is added in all. A PET that carries a blur of `fwhm_mm`
    gets the lesion with that blur. A lesion of diameter 0 adds nothing.
    """
    hu, suv, background = ct.data.copy(), pet.data.copy(), {}
    for lesion in lesions:
        if lesion.center_mm is None:
            raise ValueError(f"lesion {lesion.id} has no place yet")
        filled = filling(pet.grid, lesion)
        if filled is None:
            background[lesion.id] = _nearest(pet, lesion.center_mm)
            continue
        box, share = filled.box, filled.whole
        around = float(np.average(pet.data[box], weights=share)) if share.any() else _nearest(pet, lesion.center_mm)
        background[lesion.id] = around
        if fwhm_mm > 0.0:
            wide, blurred = _blurred(filled.excess(lesion, around), box, fwhm_mm, pet.grid)
            suv[wide] += blurred
        else:
            suv[box] += filled.excess(lesion, suv[box])
        target = IN_LUNG_HU if lesion.organ == "lung" else SOFT_TISSUE_HU
        hu[box] += share * (target - hu[box])
        if filled.core is not None:
            hu[box] += filled.core * (NECROSIS_HU - target)
    return Volume(data=hu, grid=ct.grid, unit="HU"), Volume(data=suv, grid=pet.grid, unit="SUVbw"), background


def _offsets(lesion: Lesion, grid: Grid) -> NDArray[np.int64]:
    """Voxels (N, 3) from its centre's that the lesion fills when it has grown to `room_mm`, or to a few voxels."""
    grown = replace(lesion, diameter_mm=max(lesion.room_mm, 2.2 * max(grid.spacing_mm)))
    reach = [math.floor(reach_mm(grown) / step) for step in grid.spacing_mm]
    offsets = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(offsets[contains(grown, offsets * np.asarray(grid.spacing_mm))])


def _share(mask: Mask, candidates: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Which part of the voxels `offsets` from each candidate (N, 3) lies in `mask`; beyond the grid is outside."""
    reach = np.abs(offsets).max(axis=0)
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


def _blurred(added: NDArray[Any], box: Box, fwhm_mm: float, grid: Grid) -> tuple[Box, NDArray[Any]]:
    """`added` with a blur of `fwhm_mm` in all, on a box with room for it; the voxels' own average is part of it."""
    from scipy import ndimage

    variances = [(fwhm_mm / FWHM_PER_SIGMA / step) ** 2 - 1.0 / 12.0 for step in grid.spacing_mm]
    sigma = [math.sqrt(max(variance, 0.0)) for variance in variances]
    more = [math.ceil(4.0 * s) + 1 for s in sigma]
    blurred = ndimage.gaussian_filter(np.pad(added, [(n, n) for n in more]), sigma, mode="constant", truncate=4.0)
    wide, kept = [], []
    for part, n, size in zip(box, more, grid.shape, strict=True):
        start, stop = max(part.start - n, 0), min(part.stop + n, size)
        wide.append(slice(start, stop))
        kept.append(slice(start - part.start + n, stop - part.start + n))
    return (wide[0], wide[1], wide[2]), blurred[kept[0], kept[1], kept[2]]
