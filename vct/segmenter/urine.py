"""The bladder's border as the PET shows it: where uptake falls to 41 % between what lies about it and urine.

Urine may be twenty times as hot as the muscle beside it, so that a border a voxel off changes the bladder's SUVmean by
several percent.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import ndimage

from vct.structures import STRUCTURES
from vct.volume import Volume

BLADDER = STRUCTURES["urinary_bladder"]
SHARE = 0.41
"""Of the way from the SUV about a bladder to that of its urine: the threshold, corrected for what lies about it, that
EANM's guideline 2.0 gives for volumes (Boellaard 2015, doi 10.1007/s00259-014-2961-x). Half is where an even blur puts
an edge; bladders of the cascade are warmest in their middle."""
HOT = 3.0
"""Times the SUV about it, below which the CT's border stands (assumed)."""
FEWEST_VOXELS = 8
REACH_MM, RIM_MM = 8.5, 8.5
"""How far a border may move out and in: a hot node farther away stays a node (assumed)."""
ABOUT_MM = 12.0
"""How far beyond the reach the SUV about a bladder is taken (assumed)."""


def ending_at_urine(labels: Volume, pet: Volume) -> Volume:
    """Labels whose bladder ends where the SUVbw of `pet`, on any grid, has fallen to `SHARE`; what it gives up goes to
    the nearest neighbour. Cold and tiny bladders stay as they are."""
    seen = ndimage.find_objects((labels.data == BLADDER).astype(np.uint8))
    if not seen:
        return labels
    spacing = labels.grid.spacing_mm
    room = [math.ceil((REACH_MM + ABOUT_MM) / step) for step in spacing]
    box = tuple(slice(max(0, s.start - n), min(size, s.stop + n))
                for s, n, size in zip(seen[0], room, labels.data.shape, strict=True))  # fmt: skip
    here = labels.data[box]
    uptake = pet.resampled(labels.grid.part(box)).data
    named = here == BLADDER
    depth, nearest = ndimage.distance_transform_edt(named, sampling=spacing, return_indices=True)
    away = ndimage.distance_transform_edt(~named, sampling=spacing)
    core, wide = depth > RIM_MM, away <= REACH_MM
    around = ~wide & (away <= REACH_MM + ABOUT_MM) & (here > 0)
    if min(np.count_nonzero(core), np.count_nonzero(around)) < FEWEST_VOXELS:
        return labels
    urine, other = np.median(uptake[core]), np.median(uptake[around])
    if urine < HOT * other:
        return labels
    parts, _ = ndimage.label(core | (wide & (uptake > other + SHARE * (urine - other))))
    bladder = parts == np.bincount(parts[core]).argmax()
    found = labels.data.copy()
    found[box] = np.where(bladder, BLADDER, here[tuple(nearest)])
    return replace(labels, data=found)
