"""Repeatability and Bland-Altman."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vct.stats.agreement import Repeatability

Make = Callable[..., Any]

WRIGHT = (
    (494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427),
    (490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421),
)
MINI = (
    (512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451),
    (525, 415, 508, 444, 500, 625, 460, 390, 642, 432, 420, 605, 227, 467, 268, 370, 443),
)
"""Peak expiratory flow of 17 people, l/min, by two meters, twice each: Bland and Altman 1986, table I."""


def pairs(first: Any, second: Any) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in zip(first, second, strict=True)]


def found(made: Any, **options: Any) -> dict[str, Any]:
    return {row.quantity: row for row in made.rows(Repeatability(endpoint="e", **options))}


@pytest.mark.parametrize(("readings", "coefficient", "within"), [(WRIGHT, 43.2, 15.3), (MINI, 56.4, 19.9)])
def test_golden_repeatability_peak_flow(trial: Make, readings: Any, coefficient: float, within: float) -> None:
    """Bland and Altman 1986, doi 10.1016/S0140-6736(86)90837-8: coefficients of repeatability of 43.2 and 56.4 l/min,
    with 2 in place of our 1.96.
    """
    rows = found(trial({"a": pairs(*readings)}, visits=("first", "second")), scale="absolute")
    assert rows["within-patient SD"].estimate == pytest.approx(within, abs=0.06)
    assert rows["repeatability coefficient"].estimate * 2 / 1.959964 == pytest.approx(coefficient, abs=0.1)


def test_golden_repeatability_limits_of_agreement(trial: Make) -> None:
    """Bland and Altman 1986: large against mini meter, mean difference -2.1, SD 38.8, limits (2 SD) -79.7 and 75.5,
    their 95 % intervals -114.3 to -45.1 and 40.9 to 110.1.
    """
    rows = found(trial({"a": pairs(MINI[0], WRIGHT[0])}, visits=("mini", "large")), scale="absolute")
    assert rows["bias"].estimate == pytest.approx(-2.1, abs=0.05)
    low, high = rows["lower limit of agreement"], rows["upper limit of agreement"]
    spread = (high.estimate - low.estimate) / (2 * 1.959964)
    assert spread == pytest.approx(38.8, abs=0.05)
    assert (-2.1 - 2 * spread, -2.1 + 2 * spread) == pytest.approx((-79.7, 75.5), abs=0.2)
    assert low.ci_high - low.ci_low == pytest.approx(114.3 - 45.1, rel=0.01)
    assert high.ci_high - high.ci_low == pytest.approx(110.1 - 40.9, rel=0.01)


def test_a_known_log_error_is_recovered_with_its_limits(trial: Make) -> None:
    """SD 0.1188 of ln SUV gives limits of -28 and +39 % (ACRIN 6678; Weber 2015, J Nucl Med 56:1137)."""
    rng = np.random.default_rng(10)
    truth = rng.lognormal(2.0, 0.5, 20000)
    scans = [truth * np.exp(rng.normal(0.0, 0.1188, truth.size)) for _ in range(2)]
    rows = found(trial({"a": pairs(*scans)}, visits=("test", "retest")))
    assert rows["within-patient CV"].estimate == pytest.approx(100 * np.sqrt(np.exp(0.1188**2) - 1), rel=0.02)
    assert rows["repeatability limit, fall"].estimate == pytest.approx(-28.0, abs=0.5)
    assert rows["repeatability limit, rise"].estimate == pytest.approx(39.0, abs=0.8)
    assert rows["bias"].estimate == pytest.approx(0.0, abs=0.5)
    assert {row.unit for row in rows.values()} == {"%"}
    for row in rows.values():
        assert row.ci_low < row.estimate < row.ci_high


def test_the_intervals_cover_the_truth() -> None:
    from vct.stats.agreement import limits_of_agreement, within_patient_sd

    rng = np.random.default_rng(11)
    hits = np.zeros(2)
    for _ in range(1000):
        differences = rng.normal(0.0, np.sqrt(2.0), 15)
        upper = limits_of_agreement(differences, 0.95)[2]
        for index, (result, truth) in enumerate(
            ((within_patient_sd(differences, 0.95), 1.0), (upper, 1.959964 * np.sqrt(2.0)))
        ):
            hits[index] += (result.ci_low or 0.0) <= truth <= (result.ci_high or 0.0)
    assert hits / 1000 == pytest.approx([0.95, 0.95], abs=0.025)


def test_readings_that_have_no_logarithm_are_missing(trial: Make) -> None:
    made = trial({"a": [(5.0, 5.5), (0.0, 1.0), (4.0, 3.9), (None, 2.0)]}, visits=("test", "retest"))
    row = made.rows(Repeatability(endpoint="e"))[0]
    assert (row.n, row.n_missing) == (2, 2)


def test_one_visit_or_one_pair_is_not_enough(trial: Make) -> None:
    assert trial({"a": [1.0, 2.0]}).row(Repeatability(endpoint="e")).note == "needs two visits"
    one = trial({"a": [(1.0, 2.0)]}, visits=("test", "retest")).row(Repeatability(endpoint="e"))
    assert one.note == "needs two patients with both scans"


def test_perfect_agreement_has_no_interval(trial: Make) -> None:
    rows = found(trial({"a": [(5.0, 5.0), (4.0, 4.0), (7.0, 7.0)]}, visits=("test", "retest")))
    assert rows["within-patient CV"].estimate == 0.0
    assert rows["within-patient CV"].ci_low is None
    assert "agree" in rows["within-patient CV"].note
