"""Lesions of one patient resemble each other in replicates, as much as the closed form of clustered lesions says."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vct.course.disease import normal_correlation
from vct.course.many import lesions_on, origins, responses
from vct.course.metastatic import Metastatic
from vct.course.treatment import Effect, Treatment
from vct.rng import stream
from vct.stats.power import design_effect, patients_for_lesions, two_means

TRIALS, PATIENTS = 3000, 30
BETWEEN, WITHIN = 0.3, 0.4
"""Standard deviations of the log change of uptake, between patients and between their lesions."""
SD = float(np.hypot(BETWEEN, WITHIN))
CORRELATION = 0.4
"""Rank correlation of the uptakes of one patient's lesions."""
LONG_AFTER = 400.0
"""A day on which a treatment has had its whole effect."""
FIVE = {"kind": "constant", "value": 5}
SOME = {"kind": "truncated", "low": 1, "high": 40, "of": {"kind": "lognormal", "median": 4, "geometric_sd": 2.0}}


def lesions(count: dict[str, Any], day: float, patients: int, change: float = -0.3) -> tuple[np.ndarray, np.ndarray]:
    """Owner and log uptake of every lesion that the arrays of the replicates draw."""
    course = Metastatic.model_validate(
        {
            "disease": {
                "count": count,
                "sites": {"lung": 1},
                "diameter_mm": {"kind": "constant", "value": 30},
                "suv": {"kind": "lognormal", "median": 8, "geometric_sd": 1.2},
                "between_lesion_correlation": CORRELATION,
            }
        }
    )
    effect = Effect(
        uptake_change=change, uptake_sd_between_patients=BETWEEN, uptake_sd_between_lesions=WITHIN, growth_ratio=0
    )
    treatment = Treatment(responder_fraction=1.0, responders=effect)
    streams = partial(stream, 8, "clusters")
    nobody = np.zeros(patients)
    born = origins(course, patients, 0.0, streams)
    luck = streams("luck").standard_normal(patients)
    response = responses([treatment], nobody.astype(np.intp), nobody, luck)
    now = lesions_on(course, born, response, nobody + day, nobody, np.zeros(born.owner.size))
    return now.owner, np.log(now.suv) - (np.log(born.suv) if day else 0.0)


@pytest.mark.parametrize("count", [FIVE, SOME], ids=["as many in each patient", "more in some than in others"])
@pytest.mark.parametrize("day", [0.0, LONG_AFTER], ids=["uptake", "change of uptake"])
def test_lesions_of_one_patient_are_worth_what_the_design_effect_says(count: dict[str, Any], day: float) -> None:
    owner, value = lesions(count, day, TRIALS * PATIENTS)
    each = np.bincount(owner)
    icc = BETWEEN**2 / SD**2 if day else normal_correlation(CORRELATION)
    trial = owner // PATIENTS
    n = np.bincount(trial)
    means = np.bincount(trial, weights=value) / n
    found = means.var(ddof=1) / (value.var() * (1.0 / n).mean())
    expected = design_effect(each.mean(), icc, each.std() / each.mean())
    assert expected > 2.0
    # 4 Monte Carlo standard errors of a variance; and trials differ in how uneven they are, which the formula averages.
    assert found == pytest.approx(expected, rel=4.0 * np.sqrt(2.0 / TRIALS) + 0.03 * (count is SOME))


def test_patients_for_lesions_reach_the_power_that_independent_lesions_have() -> None:
    change, reference = -0.45, -0.3
    effect = np.log1p(change) - np.log1p(reference)
    apart = two_means(abs(effect), SD, power=0.8)
    arm = patients_for_lesions(apart.control, 5.0, BETWEEN**2 / SD**2)
    assert apart.control / 5 < arm < apart.control
    trials = 2000
    size = trials * 2 * arm
    owner, value = lesions(FIVE, LONG_AFTER, size, reference)
    means = (np.bincount(owner, weights=value) / 5.0).reshape(trials, 2, arm)
    means[:, 1] += effect
    power = float((stats.ttest_ind(means[:, 0], means[:, 1], axis=1).pvalue <= 0.05).mean())
    # The closed form takes degrees of freedom from lesions, the test has those of patients: up to 0.02 less.
    assert -0.02 - 4.0 * np.sqrt(0.16 / trials) < power - apart.power < 4.0 * np.sqrt(0.16 / trials)
    ignoring = stats.ttest_ind(*np.moveaxis((value.reshape(trials, 2, -1)), 1, 0), axis=1).pvalue <= 0.05
    assert ignoring.mean() > 0.1
