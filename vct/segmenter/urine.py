"""The bladder's border as the PET shows it: half of the way from urine to what lies about it.

Urine may be twenty times as hot as the muscle beside it, so that a border a voxel off changes the bladder's SUVmean by
several percent. Blurred evenly, the edge of anything larger than the blur passes half of the way where it lies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vct.structures import STRUCTURES

BLADDER = STRUCTURES["urinary_bladder"]
HOT = 3.0
"""Times the SUV about it, below which the CT's border stands (assumed)."""
FEWEST_VOXELS = 8
REACH, RIM = 1, 2
"""Voxels by which a border may move out and in."""
ABOUT = 3
"""Voxels beyond the reach that tell the SUV about a bladder (assumed)."""


def at_half_of_urine(labels: NDArray[np.uint8], suv: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Labels (X, Y, Z) whose bladder ends where the SUV (X, Y, Z) is half of that within; what it gives up goes to the
    nearest neighbour. Cold and tiny bladders stay as they are."""
    seen = ndimage.find_objects((labels == BLADDER).astype(np.uint8))
    if not seen:
        return labels
    box = tuple(slice(max(0, s.start - REACH - ABOUT), s.stop + REACH + ABOUT) for s in seen[0])
    here, uptake = labels[box], suv[box]
    named = here == BLADDER
    core = ndimage.binary_erosion(named, iterations=RIM)
    wide = ndimage.binary_dilation(named, iterations=REACH)
    around = ndimage.binary_dilation(wide, iterations=ABOUT) & ~wide & (here > 0)
    if min(np.count_nonzero(core), np.count_nonzero(around)) < FEWEST_VOXELS:
        return labels
    urine, other = np.median(uptake[core]), np.median(uptake[around])
    if urine < HOT * other:
        return labels
    parts, _ = ndimage.label(core | (wide & (uptake > (urine + other) / 2.0)))
    bladder = parts == np.bincount(parts[core]).argmax()
    nearest = ndimage.distance_transform_edt(named, return_distances=False, return_indices=True)
    found = labels.copy()
    found[box] = np.where(bladder, BLADDER, here[tuple(nearest)])
    return found
