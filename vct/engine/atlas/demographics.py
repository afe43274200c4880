"""Height and weight that fit a real case of known sex and age but unknown body size.

Candidates come from US adults given sex and age (NHANES 2017-2023: height and ln BMI linear and quadratic in age,
fitted with survey weights; CDC, public domain) and are weighted by how well they explain what the organ map shows: the
length of the trunk (r = 0.75 with height in 550 AutoPET crops, TotalGen `ratio.txt`), the volume of the
liver (R2 about 0.3 on body surface, Feng 2017, World J Gastroenterol 23:4968), the width of the chest and the
depth from kidneys to liver and stomach (correlations with ln BMI of 0.30 and 0.65 assumed).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vct.records import Sex

HEIGHT_CM = {"F": (161.038, -0.893, 6.716), "M": (174.994, -0.613, 7.387)}
LN_BMI = {"F": (3.4011, 0.0074, -0.0113, 0.2503), "M": (3.4038, 0.0067, -0.01323, 0.2061)}
TRUNK_HEIGHT_R = 0.75
CHEST_BMI_R = 0.30
BELLY_BMI_R = 0.65
LIVER_SURFACE_R = 0.55


def body_size(rng: Generator, sex: Sex, age_years: float, n: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    """Heights (cm) and weights (kg), each (n,), of US adults of a sex and age."""
    return size_at(sex, age_years, rng.standard_normal(n), rng.standard_normal(n))


def size_at(
    sex: Sex, age_years: float, height_z: NDArray[Any], bmi_z: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Heights (cm) and weights (kg) at normal deviates (n,) of height and of BMI among US adults of a sex and age."""
    t = (min(max(age_years, 18.0), 80.0) - 50.0) / 10.0
    mean, slope, spread = HEIGHT_CM[sex]
    height = np.clip(mean + slope * t + spread * height_z, 142.0, 203.0)
    level, linear, square, width = LN_BMI[sex]
    skewed = bmi_z + 0.06 * (bmi_z * bmi_z - 1.0)
    bmi = np.clip(np.exp(level + linear * t + square * t * t + width * skewed), 16.0, 50.0)
    return height, bmi * (height / 100.0) ** 2


def fitting_body_size(
    rng: Generator, sex: Sex, age_years: float, trunk_z: float, chest_z: float, belly_z: float, liver_z: float
) -> tuple[float, float]:
    """One height (cm) and weight (kg) for a case whose trunk length, chest width, depth of the belly and
    liver volume are given as z scores.

    The z scores are within sex, so that only their rank among the atlas's cases counts.
    """
    height, weight = body_size(rng, sex, age_years, 400)
    bmi = weight / (height / 100.0) ** 2
    surface = np.sqrt(height * weight / 3600.0)
    log_weight = np.zeros(400)
    for seen, candidate, r in (
        (trunk_z, height, TRUNK_HEIGHT_R),
        (chest_z, np.log(bmi), CHEST_BMI_R),
        (belly_z, np.log(bmi), BELLY_BMI_R),
        (liver_z, surface, LIVER_SURFACE_R),
    ):
        z = (candidate - candidate.mean()) / candidate.std()
        log_weight -= 0.5 * (np.clip(seen, -2.5, 2.5) - r * z) ** 2 / (1.0 - r * r)
    share = np.exp(log_weight - log_weight.max())
    chosen = int(rng.choice(400, p=share / share.sum()))
    return float(height[chosen]), float(weight[chosen])
