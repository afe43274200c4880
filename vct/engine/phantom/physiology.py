"""What chance decides about a patient (organ volumes, uptake, attenuation) and about a day (uptake, urine)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vct.engine.phantom import tables
from vct.engine.phantom.space import Array
from vct.records import Patient
from vct.rng import stream

_MAX_Z = 2.5
_BMI_RANGE = (17.0, 40.0)
MYOCARDIUM_SHARE = 0.23
VENTRICLE_SHARE = 0.16


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """A patient's own numbers: `volumes_ml` and `uptake` (SUVmean) by organ, `hu` by tissue, named as in `tables`.

    `wobble` are standard normal numbers for the shapes, `frame` is the width of the skeleton over the expected one,
    `fat_share` the fat's share of the body mass.
    """

    volumes_ml: Mapping[str, float]
    uptake: Mapping[str, float]
    hu: Mapping[str, float]
    wobble: Array
    frame: float
    fat_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One visit's physiology: factors on the uptake by organ, and what is in the bladder."""

    factors: Mapping[str, float]
    bladder_ml: float
    bladder_suv: float


def draw_traits(patient: Patient, seed: int) -> Traits:
    """The patient's traits from the stream named "body": the same at every visit and on every arm."""
    rng = stream(seed, patient.id, "body")
    z_volume = _related(rng, tables.VOLUME_CORRELATION, tuple(tables.VOLUME))
    z_uptake = _related(rng, tables.UPTAKE_CORRELATION, tuple(tables.UPTAKE))
    z_hu = rng.standard_normal(len(tables.HOUNSFIELD) + 1)
    wobble = np.clip(rng.standard_normal(160), -2.0, 2.0)
    frame = math.exp(0.03 * float(np.clip(rng.standard_normal(), -_MAX_Z, _MAX_Z)))
    fat = fat_share(patient) + 0.02 * float(np.clip(rng.standard_normal(), -2.0, 2.0))
    return Traits(
        volumes_ml={name: _volume_ml(patient, name, z) for name, z in z_volume.items()},
        uptake=_uptake(patient, z_uptake),
        hu=_hounsfield(patient, z_hu),
        wobble=wobble,
        frame=frame,
        fat_share=min(max(fat, 0.06), 0.58),
    )


def draw_day(patient: Patient, visit: str, seed: int, traits: Traits, variation: float) -> Day:
    """The day's physiology from the stream named "day"; `variation` scales all of it, 0 is the patient's usual day."""
    rng = stream(seed, patient.id, visit, "day")
    common = tables.DAY_COMMON_SD * float(rng.standard_normal())
    factors = {}
    for name in (*tables.UPTAKE, "myocardium"):
        own = tables.DAY_OWN_SDS.get(name, tables.DAY_OWN_SD) * float(rng.standard_normal())
        factors[name] = math.exp(variation * (common + own))
    filling, other = np.clip(rng.standard_normal(2), -2.0, 2.0)
    uptake = tables.BLADDER_R * filling + math.sqrt(1.0 - tables.BLADDER_R**2) * other
    return Day(
        factors=factors,
        bladder_ml=traits.volumes_ml["urinary_bladder"]
        * math.exp(variation * tables.VOLUME["urinary_bladder"][-1] * filling),
        bladder_suv=traits.uptake["urinary_bladder"]
        * math.exp(variation * tables.UPTAKE["urinary_bladder"][-1] * uptake),
    )


def fat_share(patient: Patient) -> float:
    """Fat's expected share of the body mass (Gallagher 2000, doi 10.1093/ajcn/72.3.694; four compartments).

    Deurenberg 1991 (doi 10.1079/BJN19910073) is linear in the BMI and overestimates the obese: at 45 kg/m2 it would
    leave no room for muscle.
    """
    male, inverse = float(patient.sex == "M"), 1.0 / min(max(patient.bmi_kg_m2, 15.0), 60.0)
    age = patient.age_years
    percent = 64.5 - 848.0 * inverse + 0.079 * age - 16.4 * male + 0.05 * male * age + 39.0 * male * inverse
    return percent / 100.0


def _related(
    rng: np.random.Generator, triangle: tuple[tuple[float, ...], ...], names: tuple[str, ...]
) -> dict[str, float]:
    """Standard normal numbers by organ, with the published correlations and, for the others, that of their relative."""
    matrix = np.eye(len(tables.CORRELATED))
    for row, values in enumerate(triangle, start=1):
        matrix[row, :row] = matrix[:row, row] = values
    drawn = np.linalg.cholesky(matrix) @ rng.standard_normal(len(matrix))
    related = dict(zip(tables.CORRELATED, drawn.tolist(), strict=True))
    own = rng.standard_normal(len(names))
    spread = math.sqrt(1.0 - tables.FOLLOWS_R**2)
    for name, z in zip(names, own.tolist(), strict=True):
        if name not in related:
            leader = tables.FOLLOWS.get(name)
            related[name] = z if leader is None else tables.FOLLOWS_R * related[leader] + spread * z
    return {name: min(max(related[name], -_MAX_Z), _MAX_Z) for name in names}


def _volume_ml(patient: Patient, name: str, z: float) -> float:
    b0, male, age, weight, height, sd = tables.VOLUME[name]
    return math.exp(
        b0
        + male * (patient.sex == "M")
        + age * (patient.age_years - 50.0) / 10.0
        + weight * math.log(patient.weight_kg / 75.0)
        + height * math.log(patient.height_cm / 172.0)
        + sd * (0.0 if name == "urinary_bladder" else z)
    )


def _uptake(patient: Patient, z: Mapping[str, float]) -> dict[str, float]:
    bmi = min(max(patient.bmi_kg_m2, _BMI_RANGE[0]), _BMI_RANGE[1])
    uptake = {}
    for name, (b0, male, age, slope, sd) in tables.UPTAKE.items():
        if name == "uterus" and patient.age_years >= tables.MENOPAUSE_YEARS:
            b0 = tables.POSTMENOPAUSAL_UTERUS
        mean = b0 + male * (patient.sex == "M") + age * (patient.age_years - 50.0) / 10.0 + slope * (bmi - 25.0) / 5.0
        uptake[name] = math.exp(mean + sd * (0.0 if name == "urinary_bladder" else z[name]))
    blood = uptake["aorta"]
    wall = (uptake["heart"] - (1.0 - MYOCARDIUM_SHARE) * blood) / MYOCARDIUM_SHARE
    uptake["myocardium"] = max(wall, 0.75 * blood)
    return uptake


def _hounsfield(patient: Patient, z: Array) -> dict[str, float]:
    hu = {
        name: mean + sd * float(np.clip(value, -_MAX_Z, _MAX_Z))
        for (name, (mean, sd)), value in zip(tables.HOUNSFIELD.items(), z[1:], strict=True)
    }
    hu["muscle"] += tables.MUSCLE_HU_PER_BMI * (min(max(patient.bmi_kg_m2, 20.0), 38.0) - 22.0)
    hu["gland"] -= tables.GLAND_HU_PER_YEAR * (min(max(patient.age_years, 30.0), 75.0) - 30.0)
    at_25, fall, sd = tables.TRABECULAR_HU
    hu["trabecular"] = max(at_25 - fall * (patient.age_years - 25.0) + sd * float(np.clip(z[0], -2.0, 2.0)), 40.0)
    return hu
