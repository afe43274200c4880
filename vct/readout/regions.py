"""Regions of the PET that readouts look at: organs by their label, and PERCIST's liver and aorta."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vct.readout.memo import once_per_scan
from vct.readout.reader import study_of
from vct.readout.segmenter import organ_labels
from vct.records import Scan
from vct.shapes import Box, Region
from vct.structures import voxels_of
from vct.volume import Grid

LIVER_RADIUS_MM = 15.0
AORTA_RADIUS_MM = 5.0
AORTA_HALF_LENGTH_MM = 10.0


@once_per_scan
def organ_region(scan: Scan, organ: str, erode_mm: float) -> Region | None:
    """Voxels of a structure or group that lie at least `erode_mm` inside it and not near a marked lesion.

    None when the scan has no labels, or nothing is left.
    """
    found = _labelled(scan, organ)
    if found is None:
        return None
    box, inside = found
    keep = inside & (_depth_mm(inside, scan.pet.grid) >= erode_mm) & ~_near_lesions(scan, box)
    return Region(box, keep) if keep.any() else None


@once_per_scan
def percist_region(scan: Scan, organ: Literal["liver", "aorta"]) -> Region | None:
    """PERCIST's background (Wahl 2009, doi 10.2967/jnumed.108.057307): a sphere of 3 cm diameter in the right lobe of
    the liver, or a cylinder of 1 cm diameter and 2 cm length along the descending thoracic aorta.

    Placed where the organ is deepest: to the right of the liver's centroid; behind and above the aorta's. Lesions are
    avoided. None when the scan has no such labels.
    """
    found = _labelled(scan, organ)
    if found is None:
        return None
    box, inside = found
    inside = inside & ~_near_lesions(scan, box)
    if not inside.any():
        return None
    x, y, z = (axis[piece] for axis, piece in zip((a.ravel() for a in scan.pet.grid.axes_mm()), box, strict=True))
    mean = [float(axis[index].mean()) for axis, index in zip((x, y, z), np.nonzero(inside), strict=True)]
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
    wanted = inside & (x >= mean[0]) if organ == "liver" else inside & (y <= mean[1]) & (z >= mean[2])
    depth = np.where(wanted if wanted.any() else inside, _depth_mm(inside, scan.pet.grid), -1.0)
    i, j, k = np.unravel_index(int(depth.argmax()), depth.shape)
    dx, dy, dz = x - x[i], y - y[:, j], z - z[:, :, k]
    if organ == "liver":
        shape = dx**2 + dy**2 + dz**2 <= LIVER_RADIUS_MM**2
    else:
        shape = (dx**2 + dy**2 <= AORTA_RADIUS_MM**2) & (np.abs(dz) <= AORTA_HALF_LENGTH_MM)
    return Region(box, inside & shape)


def _labelled(scan: Scan, organ: str) -> tuple[Box, NDArray[np.bool_]] | None:
    """The tight box about an organ and its voxels in there."""
    labels = organ_labels(scan)
    if labels is None:
        return None
    mask = voxels_of(labels.data, organ)
    box = []
    for axes in ((1, 2), (0, 2), (0, 1)):
        found = np.flatnonzero(mask.any(axis=axes))
        if not found.size:
            return None
        box.append(slice(int(found[0]), int(found[-1]) + 1))
    tight = (box[0], box[1], box[2])
    return tight, mask[tight]


def _depth_mm(inside: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """Distance of voxel centres from the organ's surface, taken as half a voxel before the nearest centre outside."""
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=grid.spacing_mm)
    return np.asarray(distance[1:-1, 1:-1, 1:-1] - min(grid.spacing_mm) / 2.0)


def _near_lesions(scan: Scan, box: Box) -> NDArray[np.bool_]:
    """Voxels of `box` in a marked lesion or within the scan's FWHM of it, where its activity has spilled."""
    from scipy import ndimage

    marked = np.zeros(scan.pet.grid.shape, dtype=np.bool_)
    for mark in study_of(scan).marks:
        if mark.seen:
            marked[mark.region.box] |= mark.region.mask
    reach = [max(1, round(scan.fwhm_mm / spacing)) for spacing in scan.pet.grid.spacing_mm]
    wide = [slice(max(0, piece.start - n), piece.stop + n) for piece, n in zip(box, reach, strict=True)]
    if not marked[tuple(wide)].any():
        return np.zeros([piece.stop - piece.start for piece in box], dtype=np.bool_)
    grown = ndimage.maximum_filter(marked[tuple(wide)], [2 * n + 1 for n in reach])
    inner = tuple(
        slice(piece.start - outer.start, piece.stop - outer.start) for piece, outer in zip(box, wide, strict=True)
    )
    return np.asarray(grown[inner])
