"""The rest of a body: what a segmenter of organs leaves unlabelled becomes fat, muscle, skin by density and place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.structures import STRUCTURES
from vct.volume import Volume

FAT_HU = (-190.0, -30.0)
"""Density of adipose tissue (Kvist 1988, doi 10.1093/ajcn/48.6.1351)."""
MUSCLE_HU = (-29.0, 150.0)
"""Density of skeletal muscle (Mitsiopoulos 1998, doi 10.1152/jappl.1998.85.1.115)."""
OUTLINE_HU = -300.0
WALL_MM = 12.0
"""Gaps in the wall of muscle and bone that do not let fat under the skin count as fat of the torso. Assumed."""
SKIN_MM = 2.0
_LIMBS = ("humerus_", "femur_")


def completed(labels: Volume, ct: Volume) -> Volume:
    """Labels with `subcutaneous_fat`, `torso_fat`, `skeletal_muscle`, `skin` and `body` where the CT shows a body and
    nothing is labelled yet; both on one grid. What is labelled stays.

    Fat inside the wall of muscle and bone is the torso's, slice by slice; what is neither fat nor muscle is `body`.
    """
    from scipy import ndimage

    data, hu = labels.data.copy(), ct.data
    outline = _outline(hu) | (data > 0)
    free = outline & (data == 0)
    fat = free & (hu >= FAT_HU[0]) & (hu <= FAT_HU[1])
    muscle = free & (hu >= MUSCLE_HU[0]) & (hu <= MUSCLE_HU[1])
    step_mm = labels.grid.spacing_mm
    deep = ndimage.distance_transform_edt(outline, sampling=step_mm) > SKIN_MM + max(step_mm[:2]) / 2.0
    within = _within_wall((muscle & deep) | _core(data), step_mm[0])
    data[free] = STRUCTURES["body"]
    data[muscle] = STRUCTURES["skeletal_muscle"]
    data[fat] = STRUCTURES["subcutaneous_fat"]
    data[fat & within] = STRUCTURES["torso_fat"]
    data[free & ~deep & ~within] = STRUCTURES["skin"]
    return Volume(data=data, grid=labels.grid, unit="label")


def _outline(hu: NDArray[Any]) -> NDArray[np.bool_]:
    """The largest piece denser than air, its holes filled slice by slice; a couch thinner than two voxels is not it."""
    from scipy import ndimage

    pieces, count = ndimage.label(ndimage.binary_opening(hu > OUTLINE_HU))
    if not count:
        return np.zeros(hu.shape, dtype=np.bool_)
    body = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    for z in range(body.shape[2]):
        body[:, :, z] = ndimage.binary_fill_holes(body[:, :, z])
    return np.asarray(body)


def _core(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """What is labelled, but for arms and thighs."""
    limbs = [number for name, number in STRUCTURES.items() if name.startswith(_LIMBS)]
    return np.asarray((labels > 0) & ~np.isin(labels, limbs))


def _within_wall(wall: NDArray[np.bool_], step_mm: float) -> NDArray[np.bool_]:
    from scipy import ndimage

    reach = max(1, round(WALL_MM / step_mm))
    x, y = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = x**2 + y**2 <= reach**2
    within = np.zeros_like(wall)
    for z in range(wall.shape[2]):
        padded = np.pad(wall[:, :, z], reach)
        closed = ndimage.binary_fill_holes(ndimage.binary_closing(padded, disc))
        within[:, :, z] = closed[reach:-reach, reach:-reach]
    return within
