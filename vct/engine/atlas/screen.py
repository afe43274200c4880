"""Screening of organ maps: mend what is plainly wrong, refuse what cannot carry a virtual patient, and say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.case import NEEDED, Organ
from vct.records import Sex

SMALLEST_ML = {
    Organ.SPLEEN: 20.0,
    Organ.KIDNEY: 90.0,
    Organ.LIVER: 500.0,
    Organ.BLADDER: 8.0,
    Organ.LUNG: 900.0,
    Organ.HEART: 200.0,
    Organ.STOMACH: 20.0,
}
LARGEST_LUNG_RATIO = 3.0
LARGEST_KIDNEY_RATIO = 3.0
PARTS = {Organ.KIDNEY: 2, Organ.LUNG: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """Heights and widths of a cropped map in mm from its first voxel, and organ volumes in ml."""

    trunk_mm: float
    chest_mm: float
    belly_mm: float
    apex_z_mm: float
    base_z_mm: float
    pelvis_z_mm: float
    midline_x_mm: float
    volumes_ml: dict[Organ, float]


def clean(labels: NDArray[np.uint8], sex: Sex, spacing_mm: float) -> NDArray[np.uint8]:
    """Torso organs only, each reduced to its large parts, no prostate in women, cropped to the organs and a margin.

    A part is kept when it holds at least a tenth of the organ's largest one (kidneys and lungs keep at least two).
    """
    from scipy import ndimage

    kept = np.zeros_like(labels)
    for organ in Organ:
        if organ == Organ.PROSTATE and sex == "F":
            continue
        mask = labels == organ
        pieces, n = ndimage.label(mask)
        if n == 0:
            continue
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        floor = 0.1 * np.sort(sizes)[-min(PARTS.get(organ, 1), n)]
        kept[_without_holes((sizes > floor)[pieces] & mask) & ((labels == 0) | mask)] = organ
    return _crop(kept, max(1, round(8.0 / spacing_mm)))


def _without_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask with its enclosed gaps closed."""
    from scipy import ndimage

    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    out = mask.copy()
    out[box] = ndimage.binary_fill_holes(np.pad(mask[box], 1))[1:-1, 1:-1, 1:-1]
    return out


def _crop(labels: NDArray[np.uint8], margin: int) -> NDArray[np.uint8]:
    held = labels > 0
    box = []
    for axis in range(3):
        along = np.nonzero(held.any(axis=tuple({0, 1, 2} - {axis})))[0]
        if not along.size:
            return labels
        box.append(slice(int(along[0]), int(along[-1]) + 1))
    return np.pad(labels[tuple(box)], margin)


def landmarks(labels: NDArray[np.uint8], spacing_mm: float) -> Landmarks:
    """Landmarks of a clean map that holds all `NEEDED` organs."""
    voxel_ml = spacing_mm**3 / 1000.0
    counts = np.bincount(labels.ravel(), minlength=16)
    lung = labels == Organ.LUNG
    lung_z = np.nonzero(lung.any(axis=(0, 1)))[0]
    bladder_z = np.nonzero((labels == Organ.BLADDER).any(axis=(0, 1)))[0]
    columns = lung.any(axis=1)
    middle = slice(int(lung_z[0] + 0.25 * lung_z.size), int(lung_z[0] + 0.75 * lung_z.size) + 1)
    edges = [np.nonzero(columns[:, k])[0] for k in range(middle.start, middle.stop)]
    left = np.median([edge[0] for edge in edges if edge.size])
    right = np.median([edge[-1] for edge in edges if edge.size])
    area = lung.sum(axis=(0, 1))
    base = lung_z[0] + int(np.searchsorted(np.cumsum(area[lung_z]), 0.01 * area.sum()))
    return Landmarks(
        trunk_mm=float(lung_z[-1] + 1 - bladder_z[0]) * spacing_mm,
        chest_mm=float(right - left + 1) * spacing_mm,
        belly_mm=_belly_depth(labels) * spacing_mm,
        apex_z_mm=float(lung_z[-1] + 0.5) * spacing_mm,
        base_z_mm=float(base) * spacing_mm,
        pelvis_z_mm=float(bladder_z[0]) * spacing_mm,
        midline_x_mm=float(left + right) / 2.0 * spacing_mm,
        volumes_ml={organ: float(counts[organ]) * voxel_ml for organ in Organ},
    )


def _belly_depth(labels: NDArray[np.uint8]) -> float:
    """Voxels from the kidneys' back to the front of liver and stomach: grows with the fat between the organs."""
    kidney = np.nonzero(labels == Organ.KIDNEY)
    low, high = kidney[2].min(), kidney[2].max()
    front = np.nonzero(np.isin(labels, (Organ.LIVER, Organ.STOMACH))[:, :, low : high + 1])[1]
    if not front.size:
        front = np.nonzero(labels == Organ.LIVER)[1]
    return float(np.percentile(front, 98) - np.percentile(kidney[1], 2))


def objection(labels: NDArray[np.uint8], spacing_mm: float) -> str:
    """Why a clean map cannot serve, or "" when it can."""
    from scipy import ndimage

    voxel_ml = spacing_mm**3 / 1000.0
    for organ in NEEDED:
        volume = float(np.count_nonzero(labels == organ)) * voxel_ml
        if volume < SMALLEST_ML[organ]:
            return f"{organ.name.lower()} missing or cut ({volume:.0f} ml)"
    lung_x = np.nonzero((labels == Organ.LUNG).any(axis=(1, 2)))[0]
    middle = int(lung_x[0] + lung_x[-1] + 1) // 2
    for organ, limit in ((Organ.LUNG, LARGEST_LUNG_RATIO), (Organ.KIDNEY, LARGEST_KIDNEY_RATIO)):
        sides = _side_volumes(labels == organ, middle)
        if min(sides) * limit < max(sides):
            return f"{organ.name.lower()}s too unequal ({min(sides) * voxel_ml:.0f} and {max(sides) * voxel_ml:.0f} ml)"
    lung_z = np.nonzero((labels == Organ.LUNG).any(axis=(0, 1)))[0]
    heights = {organ: float(ndimage.center_of_mass(labels == organ)[2]) for organ in NEEDED}
    if not heights[Organ.BLADDER] < heights[Organ.KIDNEY] < heights[Organ.LUNG]:
        return "organs not in their order from pelvis to chest"
    if (lung_z[-1] - lung_z[0]) * spacing_mm < 130.0:
        return "lungs too short"
    return ""


def _side_volumes(mask: NDArray[Any], middle: int) -> tuple[int, int]:
    """Voxels on either side of a column."""
    return int(np.count_nonzero(mask[:middle])), int(np.count_nonzero(mask[middle:]))
