"""What a reader expects to see without disease: each organ's own uptake, as blurred as the scan is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.readout.segmenter import PHYSIOLOGICAL
from vct.shapes import FWHM_PER_SIGMA
from vct.structures import GROUPS, STRUCTURES, labels_of, voxels_of
from vct.volume import Grid

_MUSCLES = tuple(
    name for name in STRUCTURES if name.startswith(("skeletal_muscle", "gluteus", "autochthon", "iliopsoas"))
)
RED_MARROW = (*GROUPS["vertebrae"], "sacrum", *GROUPS["hips"], "sternum")
"""Bones whose marrow makes blood in adults: hot within a cooler rind, so that against a median its core stands out."""

ADRENALS = ("adrenal_gland_right", "adrenal_gland_left")
TISSUES: tuple[tuple[str, ...], ...] = (
    GROUPS["lungs"],
    GROUPS["kidneys"],
    GROUPS["heart"],
    RED_MARROW,
    (*(name for name in GROUPS["bone"] if name not in RED_MARROW), "skull"),
    _MUSCLES,
    ("subcutaneous_fat", "torso_fat", "skin"),
    ADRENALS,
)
"""Structures that count as one tissue; every other structure is its own."""

MOST_PLAUSIBLE = {"liver": 4.0, "spleen": 4.0, "aorta": 3.5, "vertebrae_L1": 3.5, "lung_upper_lobe_left": 1.5}
"""SUVbw above which an organ's own uptake is not believed, by a member of the tissue (assumed, far above the means of
healthy adults in hedyPET v1.0: liver 2.3, spleen 1.8, aorta 1.6, vertebrae 1.4, lungs 0.5)."""

GUT = ("stomach", "small_bowel", "duodenum", "colon")
"""Hot in one loop and pale in the next: each spills into the fat beside it as far as its own uptake says."""

ADRENALS_OVER_BLOOD_POOL = 1.25
"""Uptake over the aorta's above which an adrenal is not believed to be healthy: 0.89 and two residual SDs of 0.17 in 80
healthy adults (hedyPET v1.0). A metastasis fills most of so small a gland, whose median would then be its own."""

BIN_SUV, MOST_SUV = 0.05, 150.0
CLEARLY, ROUNDS = 0.95, 2


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """SUVbw of the healthy body (X, Y, Z) and its spread from voxel to voxel, both on the PET's grid and smoothed as
    the image that is searched; `blood_pool` is the aorta's, 0 where none is seen.
    """

    uptake: NDArray[np.float32]
    spread: NDArray[np.float32]
    blood_pool: float


def expected(
    suv: NDArray[Any],
    labels: NDArray[np.uint8] | None,
    grid: Grid,
    fwhm_mm: float,
    vessels: NDArray[np.bool_] | None = None,
) -> Expected:
    """From the searched image `suv` (X, Y, Z), whose resolution is `fwhm_mm`, and the organ labels.

    Of each tissue the median counts, of physiological ones and of red marrow the 95th percentile, since their hot spots
    are their own; the spread is the median less the 16th percentile, which lesions do not touch, and 0 where the 95th
    percentile counts. The adrenals, which a lesion may fill, count up to `ADRENALS_OVER_BLOOD_POOL` and have no spread.
    Tissue values are corrected for what blur took from thin organs by comparing expected with observed medians
    (region-based, as in Rousset 1998, J Nucl Med 39:904, by iteration). A hotter loop of bowel has the uptake that is
    seen in it. `vessels` (X, Y, Z) that labels do not tell from their organ hold at least the blood pool's uptake.
    Without labels the whole body is one tissue.
    """
    tissue = _tissues()[labels] if labels is not None else (suv > 0.1).astype(np.uint8)
    observed, spread = _quantiles(suv, tissue)
    marrow, adrenals = (_tissues()[STRUCTURES[members[0]]] for members in (RED_MARROW, ADRENALS))
    blood_pool = float(observed[STRUCTURES["aorta"]])
    spread[adrenals] = 0.0
    if blood_pool > 0.0:
        observed[adrenals] = min(float(observed[adrenals]), ADRENALS_OVER_BLOOD_POOL * blood_pool)
    value = observed.copy()
    variances = [(fwhm_mm / FWHM_PER_SIGMA / spacing) ** 2 for spacing in grid.spacing_mm]
    for _ in range(ROUNDS):
        uptake = _smoothed(value[tissue], variances)
        seen, _ = _quantiles(uptake, tissue)
        value = np.clip(value * observed / np.maximum(seen, 1e-3), observed / 2.0, observed * 3.0).astype(np.float32)
        value[marrow] = observed[marrow]
    healthy = value[tissue]
    if labels is not None:
        gut = voxels_of(labels, *GUT)
        healthy[gut] = np.maximum(healthy[gut], suv[gut])
    if vessels is not None:
        healthy[vessels] = np.maximum(healthy[vessels], blood_pool)
    uptake = _smoothed(healthy, variances)
    return Expected(uptake, _smoothed(spread[tissue], variances), blood_pool)


def _smoothed(data: NDArray[np.float32], variances: list[float]) -> NDArray[np.float32]:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(data, [variance**0.5 for variance in variances], truncate=3.0))


def _tissues() -> NDArray[np.uint8]:
    """Tissue of each label: the number of its first member."""
    table = np.arange(256, dtype=np.uint8)
    for members in TISSUES:
        table[[STRUCTURES[name] for name in members]] = STRUCTURES[members[0]]
    return table


def _patchy() -> list[int]:
    """Tissues whose 95th percentile counts."""
    table = _tissues()
    return sorted({int(table[number]) for name in (*PHYSIOLOGICAL, *RED_MARROW) for number in labels_of(name)})


def _quantiles(suv: NDArray[Any], tissue: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The value of each tissue (256,) and its spread, from one histogram; 0 for tissues that are not there."""
    n_bins = round(MOST_SUV / BIN_SUV) + 1
    bins = np.clip(suv * (1.0 / BIN_SUV), 0, n_bins - 1).astype(np.int32)
    bins += tissue.astype(np.int32) * n_bins
    counts = np.bincount(bins.ravel(), minlength=256 * n_bins).reshape(256, n_bins)
    upto = np.cumsum(counts, axis=1) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    low, middle, high = ((upto < share).sum(axis=1) * BIN_SUV + BIN_SUV / 2.0 for share in (0.16, 0.5, CLEARLY))
    there = counts.any(axis=1)
    value = np.where(there, middle, 0.0)
    spread = np.where(there, middle - low, 0.0)
    patchy, table = _patchy(), _tissues()
    value[patchy], spread[patchy] = np.where(there, high, 0.0)[patchy], 0.0
    for name, most in MOST_PLAUSIBLE.items():
        number = int(table[STRUCTURES[name]])
        value[number] = min(float(value[number]), most)
    return value.astype(np.float32), spread.astype(np.float32)
