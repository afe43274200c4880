"""Analysis of covariance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vct.stats.regression import Ancova

Make = Callable[..., Any]

BEFORE = {
    "F": [16, 13, 11, 9, 21, 16, 12, 12, 7, 12],
    "A": [11, 8, 5, 14, 19, 6, 10, 6, 11, 3],
    "D": [6, 6, 7, 8, 18, 8, 19, 8, 5, 15],
}
AFTER = {
    "F": [13, 10, 18, 5, 23, 12, 5, 16, 1, 20],
    "A": [6, 0, 2, 8, 11, 4, 13, 1, 8, 0],
    "D": [0, 2, 3, 1, 18, 4, 14, 9, 1, 9],
}


def test_golden_ancova_leprosy(trial: Make) -> None:
    """Snedecor and Cochran 1967, p. 422, as printed in the SAS/STAT User's Guide, PROC GLM, example "Analysis of
    Covariance": differences from F of -3.446138 (SE 1.886781, p .0793) for A and -3.337167 (1.853866, .0835) for D.
    """
    rows = trial(AFTER, baselines=BEFORE).rows(Ancova(endpoint="e"))
    assert [(row.arm, row.reference) for row in rows] == [("A", "F"), ("D", "F")]
    assert [row.estimate for row in rows] == pytest.approx([-3.446138, -3.337167], abs=1e-6)
    assert [row.p_value for row in rows] == pytest.approx([0.0793, 0.0835], abs=5e-5)
    errors = [row.estimate / row.statistic for row in rows]
    assert errors == pytest.approx([1.886781, 1.853866], abs=1e-6)


def test_second_implementation_ancova_by_residuals(trial: Make) -> None:
    """Frisch, Waugh and Lovell: regress the arm and the outcome on the covariates, then one on the other."""
    rng = np.random.default_rng(4)
    n = 30
    baselines = {arm: list(rng.normal(10, 2, n)) for arm in "ab"}
    strata = {arm: list(rng.choice(["x", "y", "z"], n)) for arm in "ab"}
    groups = {arm: [b * 0.7 + rng.normal() for b in baselines[arm]] for arm in "ab"}
    made = trial(groups, baselines=baselines, strata=strata)
    row = made.row(Ancova(endpoint="e", covariates=("baseline", "stratum", "sex", "age")))
    ages = [patient.age_years for patient in made.patients]
    women = [patient.sex == "F" for patient in made.patients]
    labels = [patient.stratum for patient in made.patients]
    others = np.column_stack(
        [np.ones(2 * n), [*baselines["a"], *baselines["b"]], ages, women]
        + [[label == level for label in labels] for level in "xy"]
    ).astype(float)
    values, arm = np.array([*groups["a"], *groups["b"]]), np.repeat([0.0, 1.0], n)
    y, x = (v - others @ np.linalg.lstsq(others, v, rcond=None)[0] for v in (values, arm))
    slope = float(x @ y / (x @ x))
    df = 2 * n - 7
    error = float(np.sqrt(((y - slope * x) ** 2).sum() / df / (x @ x)))
    assert row.estimate == pytest.approx(slope)
    assert row.ci_high == pytest.approx(slope + stats.t.ppf(0.975, df) * error)


def test_without_covariates_it_is_student_t(trial: Make) -> None:
    row = trial({"F": AFTER["F"], "A": AFTER["A"]}).row(Ancova(endpoint="e", covariates=()))
    assert row.p_value == pytest.approx(stats.ttest_ind(AFTER["A"], AFTER["F"]).pvalue)


def test_patients_without_a_baseline_are_missing(trial: Make) -> None:
    baselines = {"F": [None, *BEFORE["F"][1:]], "A": BEFORE["A"], "D": BEFORE["D"]}
    row = trial(AFTER, baselines=baselines).rows(Ancova(endpoint="e"))[0]
    assert (row.n, row.n_reference, row.n_missing) == (10, 9, 1)


def test_useless_covariates_change_nothing(trial: Make) -> None:
    made = trial(AFTER, baselines=BEFORE)
    plain, loaded = (
        made.rows(Ancova(endpoint="e", covariates=names)) for names in (("baseline",), ("baseline", "stratum"))
    )
    assert [row.p_value for row in plain] == pytest.approx([row.p_value for row in loaded])


def test_an_empty_arm_leaves_the_others_alone(trial: Make) -> None:
    rows = trial({**AFTER, "A": [None] * 10}, baselines=BEFORE).rows(Ancova(endpoint="e"))
    assert rows[0].estimate is None
    assert "cannot be told apart" in rows[0].note
    assert rows[1].estimate is not None
