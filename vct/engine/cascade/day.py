"""What changes from one day to the next: uptake, the bladder's filling, breathing, position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from pydantic import Field

from vct.engine.cascade.grid import NOMINAL_Z_MM
from vct.engine.cascade.spline import Spans
from vct.engine.cascade.tissues import tissue_table
from vct.part import Part
from vct.rng import stream
from vct.volume import Triple

COMMON_SD = 0.06
OWN_SD = 0.05
OWN_SDS: Mapping[str, float] = MappingProxyType(
    {
        "myocardium": 0.3,
        "colon": 0.25,
        "small_bowel": 0.25,
        "stomach": 0.15,
        "renal_pelvis": 0.4,
        "urinary_bladder": 0.4,
    }
)
MISMATCH_MM = -1.0
"""Mean of the mismatch; it and its spread are what makes AutoPET's organs reach into each other's masks, as the atlas
has it (assumed)."""
LAG_HEIGHTS = (torch.arange(48) + 0.5) * (NOMINAL_Z_MM / 48)
HOLLOW = ("urinary_bladder",)
"""Organs that fill and empty between scans; patients come fasting, so that the stomach hardly does."""
DOME_MM, PLATEAU_MM, REACH_MM = 35.0, 120.0, 75.0
"""The diaphragm's dome above the lungs' lowest end, how far below it the upper abdomen moves with it as a whole, and
how fast the movement fades beyond (assumed)."""


class DayToDay(Part):
    """How much one body differs between two days. With `common_sd` and `own_sd` an organ's SUV has a within-patient
    coefficient of variation of `wcv`: 7.8 % by default. Liver: 6.7 % 13 days apart, 10.8 to 13.4 % 271 days apart
    (Paquet 2004, J Nucl Med 45:784); the split in two parts, and all else, is assumed."""

    common_sd: float = Field(default=COMMON_SD, ge=0.0, le=0.5, description="of ln SUV, shared by all tissues: glucose")
    own_sd: float = Field(default=OWN_SD, ge=0.0, le=0.5, description="of ln SUV, each tissue's own")
    position_mm: Triple = Field(default=(4.0, 4.0, 3.0), description="SD of the place on the couch, x, y, z")
    breath_mm: float = Field(default=5.0, ge=0.0, le=20.0, description="SD of the diaphragm's height")
    mismatch_mm: float = Field(
        default=7.5,
        ge=0.0,
        le=20.0,
        description="SD of how far the PET's diaphragm lies above the CT's, so that organs reach into each other's "
        "labels; with 0 both breathe alike",
    )
    filling: float = Field(default=0.4, ge=0.0, le=1.0, description="correlation of the bladder's filling between days")

    @property
    def wcv(self) -> float:
        """Within-patient coefficient of variation of an organ's SUV, those of `OWN_SDS` left out."""
        return float(np.sqrt(np.expm1(self.common_sd**2 + self.own_sd**2)))

    def draw(self, patient_id: str, visit: str, seed: int) -> Day:
        """The day of a visit, from the streams named "day" and "position"."""
        rng = stream(seed, patient_id, visit, "day")
        names = tissue_table()[1]
        scale = np.array([OWN_SDS.get(name, self.own_sd) for name in names])
        own = scale * rng.standard_normal(len(names))
        factors = np.exp(self.common_sd * rng.standard_normal() + own)
        factors[0] = 1.0
        rng = stream(seed, patient_id, visit, "position")
        x, y, z = rng.normal(0.0, self.position_mm).tolist()
        breath = float(np.clip(rng.normal(0.0, self.breath_mm), -2.5 * self.breath_mm, 2.5 * self.breath_mm))
        lag = MISMATCH_MM + self.mismatch_mm * float(np.clip(rng.standard_normal(), -2.0, 2.0))
        return Day(
            factors=factors.astype(np.float32),
            shift_mm=(x, y, z),
            breath_mm=breath,
            mismatch_mm=lag if self.mismatch_mm else 0.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Day:
    """One day of one patient: a factor on the SUV of every tissue of `tissue_table` (1 for air), where the body lies,
    how high the diaphragm stands (RAS+, mm), and how much higher it stands on the PET, taken over many breaths, than on
    the CT."""

    factors: np.ndarray
    shift_mm: Triple
    breath_mm: float
    mismatch_mm: float = 0.0

    def by_label(self) -> np.ndarray:
        """(256,) factor on the SUV of every label."""
        return np.asarray(self.factors[tissue_table()[0]])

    def up_mm(self, z: torch.Tensor, base: float) -> torch.Tensor:
        """How far up the body stands at heights `z` of the model's grid, in its nominal mm; `base` is that of the
        lungs."""
        above = z - base - DOME_MM
        beyond = torch.where(above > 0.0, above, (-above - PLATEAU_MM).clamp_min(0.0))
        return self.shift_mm[2] + self.breath_mm * torch.exp(-((beyond / REACH_MM) ** 2))

    def lag_mm(self, base: float) -> torch.Tensor | None:
        """(heights,) how far the PET's organs lie above the CT's at `LAG_HEIGHTS` of the model's grid, most at the dome
        as in the atlas; None where they breathe alike."""
        if not self.mismatch_mm:
            return None
        return self.mismatch_mm * torch.exp(-(((LAG_HEIGHTS - base - DOME_MM) / REACH_MM) ** 2))

    def displacement(self, spans: Spans, base: float) -> torch.Tensor:
        """Spline coefficients (3, i, j, k) to add to a body's, which say where an output voxel is read."""
        knots = (torch.arange(spans[2] + 3) - 1.0) * (NOMINAL_Z_MM / spans[2])
        moved = torch.zeros(3, *(n + 3 for n in spans))
        moved[0], moved[1] = -self.shift_mm[0], -self.shift_mm[1]
        moved[2] = -self.up_mm(knots, base)
        return moved
