"""Vessels of the lung about the hilum, which labels call lung: seen on the CT, expected at the blood pool's uptake."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vct.readout.memo import once_per_scan
from vct.readout.segmenter import organ_labels
from vct.records import Scan
from vct.structures import STRUCTURES, labels_of

ROOTS = ("pulmonary_artery", "pulmonary_vein", "heart_atrium_left")
HILUM_MM = 26.0
"""How far into the lung its vessels are thick enough to show their blood (assumed)."""
ROOT_MM = 10.0
"""A vessel begins this near to its labelled root (assumed)."""
DENSER_HU = 150.0
"""A voxel holds part of a vessel when it is denser than the lungs' median by this: a fifth of it at 4 mm (assumed)."""
SOLID_HU, SOLID_MM = -100.0, 12.0
"""Soft tissue this thick in the lung is a nodule and no vessel (assumed: lobar arteries measure about as much)."""


@once_per_scan
def hilar_vessels(scan: Scan) -> NDArray[np.bool_]:
    """Voxels (X, Y, Z) of the PET that lie in the lung, near the labelled great vessels, are denser than lung on the CT
    and hang together with those vessels, but are no solid nodule; none without labels.
    """
    from scipy import ndimage

    labels, grid = organ_labels(scan), scan.pet.grid
    vessels = np.zeros(grid.shape, dtype=np.bool_)
    if labels is None:
        return vessels
    roots = np.isin(labels.data, [STRUCTURES[name] for name in ROOTS])
    boxes = ndimage.find_objects(roots.astype(np.uint8))
    if not boxes:
        return vessels
    pads = [round(HILUM_MM / spacing) + 1 for spacing in grid.spacing_mm]
    box = tuple(slice(max(0, piece.start - pad), piece.stop + pad) for piece, pad in zip(boxes[0], pads, strict=True))
    hu = (scan.ct if scan.ct.grid == grid else scan.ct.resampled(grid)).data
    lungs = np.isin(labels.data, labels_of("lungs"))
    if not lungs.any():
        return vessels
    from_roots = ndimage.distance_transform_edt(~roots[box], sampling=grid.spacing_mm)
    dense = lungs[box] & (from_roots <= HILUM_MM) & (hu[box] > float(np.median(hu[lungs])) + DENSER_HU)
    size = [max(1, round(SOLID_MM / spacing)) for spacing in grid.spacing_mm]
    solid = ndimage.binary_opening(lungs[box] & (hu[box] > SOLID_HU), np.ones(size))
    dense &= ~ndimage.binary_dilation(solid, np.ones((3, 3, 3)), iterations=2)
    numbers, _ = ndimage.label(dense, np.ones((3, 3, 3)))
    rooted = np.unique(numbers[dense & (from_roots <= ROOT_MM)])
    vessels[box] = np.isin(numbers, rooted[rooted > 0])
    return vessels
