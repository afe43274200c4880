"""Fisher's exact test and Cochran-Mantel-Haenszel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable

from vct.stats.tables import Cmh, FisherExact, cmh_test, common_odds_ratio, common_risk_difference, fisher

Make = Callable[..., Any]

BERKELEY = {
    "A": ((512, 313), (89, 19)),
    "B": ((353, 207), (17, 8)),
    "C": ((120, 205), (202, 391)),
    "D": ((138, 279), (131, 244)),
    "E": ((53, 138), (94, 299)),
    "F": ((22, 351), (24, 317)),
}
"""Admitted and rejected, men and women, by department: Bickel, Hammel and O'Connell 1975, doi
10.1126/science.187.4175.398; R's `UCBAdmissions`."""


def verdicts(counts: Sequence[tuple[str, int, int]]) -> tuple[list[int], list[str]]:
    values, strata = [], []
    for stratum, yes, no in counts:
        values += [1] * yes + [0] * no
        strata += [stratum] * (yes + no)
    return values, strata


def test_golden_fisher_exact_tea(trial: Make) -> None:
    """Fisher 1935, the lady tasting tea: 3 of 4 against 1 of 4; p and odds ratio as printed by R 4.2.2's `fisher.test`.

    R searches its limits (0.2117329 to 621.93) to four digits only; ours meet their definition, tails of .025.
    """
    row = trial({"first": [1, 0, 0, 0], "second": [1, 1, 1, 0]}, "verdicts").row(FisherExact(endpoint="e"))
    assert row.p_value == pytest.approx(0.485714, abs=1e-6)
    assert row.estimate == pytest.approx(6.40830887, rel=1e-5)
    assert (row.ci_low, row.ci_high) == pytest.approx((0.211732915, 621.933750545), rel=1e-2)
    for odds, tail in ((row.ci_low, stats.nchypergeom_fisher.sf), (row.ci_high, stats.nchypergeom_fisher.cdf)):
        assert tail(3 - (odds == row.ci_low), 8, 4, 4, odds) == pytest.approx(0.025)


def test_second_implementation_fisher_exact_by_enumeration() -> None:
    k1, n1, k0, n0 = 9, 12, 5, 17
    likely = stats.hypergeom(n1 + n0, k1 + k0, n1).pmf(np.arange(n1 + 1))
    assert fisher(k1, n1, k0, n0, 0.95).p_value == pytest.approx(likely[likely <= likely[k1] * (1 + 1e-9)].sum())


def test_golden_cmh_berkeley(trial: Make) -> None:
    """M^2 = 1.524607, p = 0.216924 and common odds ratio 0.904696828 (0.771907362 to 1.060329764), as printed by R
    4.2.2's `mantelhaen.test(UCBAdmissions, correct = FALSE)`.
    """
    men, in_men = verdicts([(name, *cells[0]) for name, cells in BERKELEY.items()])
    women, in_women = verdicts([(name, *cells[1]) for name, cells in BERKELEY.items()])
    made = trial({"women": women, "men": men}, "verdicts", strata={"women": in_women, "men": in_men})
    row = made.row(Cmh(endpoint="e"), "common odds ratio")
    assert (row.statistic, row.p_value) == pytest.approx((1.524607, 0.216924), abs=1e-6)
    assert (row.estimate, row.ci_low, row.ci_high) == pytest.approx((0.904696828, 0.771907362, 1.060329764), rel=1e-8)
    assert row.note == "6 strata by stratum"
    difference = made.row(Cmh(endpoint="e"), "common risk difference")
    assert difference.p_value == row.p_value
    assert difference.estimate is not None
    assert -0.05 < difference.estimate < 0.0


def test_second_implementation_cmh_against_statsmodels() -> None:
    rng = np.random.default_rng(7)
    cells = rng.integers(2, 20, (5, 4)).astype(float)
    other = StratifiedTable([row.reshape(2, 2) for row in cells])
    test = other.test_null_odds(correction=False)
    assert cmh_test(cells) == pytest.approx((test.statistic, test.pvalue))
    ours = common_odds_ratio(cells, 0.9)
    assert ours.estimate == pytest.approx(other.oddsratio_pooled)
    assert (ours.ci_low, ours.ci_high) == pytest.approx(other.oddsratio_pooled_confint(alpha=0.1))


def test_second_implementation_cmh_risk_difference_of_one_stratum_is_the_plain_one() -> None:
    """With one stratum the weights cancel; Sato's variance is then close to the binomial one for large arms."""
    cells = np.array([[560.0, 140.0, 480.0, 320.0]])
    result = common_risk_difference(cells, 0.95)
    error = np.sqrt(0.8 * 0.2 / 700 + 0.6 * 0.4 / 800)
    assert result.estimate == pytest.approx(0.2)
    assert result.ci_high == pytest.approx(0.2 + 1.959964 * error, abs=2e-4)


def test_the_risk_difference_covers_the_truth_in_many_small_strata() -> None:
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(400):
        base = rng.uniform(0.1, 0.6, 40)
        treated, reference = rng.binomial(3, base + 0.2), rng.binomial(2, base)
        result = common_risk_difference(np.column_stack([treated, 3 - treated, reference, 2 - reference]) * 1.0, 0.95)
        assert result.ci_low is not None
        assert result.ci_high is not None
        covered += result.ci_low <= 0.2 <= result.ci_high
    assert covered / 400 == pytest.approx(0.95, abs=0.03)


def test_strata_with_one_arm_only_are_left_out(trial: Make) -> None:
    made = trial(
        {"a": [1, 0, 1, 0, 1], "b": [1, 1, 0, 0]},
        "verdicts",
        strata={"a": ["x", "x", "y", "y", "z"], "b": ["x", "x", "y", "y"]},
    )
    assert made.rows(Cmh(endpoint="e"))[0].note == "2 strata by stratum"


@pytest.mark.parametrize(
    ("groups", "estimate", "words"),
    [
        ({"a": [0, 0, 0], "b": [0, 0]}, None, "nobody responded"),
        ({"a": [1, 1, 1], "b": [1, 1]}, None, "everybody responded"),
        ({"a": [0, 0, 1], "b": [1, 1]}, None, "infinite"),
        ({"a": [1, 1, 0], "b": [0, 0]}, 0.0, ""),
    ],
)
def test_odds_ratios_at_the_boundary(trial: Make, groups: Any, estimate: float | None, words: str) -> None:
    row = trial(groups, "verdicts").row(FisherExact(endpoint="e"))
    assert row.estimate == estimate
    assert words in row.note
    assert row.p_value is not None
    assert 0 <= row.p_value <= 1
    assert row.ci_high is None or np.isfinite(row.ci_high)
