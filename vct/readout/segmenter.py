"""The seam through which readouts learn where organs are.

The labels of a scan that is read are those of the protocol's segmenter (`vct.segmenter`); nobody else in `vct.readout`
looks at `Scan.labels`. Labels tell organs, never lesions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vct.readout.breathing import on_pet
from vct.readout.memo import once_per_scan
from vct.records import Scan
from vct.shapes import Box
from vct.structures import voxels_of
from vct.volume import Volume

PHYSIOLOGICAL = (
    *("brain", "heart", "kidneys", "renal_pelvis", "urinary_bladder"),
    *("stomach", "small_bowel", "duodenum", "colon", "esophagus", "spinal_cord"),
)
"""Organs whose own uptake is high or patchy: no lesion is looked for in them, and their spill is expected."""


def organ_labels(scan: Scan) -> Volume | None:
    """Label map of the organs on the PET's grid (numbers of `vct.structures`); None when there is none."""
    return scan.labels


@once_per_scan
def labels_on_pet(scan: Scan) -> Volume | None:
    """The same where the PET shows the organs; see `vct.readout.breathing`."""
    labels = organ_labels(scan)
    return None if labels is None else on_pet(labels, scan.pet.data)


@once_per_scan
def physiological(scan: Scan) -> NDArray[np.bool_]:
    """Voxels (X, Y, Z) of physiological organs on the PET; none without labels."""
    labels = labels_on_pet(scan)
    if labels is None:
        return np.zeros(scan.pet.grid.shape, dtype=np.bool_)
    return voxels_of(labels.data, *PHYSIOLOGICAL)


def mm_from_physiological(scan: Scan, box: Box, reach_mm: float) -> NDArray[np.float64]:
    """Distance of the voxels of `box` from the nearest one of a physiological organ, 0 within; `reach_mm` at most."""
    from scipy import ndimage

    organs, spacing_mm = physiological(scan), scan.pet.grid.spacing_mm
    pads = [int(reach_mm / spacing) + 1 for spacing in spacing_mm]
    wide = tuple(slice(max(0, piece.start - pad), piece.stop + pad) for piece, pad in zip(box, pads, strict=True))
    inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))
    if not organs[wide].any():
        return np.full([piece.stop - piece.start for piece in box], reach_mm)
    away = ndimage.distance_transform_edt(~organs[wide], sampling=spacing_mm)
    return np.minimum(away[inner], reach_mm)


def spill_mm(scan: Scan) -> float:
    """How far from an organ its uptake is still seen: the scan's FWHM, and the next voxel."""
    return max(scan.fwhm_mm, *scan.pet.grid.spacing_mm)
