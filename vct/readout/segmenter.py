"""The seam through which readouts learn where organs are.

Engines hand out their labels with every scan, and these stand in for a segmenter that reads the CT. A segmenter will
answer here in their place; nobody else in `vct.readout` looks at `Scan.labels`. Labels tell organs, never lesions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vct.readout.memo import once_per_scan
from vct.records import Scan
from vct.structures import labels_of
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
def physiological(scan: Scan) -> NDArray[np.bool_]:
    """Voxels (X, Y, Z) of physiological organs; none without labels."""
    labels = organ_labels(scan)
    if labels is None:
        return np.zeros(scan.pet.grid.shape, dtype=np.bool_)
    among = np.zeros(256, dtype=np.bool_)
    among[[number for name in PHYSIOLOGICAL for number in labels_of(name)]] = True
    return np.asarray(among[labels.data])
