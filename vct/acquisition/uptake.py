"""Uptake time: FDG keeps moving after injection, so a late scan shows hotter lesions and paler blood."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.acquisition.blur import carried_variances_mm2, smooth
from vct.records import Scan
from vct.shapes import ellipsoid_box, ellipsoid_occupancy
from vct.structures import labels_of

REFERENCE_UPTAKE_MINUTES = 60.0
"""Planted uptakes are those of a scan this long after injection."""

LESION = "lesion"


def at_uptake_time(scan: Scan, slopes_per_minute: Mapping[str, float], minutes: float) -> NDArray[np.float32]:
    """The PET (X, Y, Z) as it would be `minutes` after injection, given d ln(SUV) / dt of tissues and of "lesion".

    Tissues are told by the scan's labels (none: only lesions change), lesions by their planted shape, blurred as the
    scan is.
    """
    late = minutes - REFERENCE_UPTAKE_MINUTES
    factors = {name: math.exp(slope * late) for name, slope in slopes_per_minute.items() if slope * late != 0.0}
    pet = np.asarray(scan.pet.data, dtype=np.float32)
    if not factors:
        return pet
    lesions = _lesion_share(scan)
    tissue = pet - lesions
    if scan.labels is not None:
        by_label = np.ones(256, dtype=np.float32)
        for name, factor in factors.items():
            if name != LESION:
                by_label[list(labels_of(name))] = factor
        tissue *= by_label[scan.labels.data]
    tissue += lesions * np.float32(factors.get(LESION, 1.0))
    return np.asarray(tissue)


def _lesion_share(scan: Scan) -> NDArray[Any]:
    """What the planted lesions themselves add to each voxel's SUV."""
    grid = scan.pet.grid
    share = np.zeros(grid.shape, dtype=np.float32)
    variances = [
        max(0.0, mm2 - spacing**2 / 12.0) / spacing**2
        for mm2, spacing in zip(carried_variances_mm2(grid, scan.fwhm_mm), grid.spacing_mm, strict=True)
    ]
    for lesion in scan.snapshot.lesions:
        if lesion.center_mm is not None:
            x, y, z = lesion.semi_axes_mm
            box = ellipsoid_box(grid, lesion.center_mm, (x, y, z), margin_mm=2.0 * scan.fwhm_mm)
            if all(piece.stop > piece.start for piece in box):
                occupancy = ellipsoid_occupancy(grid, lesion.center_mm, (x, y, z), box)
                share[box] += np.float32(lesion.suv) * smooth(occupancy, variances, mode="constant")
    return np.asarray(np.minimum(share, np.maximum(scan.pet.data, 0.0)))
