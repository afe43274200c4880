"""What organ labels leave open, told by HU: muscle, fat under the skin, fat within.

TotalSegmentator's `total` task labels organs, vessels and bones. An anatomy needs the rest of the body too, which its
`tissue_types` task, where it is licensed, would give.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.structures import STRUCTURES
from vct.training.torso import BODY_HU, body_of
from vct.volume import Volume

FAT_HU = (-190.0, -30.0)
MUSCLE_HU = (-30.0, 150.0)
"""Fat and muscle on CT (Mourtzakis 2008, doi 10.1139/H07-075: -190 to -30 and -29 to 150 HU)."""
SKIN_MM = 4.0
GAP_MM = 24.0
"""Gaps between muscles that are closed before what they enclose counts as within (assumed)."""
COARSE_MM = 4.0
FLESH = ("skeletal_muscle", "subcutaneous_fat", "torso_fat", "body")


def with_flesh(ct: Volume, labels: Volume) -> Volume:
    """Labels (on the CT's grid) with the unlabelled rest of the body as muscle, fat under the skin, fat within, body.

    Fat counts as within where muscle, bone and organs enclose it in the slice. What lies outermost and is no fat is the
    skin; what else is neither fat nor muscle is "body". Labels that hold one of these already come back as they are.
    """
    if np.isin(labels.data, [STRUCTURES[name] for name in FLESH]).any():
        return labels
    body = _body(ct)
    rest = body & (labels.data == 0)
    fat = rest & (ct.data >= FAT_HU[0]) & (ct.data <= FAT_HU[1])
    deep = _eroded(body, SKIN_MM, ct.grid.spacing_mm)
    muscle = rest & ~fat & deep & (ct.data > MUSCLE_HU[0]) & (ct.data <= MUSCLE_HU[1])
    within = _enclosed(Volume(data=(muscle | (labels.data > 0)).astype(np.uint8), grid=ct.grid, unit="label"))
    data = labels.data.copy()
    for name, where in (
        ("body", rest & ~fat & ~muscle),
        ("skin", rest & ~fat & ~deep),
        ("skeletal_muscle", muscle),
        ("subcutaneous_fat", fat & ~within),
        ("torso_fat", fat & within),
    ):
        data[where] = STRUCTURES[name]
    return Volume(data=data, grid=labels.grid, unit="label")


def _body(ct: Volume) -> NDArray[np.bool_]:
    """The body's voxels without the table, found on voxels of about 4 mm and sharpened on the CT's own."""
    from scipy import ndimage

    coarse = ct.resampled(ct.grid.resampled(_at_least(COARSE_MM, ct.grid.spacing_mm)))
    rough = ndimage.binary_dilation(body_of(coarse.data)).astype(np.uint8)
    near = Volume(data=rough, grid=coarse.grid, unit="label").resampled(ct.grid).data > 0
    body = near & (ct.data > BODY_HU)
    for index in range(body.shape[2]):
        body[:, :, index] = ndimage.binary_fill_holes(body[:, :, index])
    return np.asarray(body)


def _enclosed(lean: Volume) -> NDArray[np.bool_]:
    """What lean tissue encloses, slice by slice, with gaps closed; worked out on voxels of about 4 mm."""
    from scipy import ndimage

    coarse = lean.resampled(lean.grid.resampled(_at_least(COARSE_MM, lean.grid.spacing_mm)))
    x, y, _ = coarse.grid.spacing_mm
    disc = _disc(GAP_MM / 2.0, x, y)
    thin = _disc(COARSE_MM, x, y)
    found: NDArray[np.uint8] = np.zeros(coarse.grid.shape, np.uint8)
    for index in range(found.shape[2]):
        slab = np.pad(ndimage.binary_opening(coarse.data[:, :, index] > 0, thin), len(disc))
        closed = ndimage.binary_fill_holes(ndimage.binary_closing(slab, disc))
        found[:, :, index] = closed[len(disc) : -len(disc), len(disc) : -len(disc)]
    return np.asarray(Volume(data=found, grid=coarse.grid, unit="label").resampled(lean.grid).data > 0)


def _disc(radius_mm: float, x_mm: float, y_mm: float) -> NDArray[np.bool_]:
    """A square array with the voxels within a radius; the middle one at least."""
    reach = int(max(radius_mm // x_mm, radius_mm // y_mm))
    at = np.arange(-reach, reach + 1)
    return np.asarray((at[:, None] * x_mm) ** 2 + (at[None, :] * y_mm) ** 2 <= radius_mm**2 + 1e-6)


def _eroded(mask: NDArray[np.bool_], depth_mm: float, spacing_mm: tuple[float, ...]) -> NDArray[np.bool_]:
    from scipy import ndimage

    steps = round(depth_mm / spacing_mm[0])
    return np.asarray(ndimage.binary_erosion(mask, iterations=steps, border_value=1)) if steps else mask


def _at_least(size_mm: float, spacing_mm: tuple[float, float, float]) -> Any:
    return tuple(max(size_mm, value) for value in spacing_mm)
