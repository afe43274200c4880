"""The seam through which readouts learn where organs are.

The labels of a scan that is read are those of the protocol's segmenter (`vct.segmenter`); nobody else in `vct.readout`
looks at `Scan.labels`. Labels tell organs, never lesions.
"""

from __future__ import annotations

from vct.records import Scan
from vct.volume import Volume


def organ_labels(scan: Scan) -> Volume | None:
    """Label map of the organs on the PET's grid (numbers of `vct.structures`); None when there is none."""
    return scan.labels
