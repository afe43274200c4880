"""Tissues whose uptake on the day is not what was planted: FDG keeps moving after injection and glucose competes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.acquisition.blur import carried_variances_mm2, smooth
from vct.forms import filling
from vct.records import Scan
from vct.structures import labels_of

REFERENCE_UPTAKE_MINUTES = 60.0
"""Planted uptakes are those of a scan this long after injection."""

LESION = "lesion"


def factors_of_the_day(
    slopes_per_minute: Mapping[str, float],
    uptake_minutes: float,
    glucose_powers: Mapping[str, float],
    glucose_ratio: float,
) -> dict[str, float]:
    """Factor on the SUV of each tissue: exp(slope x minutes late) x (glucose / the patient's usual) ^ power."""
    late = uptake_minutes - REFERENCE_UPTAKE_MINUTES
    factors = {name: math.exp(slope * late) for name, slope in slopes_per_minute.items()}
    for name, power in glucose_powers.items():
        factors[name] = factors.get(name, 1.0) * glucose_ratio**power
    return factors


def with_factors(scan: Scan, factors: Mapping[str, float]) -> NDArray[np.float32]:
    """The PET (X, Y, Z) with the uptake of each named tissue, and of "lesion", times its factor.

    Tissues are told by the scan's labels (none: only lesions change), lesions by their planted shape, blurred as the
    scan is.
    """
    pet = np.asarray(scan.pet.data, dtype=np.float32)
    if all(factor == 1.0 for factor in factors.values()):
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
            filled = filling(grid, lesion, margin_mm=2.0 * scan.fwhm_mm)
            if filled is not None:
                share[filled.box] += smooth(filled.excess(lesion, 0.0), variances, mode="constant")
    return np.asarray(np.minimum(share, np.maximum(scan.pet.data, 0.0)))
