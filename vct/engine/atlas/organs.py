"""A case's organs made soft, so that a 4 mm map can be read at any spacing with smooth borders and its own volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.case import Case, Organ
from vct.engine.atlas.lattice import Field

BLUR_VOXELS = 0.75
GAUSS = 0.5 - 0.5 / 3.0**0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftOrgan:
    """`level` (x, y, z) is positive inside the organ, negative outside; `low` is the box's first voxel in the map."""

    level: Field
    low: NDArray[np.int64]

    def read(self, index: NDArray[Any]) -> NDArray[Any]:
        """Levels at fractional map indices (3, N), -1 outside the box."""
        from scipy import ndimage

        found: NDArray[Any] = ndimage.map_coordinates(
            self.level,
            index - self.low[:, None].astype(np.float32),
            order=1,
            mode="constant",
            cval=-1.0,
            output=np.float32,
        )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganMaps:
    """All organs of a case; `sinus` and `root` are the kidneys' hilum and the heart's aortic root."""

    soft: dict[Organ, SoftOrgan]
    kidney_depth: SoftOrgan
    stomach_depth: SoftOrgan
    sinus: SoftOrgan
    root: SoftOrgan
    heart_center_mm: NDArray[np.float64]
    heart_covariance: NDArray[np.float64]
    bladder_center_mm: NDArray[np.float64]
    spacing_mm: float


def soften(case: Case) -> OrganMaps:
    """Soft organs of a case; positions in mm of its map."""
    soft = {organ: _soft(case.labels == organ) for organ in Organ if (case.labels == organ).any()}
    heart = np.argwhere(case.labels == Organ.HEART) * case.spacing_mm
    bladder = np.argwhere(case.labels == Organ.BLADDER) * case.spacing_mm
    kidneys = case.labels == Organ.KIDNEY
    return OrganMaps(
        soft=soft,
        kidney_depth=_depth(kidneys, case.spacing_mm),
        stomach_depth=_depth(case.labels == Organ.STOMACH, case.spacing_mm),
        sinus=_soft(_gap(kidneys, case.labels, case.spacing_mm)),
        root=_soft(_gap(case.labels == Organ.HEART, case.labels, case.spacing_mm)),
        heart_center_mm=heart.mean(axis=0),
        heart_covariance=np.cov(heart.T),
        bladder_center_mm=bladder.mean(axis=0),
        spacing_mm=case.spacing_mm,
    )


def _box(mask: NDArray[np.bool_], pad: int) -> tuple[slice, slice, slice]:
    box = []
    for axis in range(3):
        along = np.nonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))[0]
        low, high = (int(along[0]), int(along[-1])) if along.size else (0, 0)
        box.append(slice(max(low - pad, 0), high + pad + 1))
    return box[0], box[1], box[2]


def _soft(mask: NDArray[np.bool_]) -> SoftOrgan:
    """A blurred mask less the threshold at which it keeps its volume when it is read between its voxels, too."""
    from scipy import ndimage

    box = _box(mask, 3)
    part = mask[box].astype(np.float32)
    blurred = ndimage.gaussian_filter(part, BLUR_VOXELS, truncate=3.0)
    count = int(part.sum())
    level = blurred - 0.5
    if 0 < count < part.size:
        between = _between(blurred).ravel()
        last = between.size - 8 * count
        level = blurred - min(max(float(np.partition(between, last)[last]), 0.3), 0.6)
    return SoftOrgan(level=level.astype(np.float32), low=np.array([piece.start for piece in box]))


def _between(values: Field) -> Field:
    """Values interpolated at eight points a cell, the Gauss-Legendre ones: linear interpolation blurs as on average."""
    share = np.float32(GAUSS)
    for axis in range(3):
        low, high = (np.take(values, range(k, values.shape[axis] - 1 + k), axis=axis) for k in (0, 1))
        values = np.concatenate([low + share * (high - low), high + share * (low - high)], axis=axis)
    return values


def _depth(mask: NDArray[np.bool_], spacing_mm: float) -> SoftOrgan:
    """Distance in mm from the surface, positive inside, negative outside."""
    from scipy import ndimage

    box = _box(mask, 4)
    part = mask[box]
    inside = ndimage.distance_transform_edt(part) - 0.5
    outside = ndimage.distance_transform_edt(~part) - 0.5
    level = np.where(part, inside, -outside) * spacing_mm
    return SoftOrgan(level=level.astype(np.float32), low=np.array([piece.start for piece in box]))


def _gap(mask: NDArray[np.bool_], labels: NDArray[np.uint8], spacing_mm: float) -> NDArray[np.bool_]:
    """What a closing of 14 mm adds to an organ, free of others: the kidneys' hilum, the aortic root in the heart."""
    from scipy import ndimage

    box = _box(mask, 6)
    part = mask[box]
    steps = 14.0 / spacing_mm
    near = ndimage.distance_transform_edt(~part) <= steps
    closed = ndimage.distance_transform_edt(near) > steps
    found = np.zeros_like(mask)
    found[box] = closed & (labels[box] == 0)
    return found
