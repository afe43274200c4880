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

HEART_SHARES = {  # of the heart's volume with its blood (assumed)
    "heart_ventricle_left": 0.16,
    "heart_myocardium": 0.23,
    "heart_ventricle_right": 0.20,
    "heart_atrium_left": 0.13,
    "heart_atrium_right": 0.14,
    "heart": 0.14,
}
N_WOBBLE = 200
_MAX_SD = 2.5
_MAX_SD_VISCERAL = 1.6
_BMI_RANGE = (17.0, 40.0)  # uptake is not extrapolated beyond
_MOST_VISCERAL_L_KG = {"F": 0.06, "M": 0.08}  # assumed
_FAT_SHARE_SD = 0.02  # assumed
_FAT_SHARE_RANGE = {"F": (0.15, 0.58), "M": (0.09, 0.55)}  # assumed: the formula is not made for BMI below 18
_FRAME_SD = 0.03  # assumed
_COLDEST_MYOCARDIUM = 0.75  # of the blood (assumed)
_URINE = "urinary_bladder"


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
    volumes = _residuals(rng, {name: row[-1] for name, row in tables.VOLUME.items()}, volume_covariance())
    uptakes = _residuals(rng, {name: body_sd(name) for name in tables.UPTAKE}, body_covariance())
    z_hu = _clipped_normal(rng, len(tables.HOUNSFIELD) + 1, _MAX_SD)
    wobble = _clipped_normal(rng, N_WOBBLE, 2.0)
    frame, fat = _clipped_normal(rng, 2, 2.0).tolist()
    least, most = _FAT_SHARE_RANGE[patient.sex]
    return Traits(
        volumes_ml={name: _volume_ml(patient, name, residual) for name, residual in volumes.items()},
        uptake=_uptake(patient, uptakes),
        hu=_hounsfield(patient, z_hu),
        wobble=wobble,
        frame=math.exp(_FRAME_SD * frame),
        fat_share=min(max(fat_share(patient) + _FAT_SHARE_SD * fat, least), most),
    )


def draw_day(patient: Patient, visit: str, seed: int, traits: Traits, variation: float) -> Day:
    """The day's physiology from the stream named "day"; `variation` scales all of it, 0 is the patient's usual day."""
    rng = stream(seed, patient.id, visit, "day")
    common = tables.DAY_COMMON_SD * float(rng.standard_normal())
    factors = {}
    for name in (*tables.UPTAKE, "myocardium"):
        own = tables.DAY_OWN_SDS.get(name, tables.DAY_OWN_SD) * float(rng.standard_normal())
        factors[name] = math.exp(variation * (common + own))
    filling, other = _clipped_normal(rng, 2, 2.0).tolist()
    uptake = tables.BLADDER_R * filling + math.sqrt(1.0 - tables.BLADDER_R**2) * other
    return Day(
        factors=factors,
        bladder_ml=traits.volumes_ml[_URINE] * math.exp(variation * tables.VOLUME[_URINE][-1] * filling),
        bladder_suv=traits.uptake[_URINE] * math.exp(variation * tables.UPTAKE[_URINE][-1] * uptake),
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


def volume_covariance() -> Array:
    """Covariance of the residual ln volumes, in the order of `tables.CORRELATED` (organs without a fit: variance 1)."""
    sds = [tables.VOLUME[name][-1] if name in tables.VOLUME else 1.0 for name in tables.CORRELATED]
    return np.asarray(_correlation(tables.VOLUME_CORRELATION) * np.outer(sds, sds))


def body_covariance() -> Array:
    """Covariance between patients of the usual ln SUV: what was published for single scans, less the day's part.

    Urine belongs to the day altogether.
    """
    sds = [tables.UPTAKE[name][-1] for name in tables.CORRELATED]
    common = np.asarray([0.0 if name == _URINE else tables.DAY_COMMON_SD for name in tables.CORRELATED])
    own = [tables.DAY_OWN_SDS.get(name, tables.DAY_OWN_SD) for name in tables.CORRELATED]
    published = _correlation(tables.UPTAKE_CORRELATION) * np.outer(sds, sds)
    return np.asarray(published - np.outer(common, common) - np.diag(np.square(own)))


def body_sd(name: str) -> float:
    """SD between patients of an organ's usual ln SUV."""
    own = tables.DAY_OWN_SDS.get(name, tables.DAY_OWN_SD)
    return math.sqrt(max(tables.UPTAKE[name][-1] ** 2 - tables.DAY_COMMON_SD**2 - own**2, 0.0))


def _correlation(triangle: tuple[tuple[float, ...], ...]) -> Array:
    matrix = np.eye(len(tables.CORRELATED))
    for row, values in enumerate(triangle, start=1):
        matrix[row, :row] = matrix[:row, row] = values
    return matrix


def _residuals(rng: np.random.Generator, sds: Mapping[str, float], covariance: Array) -> dict[str, float]:
    """Residuals by organ with the given covariance; organs outside it follow their relative (`tables.FOLLOWS`)."""
    drawn = np.linalg.cholesky(covariance) @ rng.standard_normal(len(covariance))
    z = dict(zip(tables.CORRELATED, (drawn / np.sqrt(np.diag(covariance))).tolist(), strict=True))
    own = rng.standard_normal(len(sds)).tolist()
    spread = math.sqrt(1.0 - tables.FOLLOWS_R**2)
    for name, value in zip(sds, own, strict=True):
        if name not in tables.CORRELATED:
            leader = tables.FOLLOWS.get(name)
            z[name] = value if leader is None else tables.FOLLOWS_R * z[leader] + spread * value
    return {name: sd * min(max(z[name], -_MAX_SD), _MAX_SD) for name, sd in sds.items()}


def _clipped_normal(rng: np.random.Generator, n: int, limit: float) -> Array:
    return np.clip(rng.standard_normal(n), -limit, limit)


def _volume_ml(patient: Patient, name: str, residual: float) -> float:
    b0, male, age, weight, height, sd = tables.VOLUME[name]
    limit = _MAX_SD_VISCERAL * sd if name == "visceral_fat" else 0.0 if name == _URINE else math.inf
    volume = math.exp(
        b0
        + male * (patient.sex == "M")
        + age * (patient.age_years - 50.0) / 10.0
        + weight * math.log(patient.weight_kg / 75.0)
        + height * math.log(patient.height_cm / 172.0)
        + min(max(residual, -limit), limit)
    )
    if name == "visceral_fat":
        return min(volume, 1000.0 * _MOST_VISCERAL_L_KG[patient.sex] * patient.weight_kg)
    return volume


def _uptake(patient: Patient, residuals: Mapping[str, float]) -> dict[str, float]:
    """SUVmean by organ on a usual day; the myocardium's makes up the heart's mean, unless it is colder than blood."""
    bmi = min(max(patient.bmi_kg_m2, _BMI_RANGE[0]), _BMI_RANGE[1])
    uptake = {}
    for name, (b0, male, age, slope, _) in tables.UPTAKE.items():
        late = name == "uterus" and patient.age_years >= tables.MENOPAUSE_YEARS
        mean = tables.POSTMENOPAUSAL_UTERUS if late else b0
        mean += male * (patient.sex == "M") + age * (patient.age_years - 50.0) / 10.0 + slope * (bmi - 25.0) / 5.0
        uptake[name] = math.exp(mean + (0.0 if name == _URINE else residuals[name]))
    blood, share = uptake["aorta"], HEART_SHARES["heart_myocardium"]
    uptake["myocardium"] = max((uptake["heart"] - (1.0 - share) * blood) / share, _COLDEST_MYOCARDIUM * blood)
    return uptake


def _hounsfield(patient: Patient, z: Array) -> dict[str, float]:
    """Attenuation by tissue; `z` (N + 1,) is one standard normal number each, and one for spongy bone."""
    rows = zip(tables.HOUNSFIELD.items(), z[1:].tolist(), strict=True)
    hu = {name: mean + sd * value for (name, (mean, sd)), value in rows}
    hu["muscle"] += tables.MUSCLE_HU_PER_BMI * (min(max(patient.bmi_kg_m2, 20.0), 38.0) - 22.0)
    hu["gland"] -= tables.GLAND_HU_PER_YEAR * (min(max(patient.age_years, 30.0), 75.0) - 30.0)
    at_25, fall, sd = tables.TRABECULAR_HU
    hu["trabecular"] = max(at_25 - fall * (patient.age_years - 25.0) + sd * float(z[0]), 40.0)
    return hu
