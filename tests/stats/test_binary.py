"""Risk difference and its score intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from vct.stats.binary import RiskDifference, miettinen_nurminen, newcombe, score

Make = Callable[..., Any]

NEWCOMBE_1998 = [
    ((56, 70, 48, 80), (0.0524, 0.3339), (0.0528, 0.3382)),
    ((9, 10, 3, 10), (0.1705, 0.8090), (0.1700, 0.8406)),
    ((6, 7, 2, 7), (0.0582, 0.8062), (0.0342, 0.8534)),
    ((5, 56, 0, 29), (-0.0381, 0.1926), (-0.0326, 0.1933)),
    ((0, 10, 0, 20), (-0.1611, 0.2775), (-0.1658, 0.2844)),
    ((0, 10, 0, 10), (-0.2775, 0.2775), (-0.2879, 0.2879)),
    ((10, 10, 0, 20), (0.6791, 1.0), (0.7156, 1.0)),
    ((10, 10, 0, 10), (0.6075, 1.0), (0.6636, 1.0)),
]


@pytest.mark.parametrize(("table", "hybrid", "inverted"), NEWCOMBE_1998)
def test_golden_risk_difference_intervals(
    table: tuple[int, int, int, int], hybrid: tuple[float, float], inverted: tuple[float, float]
) -> None:
    """Newcombe 1998, Interval estimation for the difference between independent proportions, table II (a) to (h),
    methods 10 and 6, doi 10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.
    """
    assert newcombe(*table, 0.95) == pytest.approx(hybrid, abs=5e-5)
    assert miettinen_nurminen(*table, 0.95) == pytest.approx(inverted, abs=5e-5)


def test_second_implementation_risk_difference_newcombe_against_statsmodels() -> None:
    rng = np.random.default_rng(6)
    for _ in range(5):
        n1, n0 = (int(n) for n in rng.integers(5, 60, 2))
        k1, k0 = int(rng.integers(1, n1)), int(rng.integers(1, n0))
        found = confint_proportions_2indep(k1, n1, k0, n0, method="newcomb", compare="diff", alpha=0.1)
        assert newcombe(k1, n1, k0, n0, 0.9) == pytest.approx(found, abs=1e-9)


def test_second_implementation_risk_difference_score_by_maximising_the_likelihood() -> None:
    """The limits of Miettinen and Nurminen turn a score test whose variance is fitted by brute force.

    (The closed form in statsmodels 0.15.0 gives other rates, and nan for some tables, so it is no witness here.)
    """
    rng = np.random.default_rng(6)
    grid = np.linspace(0, 1, 200_001)
    for _ in range(4):
        n1, n0 = (int(n) for n in rng.integers(5, 60, 2))
        k1, k0 = int(rng.integers(1, n1)), int(rng.integers(1, n0))
        for limit in miettinen_nurminen(k1, n1, k0, n0, 0.9):
            p0 = grid[(grid + limit > 0) & (grid + limit < 1)][1:-1]
            p1 = p0 + limit
            best = np.argmax(stats.binom.logpmf(k1, n1, p1) + stats.binom.logpmf(k0, n0, p0))
            variance = (p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)[best] * (n1 + n0) / (n1 + n0 - 1)
            z = (k1 / n1 - k0 / n0 - limit) / np.sqrt(variance)
            assert abs(z) == pytest.approx(1.644854, abs=1e-4)


def test_the_test_is_pearsons_with_n_minus_1() -> None:
    chi2 = stats.chi2_contingency([[56, 14], [48, 32]], correction=False).statistic
    assert score(56, 70, 48, 80, 0.0) ** 2 == pytest.approx(chi2 * 149 / 150)


def test_the_row_says_who_responded(trial: Make) -> None:
    made = trial({"a": [1] * 48 + [0] * 32, "b": [1] * 56 + [0] * 14 + [None] * 2}, "verdicts")
    row = made.row(RiskDifference(endpoint="e", interval="miettinen_nurminen"))
    assert row.estimate == pytest.approx(0.2)
    assert (row.ci_low, row.ci_high) == pytest.approx((0.0528, 0.3382), abs=5e-5)
    assert (row.n, row.n_reference, row.n_missing, row.unit) == (70, 80, 2, "1")
    assert row.note == "56 of 70 against 48 of 80"


@pytest.mark.slow
def test_the_intervals_cover_as_often_as_they_say() -> None:
    """Exact coverage over all tables of 20 and 30 patients; both methods are known to average close to nominal."""
    rates = [(0.1, 0.3), (0.5, 0.5), (0.8, 0.6), (0.05, 0.05)]
    limits = {
        (k1, k0): (newcombe(k1, 20, k0, 30, 0.95), miettinen_nurminen(k1, 20, k0, 30, 0.95))
        for k1 in range(21)
        for k0 in range(31)
    }
    for p1, p0 in rates:
        covered = np.zeros(2)
        for (k1, k0), pair in limits.items():
            weight = stats.binom.pmf(k1, 20, p1) * stats.binom.pmf(k0, 30, p0)
            covered += [weight * (low <= p1 - p0 <= high) for low, high in pair]
        assert (covered > 0.93).all(), (p1, p0, covered)
