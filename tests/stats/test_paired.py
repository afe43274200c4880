"""The paired t test on twins and on visits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vct.stats.paired import PairedT

Make = Callable[..., Any]

FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
GOLDEN = (-1.58, -2.459885763, -0.700114237, -4.062128, 0.00283289)
"""Student 1908 (doi 10.1093/biomet/6.1.1), as printed by R 4.2.2's `t.test(..., paired = TRUE)`."""


def test_golden_paired_t_twins(trial: Make) -> None:
    row = trial({"2": SECOND, "1": FIRST}, twins=True).row(PairedT(endpoint="e"))
    assert (row.estimate, row.ci_low, row.ci_high, row.statistic, row.p_value) == pytest.approx(GOLDEN, rel=1e-6)
    assert (row.arm, row.reference, row.n, row.n_reference, row.n_missing) == ("1", "2", 10, 10, 0)


def test_golden_paired_t_visits(trial: Make) -> None:
    made = trial({"a": list(zip(SECOND, FIRST, strict=True))}, visits=("before", "after"))
    row = made.row(PairedT(endpoint="e", reference_visit="before"))
    assert (row.estimate, row.ci_low, row.ci_high, row.statistic, row.p_value) == pytest.approx(GOLDEN, rel=1e-6)
    assert (row.arm, row.reference, row.visit) == ("a", "", "after")
    assert row.quantity == "mean paired difference, after - before"


def test_incomplete_pairs_are_missing(trial: Make) -> None:
    made = trial({"2": [*SECOND[:9], None], "1": [None, *FIRST[1:]]}, twins=True)
    row = made.row(PairedT(endpoint="e"))
    assert (row.n, row.n_reference, row.n_missing) == (8, 8, 4)


def test_arms_without_twins_say_so(trial: Make) -> None:
    row = trial({"2": SECOND, "1": FIRST}).row(PairedT(endpoint="e"))
    assert (row.estimate, row.n) == (None, 0)
    assert "both arms" in row.note
