"""What is said of one arm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from vct.stats.summary import OneSample, Summary, mean_without_test, median, rate, spread

Make = Callable[..., Any]

SLEEP = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]


@pytest.mark.parametrize(
    ("count", "n", "wilson", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_golden_summary_rates(count: int, n: int, wilson: tuple[float, float], exact: tuple[float, float]) -> None:
    """Newcombe 1998, Two-sided confidence intervals for the single proportion, table I (methods 3 and 5), doi
    10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E.
    """
    for interval, limits in (("wilson", wilson), ("clopper_pearson", exact)):
        result = rate("response rate", count, n, 0.95, interval)
        assert (result.ci_low, result.ci_high) == pytest.approx(limits, abs=5e-5)
        assert result.estimate == count / n


def test_golden_summary_mean() -> None:
    """Student 1908, first drug: mean 0.75, limits as printed by R 4.2.2's `t.test`."""
    result = mean_without_test(np.array(SLEEP), 0.95)
    assert (result.estimate, result.ci_low, result.ci_high) == pytest.approx((0.75, -0.529780414, 2.029780414))
    assert result.p_value is None


def test_second_implementation_summary_spread_and_median() -> None:
    """Limits of the SD invert the chi-squared test; the median's have the binomial's exact coverage."""
    values = np.array(SLEEP)
    result = spread(values, 0.95)
    for limit, tail in ((result.ci_low, 0.025), (result.ci_high, 0.975)):
        assert limit is not None
        assert stats.chi2.sf(9 * values.var(ddof=1) / limit**2, 9) == pytest.approx(tail)
    middle = median(values, 0.95)
    assert (middle.estimate, middle.ci_low, middle.ci_high) == pytest.approx((0.35, -1.2, 3.4))
    assert 1 - 2 * stats.binom.cdf(1, 10, 0.5) >= 0.95 > 1 - 2 * stats.binom.cdf(2, 10, 0.5)
    assert median(values[:5], 0.95).ci_low is None, "five values cannot give 95 %"
    assert median(values[:6], 0.95).ci_low == -1.6


def test_numbers_are_summarised_by_mean_median_and_sd(trial: Make) -> None:
    rows = trial({"a": [*SLEEP, None], "b": SLEEP}).rows(Summary(endpoint="e"))
    assert [(row.arm, row.quantity) for row in rows] == [
        (arm, quantity) for arm in "ab" for quantity in ("mean", "median", "SD")
    ]
    assert {(row.n, row.n_missing) for row in rows if row.arm == "a"} == {(10, 1)}
    assert {row.reference for row in rows} == {""}


def test_verdicts_are_summarised_by_rates(trial: Make) -> None:
    rows = trial({"a": [1, 1, 0, 1, None]}, "verdicts").rows(Summary(endpoint="e"))
    assert {row.quantity: row.estimate for row in rows} == {"response rate": 0.75, "share NR": 0.25, "share R": 0.75}
    assert rows[0].note == "3 of 4"
    assert rows[0].unit == "1"


def test_golden_one_sample_mendel(trial: Make) -> None:
    """Conover 1971, p. 97 (Mendel's peas), the example of R's `binom.test`: 682 of 925 against 3/4."""
    made = trial({"a": [1] * 682 + [0] * 243}, "verdicts")
    row = made.row(OneSample(endpoint="e", null_rate=0.75))
    assert row.p_value == pytest.approx(0.382492, abs=1e-6)
    assert (row.ci_low, row.ci_high) == pytest.approx((0.707668264, 0.765406558), abs=1e-8)


def test_golden_one_sample_mean(trial: Make) -> None:
    """Student 1908, first drug, against 0: t and p as printed by R 4.2.2's `t.test`."""
    row = trial({"a": SLEEP}).row(OneSample(endpoint="e", null_mean=0.0))
    assert (row.statistic, row.p_value) == pytest.approx((1.32571, 0.217598), abs=1e-5)


def test_one_sided_alternatives(trial: Make) -> None:
    numbers, verdicts = trial({"a": SLEEP}), trial({"a": [1] * 12 + [0] * 13}, "verdicts")
    for side in ("greater", "less"):
        mean = numbers.row(OneSample(endpoint="e", null_mean=1.0, alternative=side))
        assert mean.p_value == pytest.approx(stats.ttest_1samp(SLEEP, 1.0, alternative=side).pvalue)
        share = verdicts.row(OneSample(endpoint="e", null_rate=0.3, alternative=side))
        assert share.p_value == pytest.approx(stats.binomtest(12, 25, 0.3, alternative=side).pvalue)


def test_one_null_is_needed() -> None:
    for given in ({}, {"null_rate": 0.5, "null_mean": 0.0}):
        with pytest.raises(ValidationError, match="either null_rate"):
            OneSample(endpoint="e", **given)
