"""What a body of given sex, age, height and weight is made of: fat under the skin and inside, lean tissue.

Fat share of weight: Gallagher et al. 2000, Am J Clin Nutr 72:694 (recalled): percent = 64.5 - 848 / BMI + 0.079 age
- 16.4 male + 0.05 male age + 39.0 male / BMI. Visceral fat and bowel: fits of ln volume on sex, age, weight and height
to hedyPET (`hedypet.json`); beyond BMI 36 visceral fat grows at half that rate (assumed). Fat weighs 0.92, lean tissue
1.06 g/ml. The field of view, clavicle to upper thigh, is assumed to hold 60 % of the fat under the skin and, by the
template's own share, the lean tissue of `LEAN_SHARE`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from numpy.random import Generator

from vct.records import Patient

FAT_G_ML = 0.92
LEAN_G_ML = 1.06
FAT_SHARE = 0.60
LEAN_SHARE = 0.49
OTHER_FAT_SHARE = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """Target volumes in ml within the field of view, and the share of fat in body weight."""

    fat_fraction: float
    subcutaneous_ml: float
    visceral_ml: float
    lean_ml: float
    small_bowel_ml: float
    colon_ml: float
    duodenum_ml: float

    @property
    def chest_fat_level(self) -> float:
        """Normal deviate below which the tissue between the lungs is fat: more of it in people with visceral fat."""
        return min(max(-0.9 + self.visceral_ml / 2200.0, -0.8), 1.6)

    @property
    def belly_fat_level(self) -> float:
        """The same in the abdomen, where vessels and mesentery run through the fat."""
        return min(max(0.35 + self.visceral_ml / 3000.0, 0.4), 1.9)


@cache
def hedypet() -> dict[str, Any]:
    """Coefficients fitted to hedyPET, as shipped."""
    text = files("vct.engine.atlas").joinpath("hedypet.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def fat_fraction(patient: Patient) -> float:
    """Fat share of body weight (0.05 to 0.58) after Gallagher 2000."""
    male = float(patient.sex == "M")
    bmi, age = patient.bmi_kg_m2, patient.age_years
    percent = 64.5 - 848.0 / bmi + 0.079 * age - 16.4 * male + 0.05 * male * age + 39.0 * male / bmi
    return min(max(percent / 100.0, 0.05), 0.58)


def composition(patient: Patient, rng: Generator) -> Composition:
    """Targets for one patient with between-person variation (three normal draws)."""
    jitter = rng.standard_normal(4)
    share = min(max(fat_fraction(patient) * math.exp(0.06 * jitter[0]), 0.05), 0.60)
    fat_ml = 1000.0 * patient.weight_kg * share / FAT_G_ML
    visceral = _volume("visceral_fat", patient, 0.8 * float(jitter[1]))
    over = patient.bmi_kg_m2 / 36.0
    visceral = min(visceral * min(1.0, over**-1.25 if over > 1 else 1.0), 0.45 * fat_ml)
    subcutaneous = max(fat_ml * (1.0 - OTHER_FAT_SHARE) - visceral, 0.35 * fat_ml)
    return Composition(
        fat_fraction=share,
        subcutaneous_ml=FAT_SHARE * subcutaneous,
        visceral_ml=visceral,
        lean_ml=LEAN_SHARE * 1000.0 * patient.weight_kg * (1.0 - share) / LEAN_G_ML,
        small_bowel_ml=_volume("small_bowel", patient, float(jitter[2])),
        colon_ml=_volume("colon", patient, float(jitter[3])),
        duodenum_ml=_volume("duodenum", patient, float(jitter[2])),
    )


def _volume(organ: str, patient: Patient, z: float) -> float:
    intercept, male, age, weight, height, spread = hedypet()["ln_volume_ml"][organ]
    bounded = min(max(z, -2.0), 2.0)
    return math.exp(
        intercept
        + male * (patient.sex == "M")
        + age * (patient.age_years - 50.0) / 10.0
        + weight * math.log(patient.weight_kg / 75.0)
        + height * math.log(patient.height_cm / 172.0)
        + spread * bounded
    )
