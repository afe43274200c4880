"""Which case lends a patient its organs: likelier the closer age, height and BMI are, all cases used equally often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vct.engine.atlas.case import CaseRow
from vct.engine.atlas.demographics import body_size
from vct.records import Patient, Sex

SPREADS = np.array([4.0, 5.5, 0.12])
FARTHEST = -60.0
PATIENTS = 3000
ROUNDS = 40


def choose_case(rows: Sequence[CaseRow], patient: Patient, rng: Generator) -> CaseRow:
    """A case of the patient's sex; kernels of 4 years, 5.5 cm and 12 % of BMI (assumed) times the case's own weight."""
    same = [row for row in rows if row.sex == patient.sex]
    cases = _traits([row.age_years for row in same], [row.height_cm for row in same], [row.weight_kg for row in same])
    who = _traits([patient.age_years], [patient.height_cm], [patient.weight_kg])
    scores = _closeness(who, cases)[0] + np.array([row.log_weight for row in same])
    weights = np.exp(scores - scores.max())
    return same[int(rng.choice(len(same), p=weights / weights.sum()))]


def even_weights(
    sex: Sex, age_years: NDArray[Any], height_cm: NDArray[Any], weight_kg: NDArray[Any], rng: Generator
) -> NDArray[np.float64]:
    """Log weights (n,) of one sex's cases at which patients of the cases' ages and US body sizes use each alike.

    Without them cases of common size would be drawn more often than those of rare size, and organ volumes would lose
    spread and shift. Found by iterative proportional fitting.
    """
    ages = rng.choice(age_years, PATIENTS)
    sizes = [body_size(rng, sex, float(age)) for age in ages]
    patients = _traits(ages, [float(h[0]) for h, _ in sizes], [float(w[0]) for _, w in sizes])
    scores = _closeness(patients, _traits(age_years, height_cm, weight_kg))
    log_weight = np.zeros(len(age_years))
    for _ in range(ROUNDS):
        share = np.exp(scores + log_weight - (scores + log_weight).max(axis=1, keepdims=True))
        used = (share / share.sum(axis=1, keepdims=True)).mean(axis=0) * len(age_years)
        log_weight -= 0.7 * np.log(np.maximum(used, 1e-3))
        log_weight = np.clip(log_weight - log_weight.mean(), -3.0, 3.0)
    return log_weight


def _traits(age_years: Any, height_cm: Any, weight_kg: Any) -> NDArray[np.float64]:
    """(n, 3): age, height and ln BMI in units of their kernels."""
    height, weight = np.asarray(height_cm, float), np.asarray(weight_kg, float)
    traits = np.stack([np.asarray(age_years, float), height, np.log(weight / (height / 100.0) ** 2)], axis=1)
    scaled: NDArray[np.float64] = traits / SPREADS
    return scaled


def _closeness(patients: NDArray[np.float64], cases: NDArray[np.float64]) -> NDArray[np.float64]:
    square = ((patients[:, None, :] - cases[None, :, :]) ** 2).sum(axis=2)
    found: NDArray[np.float64] = np.maximum(-0.5 * square, FARTHEST)
    return found
