"""A real case: the organs of one person as a small label map, with landmarks and an imputed body size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.arrays import read_arrays
from vct.errors import InputError
from vct.records import Sex
from vct.structures import GROUPS, STRUCTURES


class Organ(IntEnum):
    """Codes in a case's map: the ten classes of the AutoPET 3 submission's organ maps that lie in the torso."""

    SPLEEN = 1
    KIDNEY = 2
    LIVER = 3
    BLADDER = 4
    LUNG = 5
    HEART = 7
    STOMACH = 8
    PROSTATE = 9


NEEDED = (Organ.SPLEEN, Organ.KIDNEY, Organ.LIVER, Organ.BLADDER, Organ.LUNG, Organ.HEART, Organ.STOMACH)
TOTALSEGMENTATOR: dict[int, Organ] = {
    **{STRUCTURES[name]: Organ.LUNG for name in GROUPS["lungs"]},
    **{STRUCTURES[name]: Organ.KIDNEY for name in GROUPS["kidneys"]},
    **{STRUCTURES[name]: Organ.HEART for name in GROUPS["heart"]},
    STRUCTURES["spleen"]: Organ.SPLEEN,
    STRUCTURES["liver"]: Organ.LIVER,
    STRUCTURES["urinary_bladder"]: Organ.BLADDER,
    STRUCTURES["stomach"]: Organ.STOMACH,
    STRUCTURES["prostate"]: Organ.PROSTATE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """What the atlas's index knows of a case. Positions are mm from the first voxel of its own map (RAS+).

    `log_weight` makes patients use all cases alike (`vct.engine.atlas.matching`).
    """

    name: str
    sex: Sex
    age_years: float
    height_cm: float
    weight_kg: float
    trunk_mm: float
    chest_mm: float
    belly_mm: float
    apex_z_mm: float
    base_z_mm: float
    pelvis_z_mm: float
    midline_x_mm: float
    liver_ml: float
    spleen_ml: float
    kidneys_ml: float
    heart_ml: float
    lungs_ml: float
    stomach_ml: float
    bladder_ml: float
    prostate_ml: float
    log_weight: float

    def as_dict(self) -> dict[str, Any]:
        """The row as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An organ map `labels` (X, Y, Z) uint8 of `Organ` codes, RAS+, isotropic; its first voxel is at 0 mm."""

    row: CaseRow
    labels: NDArray[np.uint8]
    spacing_mm: float


def save_map(path: Path, labels: NDArray[np.uint8], spacing_mm: float) -> None:
    """Write a case's map."""
    np.savez_compressed(path, labels=labels, spacing_mm=np.array(spacing_mm))


def load_case(path: Path, row: CaseRow) -> Case:
    """Read a case's map. Raises InputError when the file is missing or damaged."""
    held = read_arrays(path, "a case of an atlas")
    try:
        labels, spacing_mm = held["labels"], float(held["spacing_mm"])
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a case of an atlas ({error})") from error
    if labels.dtype != np.uint8 or labels.ndim != 3 or not 0 < spacing_mm < 100:
        raise InputError(f"{path}: not a case of an atlas (labels must be 3-D uint8, their spacing in mm)")
    return Case(row=row, labels=labels, spacing_mm=spacing_mm)
