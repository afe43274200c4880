from __future__ import annotations

import math

import numpy as np
import pytest

from vct.records import Outcome, Patient
from vct.stats.reader_agreement import ReaderAgreement
from vct.stats.readers import all_agree, fleiss, icc, mean_weighted_kappa

SHROUT = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)


def test_golden_reader_agreement_intraclass_correlations() -> None:
    """Shrout and Fleiss 1979, table 4: six targets, four judges."""
    expected = {"ICC1": 0.17, "ICC2": 0.29, "ICC3": 0.71, "ICC1k": 0.44, "ICC2k": 0.62, "ICC3k": 0.91}
    found = icc(SHROUT)
    assert {name: round(value, 2) for name, value in found.items()} == expected


def test_readers_who_agree_have_1_and_without_variation_there_is_none() -> None:
    same = np.repeat(np.arange(5.0)[:, None], 3, axis=1)
    assert icc(same)["ICC2"] == pytest.approx(1.0)
    assert math.isnan(icc(np.ones((4, 3)))["ICC2"])
    assert math.isnan(fleiss([["a", "a"], ["a", "a"]]))
    assert fleiss([["a", "a"], ["b", "b"]]) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="two cases"):
        icc(np.ones((1, 3)))


def test_golden_reader_agreement_fleiss_kappa() -> None:
    """Fleiss 1971 as worked through in the standard example: 10 subjects, 14 raters, 5 categories, kappa 0.210."""
    counts = [
        *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
        *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
    ]
    table = [[str(category) for category, n in enumerate(row) for _ in range(n)] for row in counts]
    assert fleiss(table) == pytest.approx(0.210, abs=5e-4)


def test_near_misses_weigh_less() -> None:
    near = [["1", "2"], ["3", "4"], ["5", "5"], ["1", "1"]]
    far = [["1", "5"], ["3", "4"], ["5", "5"], ["1", "1"]]
    order = ("1", "2", "3", "4", "5")
    assert mean_weighted_kappa(near, order) > 0.9 > mean_weighted_kappa(far, order)
    assert all_agree(near) == 0.5


def outcomes(values: np.ndarray, categories: list[list[str]] | None = None) -> list[Outcome]:
    return [
        Outcome(
            patient=f"P{case}",
            arm="A",
            endpoint="x",
            visit="w8",
            value=float(value),
            unit="%",
            reader=f"R{reader}",
            category=categories[case][reader] if categories else "",
        )
        for case, row in enumerate(values)
        for reader, value in enumerate(row)
    ]


def test_the_analysis_reports_numbers_and_categories() -> None:
    patients = [
        Patient(id=f"P{number}", arm="A", sex="F", age_years=60, height_cm=165, weight_kg=70) for number in range(7)
    ]
    analysis = ReaderAgreement(endpoint="x")
    found = {item.quantity: item for item in analysis.compare(outcomes(SHROUT), patients, ["A"])}
    assert found["ICC(2,1)"].estimate == pytest.approx(0.29, abs=0.005)
    assert (found["ICC(2,1)"].n, found["ICC(2,1)"].n_missing) == (6, 1)
    pair = {item.quantity: item for item in analysis.compare(outcomes(SHROUT[:, :2]), patients, ["A"])}
    assert pair["bias"].estimate == pytest.approx(-31 / 6)
    scores = [["1", "2"], ["3", "4"], ["5", "5"], ["1", "1"], ["4", "4"], ["2", "2"]]
    graded = ReaderAgreement(endpoint="x", order=("1", "2", "3", "4", "5"))
    kappas = {
        item.quantity: item.estimate for item in graded.compare(outcomes(np.ones((6, 2)), scores), patients, ["A"])
    }
    assert kappas["all readers agree"] == pytest.approx(4 / 6)
    assert set(kappas) == {"Fleiss kappa", "all readers agree", "weighted kappa"}
    (alone,) = analysis.compare(outcomes(SHROUT[:, :1]), patients, ["A"])
    assert (alone.estimate, alone.note) == (None, "needs two readers")
