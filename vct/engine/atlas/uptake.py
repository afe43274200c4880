"""How much FDG every organ takes up (SUVbw, as measured in the image): by regression, with correlated residuals.

ln SUVmean of 38 organs on sex, age and BMI with the residuals' correlation: fits to hedyPET (`hedypet.json`; 80 healthy
adults). Liver, kidneys and heart then take the distribution by sex that Yoon 2025 (arXiv 2505.22489) shows for AutoPET:
the regression's z score is read off AutoPET's quantiles, so ranks, slopes and correlations stay. BMI is held within 16
and 48; beyond 38 the fits are extrapolated, as SUV per body weight must grow where lean mass does not. A fifth of the
residual variance is the day's (half for heart and bowel, assumed). In 38 % of scans the myocardium's uptake is focal or
focal on diffuse (116 of 302 patients: PMC7408629).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.random import Generator

from vct.engine.atlas.composition import hedypet
from vct.records import Patient, Sex
from vct.rng import stream

DEVIATES = tuple(NormalDist().inv_cdf(p) for p in (0.004, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.996))
AUTOPET: dict[tuple[str, Sex], tuple[float, ...]] = {
    ("liver", "M"): (1.2343, 1.6328, 1.7672, 1.9996, 2.2395, 2.4892, 2.7510, 2.9402, 4.2765),
    ("liver", "F"): (1.5025, 1.7370, 1.8842, 2.1182, 2.3313, 2.5647, 2.8012, 2.9202, 3.1022),
    ("heart", "M"): (1.1462, 1.3265, 1.4766, 1.7998, 2.2615, 2.9041, 3.7726, 4.4354, 7.2502),
    ("heart", "F"): (1.2310, 1.4728, 1.6681, 2.1097, 2.7901, 3.8571, 5.3008, 6.1519, 7.7872),
    ("kidneys", "M"): (1.3039, 1.8918, 2.0102, 2.2228, 2.4992, 2.7598, 2.9759, 3.1030, 4.7606),
    ("kidneys", "F"): (1.8060, 2.0148, 2.1430, 2.3843, 2.6525, 2.9706, 3.3083, 3.5188, 4.1845),
}
AUTOPET_MEAN: dict[tuple[str, Sex], float] = {
    ("liver", "M"): 2.2675,
    ("liver", "F"): 2.3515,
    ("heart", "M"): 2.4779,
    ("heart", "F"): 3.0669,
    ("kidneys", "M"): 2.5000,
    ("kidneys", "F"): 2.7036,
}
BMI_MEAN = {"M": 29.5, "F": 29.8}
BMI_SD = {"M": 6.2, "F": 7.3}
AGE_MEAN, AGE_SD = 59.4, 15.8
BMI_RANGE = (16.0, 48.0)
OWN_SHARE = 0.4
DAY_SHARE = {"heart": 0.5, "small_bowel": 0.5, "colon": 0.5, "urinary_bladder": 0.7, "stomach": 0.5}
OF_OTHER = "aorta"
FOCAL_SHARE = 116.0 / 302.0
MYOCARDIAL_SWING = {"diffuse": 0.35, "focal": 0.80}
LEFT_WALL_SHARE = 0.2
HOTTEST_MYOCARDIUM_SUV = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Uptake:
    """Target SUVmean by organ name of hedyPET, and the day's collecting system, brown fat and texture.

    `myocardial_swing` is the spread of ln uptake along the myocardium.
    """

    suv: Mapping[str, float]
    renal_pelvis: float
    ureter: float
    brown_fat: float
    prostate: float
    myocardial_swing: float


def uptake_at(patient: Patient, visit: str, seed: int) -> Uptake:
    """The uptake that a patient is painted with at a visit: streams "uptake" of the patient and of the visit."""
    return draw_uptake(patient, stream(seed, patient.id, "uptake"), stream(seed, patient.id, visit, "uptake"))


def draw_uptake(patient: Patient, body: Generator, day: Generator) -> Uptake:
    """One day's uptake: `body` gives what stays with the person, `day` what changes."""
    table = hedypet()
    order = table["residual_order"]
    root = np.linalg.cholesky(np.array(table["residual_correlation"]) + 1e-6 * np.eye(len(order)))
    lasting = dict(zip(order, root @ body.standard_normal(len(order)), strict=True))
    passing = dict(zip(order, root @ day.standard_normal(len(order)), strict=True))
    own = {name: (body.standard_normal(), day.standard_normal()) for name in sorted(table["ln_suv"])}
    suv = {}
    for name in table["ln_suv"]:
        stay, move = own[name]
        if name in lasting:
            stay, move = lasting[name], passing[name]
        else:
            stay, move = 0.6 * lasting[OF_OTHER] + 0.8 * stay, 0.6 * passing[OF_OTHER] + 0.8 * move
        share = DAY_SHARE.get(name, 0.2)
        z = float(np.clip(math.sqrt(1.0 - share) * stay + math.sqrt(share) * move, -2.8, 2.8))
        suv[name] = _autopet(name, patient, z) if (name, patient.sex) in AUTOPET else _regression(name, patient, z)
    brown = _brown_fat_chance(patient)
    return Uptake(
        suv=suv,
        renal_pelvis=float(np.clip(math.exp(2.45 + 0.55 * day.standard_normal()), 2.5, 35.0)),
        ureter=float(np.clip(math.exp(0.8 + 0.7 * day.standard_normal()), 0.5, 12.0)),
        brown_fat=float(2.0 + 5.0 * day.random()) if day.random() < brown else 0.0,
        prostate=float(math.exp(0.75 + 0.25 * body.standard_normal())),
        myocardial_swing=_swing(suv, MYOCARDIAL_SWING["focal" if day.random() < FOCAL_SHARE else "diffuse"]),
    )


def _swing(suv: Mapping[str, float], usual: float) -> float:
    """The usual swing (assumed), less where the whole wall is hot: two spreads above its mean lies 25 (AutoPET's
    SUVmax has its 95th percentile at 22). The left wall is taken as a fifth of the heart.
    """
    wall = max((suv["heart"] - (1.0 - LEFT_WALL_SHARE) * suv["aorta"]) / LEFT_WALL_SHARE, suv["aorta"])
    return max(0.1, min(usual, 0.5 * math.log(max(HOTTEST_MYOCARDIUM_SUV / wall, 1.0))))


def _bmi(patient: Patient) -> float:
    return min(max(patient.bmi_kg_m2, BMI_RANGE[0]), BMI_RANGE[1])


def _regression(name: str, patient: Patient, z: float) -> float:
    intercept, male, age, bmi, spread = hedypet()["ln_suv"][name]
    return math.exp(
        intercept
        + male * (patient.sex == "M")
        + age * (patient.age_years - 50.0) / 10.0
        + bmi * (_bmi(patient) - 25.0) / 5.0
        + spread * z
    )


def predicted(name: str, patient: Patient) -> float:
    """The regression's mean SUV of an organ (its median times the log-normal's exp(s^2 / 2))."""
    spread = float(hedypet()["ln_suv"][name][4])
    return _regression(name, patient, 0.0) * math.exp(spread**2 / 2.0)


def _autopet(name: str, patient: Patient, z: float) -> float:
    """The regression's z score within a population of AutoPET's age and US BMI, read off AutoPET's quantiles."""
    quantiles = AUTOPET[(name, patient.sex)]
    log_spread = math.log(quantiles[7] / quantiles[1]) / (2 * 1.645)
    _, _, age, bmi, _ = hedypet()["ln_suv"][name]
    explained_sd = math.hypot(bmi * BMI_SD[patient.sex] / 5.0, age * AGE_SD / 10.0)
    rest = math.sqrt(max(log_spread**2 - explained_sd**2, (OWN_SHARE * log_spread) ** 2))
    explained = bmi * (_bmi(patient) - BMI_MEAN[patient.sex]) / 5.0 + age * (patient.age_years - AGE_MEAN) / 10.0
    score = (explained + rest * z) / math.hypot(explained_sd, rest)
    return _mean_factor(name, patient.sex) * float(np.exp(np.interp(score, DEVIATES, np.log(quantiles))))


@cache
def _mean_factor(name: str, sex: Sex) -> float:
    """The figure's mean over the mean that its quantiles imply (0.97 to 1.01): both were read off it by eye."""
    deviates = np.array([NormalDist().inv_cdf((k + 0.5) / 2000) for k in range(2000)])
    implied = np.exp(np.interp(deviates, DEVIATES, np.log(AUTOPET[(name, sex)]))).mean()
    return AUTOPET_MEAN[(name, sex)] / float(implied)


def _brown_fat_chance(patient: Patient) -> float:
    """About 7.5 % of women and 3 % of men, falling with age (Cypess 2009, N Engl J Med 360:1509, recalled)."""
    base = 0.075 if patient.sex == "F" else 0.031
    return base * min(2.0, math.exp(-(patient.age_years - 50.0) / 25.0))
