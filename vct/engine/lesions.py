"""Lesions in any engine's scan: find a place for each, then plant its activity and its density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.sites import Mask, site_mask
from vct.records import Lesion
from vct.rng import stream
from vct.shapes import FWHM_PER_SIGMA, Box, ellipsoid_box, ellipsoid_occupancy
from vct.structures import labels_of
from vct.volume import Grid, Triple, Volume

SOFT_TISSUE_HU = 40.0  # assumed: unenhanced soft tissue
IN_LUNG_HU = 30.0  # assumed: a little lower, as nodules hold some air
_CANDIDATES = 300
_SAMPLES_ACROSS = 24
_MAX_OVERSAMPLE = 64


def place(lesions: Sequence[Lesion], labels: Volume, seed: int, patient_id: str) -> tuple[Lesion, ...]:
    """Give every lesion a `center_mm` in its site, with room for `room_mm`; no two overlap as long as there is room.

    `labels` must be the body's, the same at every visit; lesions that are there already must come before new ones.
    Draws come from `stream(seed, patient_id, lesion.id, "place")`. Among random voxels of the site the first is taken
    whose ball of `room_mm` lies in the site, else the one whose ball lies in it and in the body to the largest part.
    Raises PatientError when the labels do not show a lesion's site.
    """
    placed: list[Lesion] = []
    for lesion in lesions:
        rng = stream(seed, patient_id, lesion.id, "place")
        mask = site_mask(labels, lesion.organ, rng)
        solid = mask | (labels.data > 0) & ~_airy(labels)
        candidates = rng.permutation(np.argwhere(mask))[:_CANDIDATES]
        centers = np.asarray(labels.grid.origin_mm) + candidates * np.asarray(labels.grid.spacing_mm)
        offsets = _ball(max(lesion.room_mm / 2.0, 1.1 * max(labels.grid.spacing_mm)), labels.grid)
        score = (
            _share(mask, candidates, offsets)
            + _share(solid, candidates, offsets)
            - 4.0 * _crowding(centers, lesion.room_mm, placed)
        )
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
        box, share = occupancy(pet.grid, lesion, 2.5 * fwhm_mm)
        if share is None:
            background[lesion.id] = _nearest(pet, lesion.center_mm)
            continue
        around = float(np.average(pet.data[box], weights=share)) if share.any() else _nearest(pet, lesion.center_mm)
        background[lesion.id] = around
        if fwhm_mm > 0.0:
            suv[box] += (lesion.suv - around) * _blurred(share, fwhm_mm, pet.grid)
        else:
            suv[box] += share * (lesion.suv - suv[box])
        target = IN_LUNG_HU if lesion.organ == "lung" else SOFT_TISSUE_HU
        hu[box] += share * (target - hu[box])
    return Volume(data=hu, grid=ct.grid, unit="HU"), Volume(data=suv, grid=pet.grid, unit="SUVbw"), background


def occupancy(grid: Grid, lesion: Lesion, margin_mm: float = 0.0) -> tuple[Box, NDArray[np.float32] | None]:
    """Share of each voxel of a box that a placed lesion fills; None where it fills nothing of the grid.

    Shares sum up to the lesion's volume, also for lesions smaller than a voxel.
    """
    center = lesion.center_mm or (0.0, 0.0, 0.0)
    semi_x, semi_y, semi_z = (lesion.diameter_mm / 2.0 * ratio for ratio in lesion.axis_ratios)
    semi: Triple = (semi_x, semi_y, semi_z)
    box = ellipsoid_box(grid, center, semi, margin_mm)
    if lesion.diameter_mm <= 0.0 or any(piece.stop <= piece.start for piece in box):
        return box, None
    fineness = max(step / (2.0 * a) for step, a in zip(grid.spacing_mm, semi, strict=True)) * _SAMPLES_ACROSS
    share = ellipsoid_occupancy(grid, center, semi, box, oversample=min(max(math.ceil(fineness), 4), _MAX_OVERSAMPLE))
    inside = all(
        o - s / 2 <= c - a and c + a <= o + (n - 0.5) * s
        for c, a, o, s, n in zip(center, semi, grid.origin_mm, grid.spacing_mm, grid.shape, strict=True)
    )
    total_ml = float(share.sum(dtype=np.float64)) * grid.voxel_ml
    return box, np.minimum(share * np.float32(lesion.volume_ml / total_ml), 1.0) if inside and total_ml > 0 else share


def _airy(labels: Volume) -> Mask:
    return np.isin(labels.data, [*labels_of("lungs"), *labels_of("trachea")])


def _ball(radius_mm: float, grid: Grid) -> NDArray[np.int64]:
    """Index offsets (N, 3) of the voxels within a radius."""
    reach = [math.floor(radius_mm / step) for step in grid.spacing_mm]
    axes = [np.arange(-n, n + 1) for n in reach]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = np.linalg.norm(offsets * np.asarray(grid.spacing_mm), axis=1) <= radius_mm
    return np.asarray(offsets[inside])


def _share(mask: Mask, candidates: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Which part of the ball about each candidate lies in `mask`; beyond the grid is outside."""
    places = candidates[:, None, :] + offsets[None, :, :]
    valid = np.all((places >= 0) & (places < mask.shape), axis=2)
    i, j, k = np.moveaxis(np.where(np.expand_dims(valid, 2), places, 0), 2, 0)
    return np.asarray((mask[i, j, k] & valid).mean(axis=1))


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


def _blurred(share: NDArray[Any], fwhm_mm: float, grid: Grid) -> NDArray[Any]:
    from scipy import ndimage

    sigma = [fwhm_mm / FWHM_PER_SIGMA / step for step in grid.spacing_mm]
    return np.asarray(ndimage.gaussian_filter(share, sigma, mode="constant", truncate=5.0))
