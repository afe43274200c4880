"""Welch and Mann-Whitney."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vct.stats.two_sample import MannWhitney, WelchT, mann_whitney, null_of_u, welch

Make = Callable[..., Any]

SLEEP = {
    "1": [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    "2": [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
}


def test_golden_welch_t_sleep(trial: Make) -> None:
    """Student 1908, hours of extra sleep; the Welch test as printed in the help page of R's `t.test` (R 4.2.2)."""
    row = trial({"2": SLEEP["2"], "1": SLEEP["1"]}).row(WelchT(endpoint="e"))
    assert row.statistic == pytest.approx(-1.860813, abs=1e-6)
    assert row.p_value == pytest.approx(0.0793941, abs=1e-7)
    assert (row.ci_low, row.ci_high) == pytest.approx((-3.365483231, 0.205483231), abs=1e-8)
    assert (row.estimate, row.n, row.n_reference, row.unit) == (pytest.approx(-1.58), 10, 10, "%")


def test_golden_mann_whitney_chorioamnion(trial: Make) -> None:
    """Hollander and Wolfe 1973, p. 69: permeability of the human chorioamnion; the example of R's `wilcox.test`.

    U, shift and interval as printed by R 4.2.2: W = 35, p = 0.2544, shift 0.305, limits -0.15 and 0.76.
    """
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    row = trial({"early": early, "term": term}).row(MannWhitney(endpoint="e"))
    assert row.statistic == 35.0
    assert row.p_value == pytest.approx(0.254412, abs=1e-6)
    assert (row.estimate, row.ci_low, row.ci_high) == pytest.approx((0.305, -0.15, 0.76))


def test_second_implementation_welch_t_against_scipy() -> None:
    rng = np.random.default_rng(1)
    for n, m, spread in ((2, 3, 1.0), (7, 4, 5.0), (40, 11, 0.2)):
        x, y = rng.normal(1.0, 1.0, n), rng.normal(0.0, spread, m)
        ours, theirs = welch(x, y, 0.9), stats.ttest_ind(x, y, equal_var=False)
        limits = theirs.confidence_interval(0.9)
        assert (ours.statistic, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))
        assert (ours.ci_low, ours.ci_high) == pytest.approx((limits.low, limits.high))


def test_second_implementation_mann_whitney_null_distribution() -> None:
    """The recursion against all orders of 3 and 4 values, and against scipy's exact p."""
    from itertools import combinations

    counts = np.zeros(13)
    for places in combinations(range(7), 3):
        counts[sum(places) - 3] += 1
    assert null_of_u(3, 4) == pytest.approx(counts / counts.sum())
    x, y = np.arange(20.0), np.arange(15.0) + 4.5
    test = stats.mannwhitneyu(x, y, method="exact")
    low = int(min(test.statistic, 300 - test.statistic))
    assert 2 * null_of_u(20, 15)[: low + 1].sum() == pytest.approx(test.pvalue)


def test_second_implementation_mann_whitney_interval_excludes_what_the_test_rejects() -> None:
    """The limits are those shifts at which the exact test turns, the definition of the interval."""
    rng = np.random.default_rng(2)
    for n, m in ((6, 9), (12, 8), (25, 30)):
        x, y = rng.normal(1.0, 1.0, n), rng.normal(0.0, 1.0, m)
        result = mann_whitney(x, y, 0.95)
        assert result.ci_low is not None
        assert result.ci_high is not None
        for limit, inward in ((result.ci_low, 1e-9), (result.ci_high, -1e-9)):
            inside = stats.mannwhitneyu(x - limit - inward, y, method="exact").pvalue
            outside = stats.mannwhitneyu(x - limit + inward, y, method="exact").pvalue
            assert outside <= 0.05 < inside


def test_the_normal_interval_agrees_with_the_exact_one_in_large_arms() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(0.5, 1.0, 49), rng.normal(0.0, 1.0, 49)
    exact = mann_whitney(x, y, 0.95)
    normal = mann_whitney(np.append(x, np.median(x)), np.append(y, np.median(y)), 0.95)
    assert (normal.ci_low, normal.ci_high) == pytest.approx((exact.ci_low, exact.ci_high), abs=0.03)


def test_ties_are_handled_as_scipy_does() -> None:
    x, y = np.array([1.0, 2.0, 2.0, 3.0, 5.0]), np.array([2.0, 2.0, 4.0, 4.0])
    assert mann_whitney(x, y, 0.95).p_value == pytest.approx(stats.mannwhitneyu(x, y, method="asymptotic").pvalue)
