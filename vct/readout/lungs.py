"""What the CT shows in the lungs that labels call lung: vessels about the hilum, and solid nodules."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vct.readout.memo import once_per_scan
from vct.readout.segmenter import organ_labels
from vct.records import Scan
from vct.structures import voxels_of
from vct.volume import Triple

ROOTS = ("pulmonary_artery", "pulmonary_vein", "heart_atrium_left")
HILUM_MM = 26.0
"""How far into the lung its vessels are thick enough to show their blood (assumed)."""
ROOT_MM = 10.0
"""A vessel begins this near to its labelled root (assumed)."""
DENSER_HU = 150.0
"""A voxel holds part of a vessel when it is denser than the lungs' median by this: a fifth of it at 4 mm (assumed)."""
SOLID_HU = -100.0
"""Soft tissue and not lung or its edge (assumed)."""
NODULE_MM = 10.0
"""Thickness from which RECIST 1.1 measures a lesion (Eisenhauer 2009, doi 10.1016/j.ejca.2008.10.026)."""
THICKEST_VESSEL_MM = 16.0
"""Soft tissue this thick about the hilum is a nodule and no vessel: the right and left pulmonary artery measure 15 to
17 mm in the mean (Burman 2016, doi 10.1186/s12968-016-0230-9)."""


@once_per_scan
def hilar_vessels(scan: Scan) -> NDArray[np.bool_]:
    """Voxels (X, Y, Z) of the PET that lie in the lung, near the labelled great vessels, are denser than lung on the CT
    and hang together with those vessels, but are no solid nodule; none without labels.
    """
    from scipy import ndimage

    hu, lungs = _ct_of_lungs(scan)
    vessels, about = np.zeros(hu.shape, dtype=np.bool_), lungs & _near_roots(scan, HILUM_MM)
    if not about.any():
        return vessels
    box = ndimage.find_objects(about.astype(np.uint8))[0]
    dense = about[box] & (hu[box] > float(np.median(hu[lungs])) + DENSER_HU)
    solid = _thick(lungs[box] & (hu[box] > SOLID_HU), THICKEST_VESSEL_MM, scan.pet.grid.spacing_mm)
    dense &= ~ndimage.binary_dilation(solid, np.ones((3, 3, 3), np.bool_), iterations=2)
    numbers, _ = ndimage.label(dense, np.ones((3, 3, 3), np.bool_))
    rooted = np.unique(numbers[dense & _near_roots(scan, ROOT_MM)[box]])
    vessels[box] = np.isin(numbers, rooted[rooted > 0])
    return vessels


@once_per_scan
def solid_nodules(scan: Scan) -> NDArray[np.bool_]:
    """Voxels (X, Y, Z) of the PET in the lung, away from the hilum, that the CT shows as soft tissue of `NODULE_MM` and
    more; none without labels.
    """
    hu, lungs = _ct_of_lungs(scan)
    away = lungs & ~_near_roots(scan, HILUM_MM)
    return _thick(away & (hu > SOLID_HU), NODULE_MM, scan.pet.grid.spacing_mm)


@once_per_scan
def _ct_of_lungs(scan: Scan) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The CT on the PET's grid, and where the lungs are."""
    labels = organ_labels(scan)
    hu = scan.ct.resampled(scan.pet.grid).data
    return hu, np.zeros(hu.shape, np.bool_) if labels is None else voxels_of(labels.data, "lungs")


def _near_roots(scan: Scan, reach_mm: float) -> NDArray[np.bool_]:
    """Voxels (X, Y, Z) within `reach_mm` of the labelled great vessels of the lung; none without labels."""
    from scipy import ndimage

    labels, grid = organ_labels(scan), scan.pet.grid
    near = np.zeros(grid.shape, dtype=np.bool_)
    roots = near if labels is None else voxels_of(labels.data, *ROOTS)
    for box in ndimage.find_objects(roots.astype(np.uint8)):
        pads = [round(reach_mm / spacing) + 1 for spacing in grid.spacing_mm]
        wide = tuple(slice(max(0, piece.start - pad), piece.stop + pad) for piece, pad in zip(box, pads, strict=True))
        near[wide] = ndimage.distance_transform_edt(~roots[wide], sampling=grid.spacing_mm) <= reach_mm
    return near


def _thick(mask: NDArray[np.bool_], least_mm: float, spacing_mm: Triple) -> NDArray[np.bool_]:
    """What of a mask is at least `least_mm` thick, in whole voxels."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_opening(mask, np.ones([math.ceil(least_mm / s) for s in spacing_mm])))
