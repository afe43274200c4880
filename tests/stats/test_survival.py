"""Kaplan-Meier, log-rank and Cox on the trial that every textbook uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vct.stats import survival_curve
from vct.stats.curve import kaplan_meier, median_time
from vct.stats.survival import Cox, KaplanMeier, LogRank

Make = Callable[..., Any]

SIX_MP = {
    "6-MP": [(t, True) for t in (6, 6, 6, 7, 10, 13, 16, 22, 23)]
    + [(t, False) for t in (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)],
    "placebo": [(t, True) for t in (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)],
}
"""Weeks in remission of acute leukaemia: Freireich 1963 (Blood 21:699), Gehan 1965 (doi 10.1093/biomet/52.1-2.203)."""


def test_golden_kaplan_meier_leukaemia(trial: Make) -> None:
    """Survival of 6-MP at 6, 7, 10, 13, 16, 22 and 23 weeks: Kleinbaum and Klein, Survival Analysis, chapter 2; medians
    of 23 (13 to none) and 8 (4 to 11) weeks: SAS PROC LIFETEST, conftype=loglog.
    """
    made = trial(SIX_MP, "times")
    curve = survival_curve([item for item in made.outcomes if item.arm == "6-MP"])
    steps = curve.survival[curve.events > 0]
    assert steps == pytest.approx([0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=5e-5)
    assert curve.time_days[0] == 0.0
    assert curve.survival[0] == 1.0
    assert curve.at_risk[:4].tolist() == [21, 21, 17, 16]
    assert curve.events.sum() + curve.censored.sum() == 21
    treated, placebo = (made.row(KaplanMeier(endpoint="e"), arm=arm) for arm in SIX_MP)
    assert (treated.estimate, treated.ci_low, treated.ci_high) == (23.0, 13.0, None)
    assert (placebo.estimate, placebo.ci_low, placebo.ci_high) == (8.0, 4.0, 11.0)
    assert placebo.note == "21 events"


def test_golden_log_rank_leukaemia(trial: Make) -> None:
    """Chi-squared 16.79: Kleinbaum and Klein, Survival Analysis, chapter 2."""
    row = trial(SIX_MP, "times").row(LogRank(endpoint="e"))
    assert row.statistic == pytest.approx(16.79, abs=5e-3)
    assert row.note == "21 and 9 events"
    assert row.estimate is not None
    assert row.estimate > 1


def test_golden_cox_leukaemia(trial: Make) -> None:
    """Cox with Efron's ties, as R's `coxph` prints it for `MASS::gehan`: coefficient 1.5721, SE 0.4124, ratio 4.817."""
    row = trial(SIX_MP, "times").row(Cox(endpoint="e"))
    assert row.estimate == pytest.approx(4.817, abs=5e-4)
    assert np.log(row.estimate) == pytest.approx(1.5721, abs=5e-5)
    assert np.log(row.estimate) / row.statistic == pytest.approx(0.4124, abs=5e-5)
    assert (row.ci_low, row.ci_high) == pytest.approx((2.147, 10.81), abs=5e-3)


def exponential(seed: int, n: int, ratio: float) -> dict[str, list[tuple[float, bool]]]:
    rng = np.random.default_rng(seed)
    found = {}
    for arm, hazard in (("a", 0.01), ("b", 0.01 * ratio)):
        event, censor = rng.exponential(1 / hazard, n), rng.uniform(20, 200, n)
        found[arm] = [(float(min(e, c)), bool(e <= c)) for e, c in zip(event, censor, strict=True)]
    return found


def test_second_implementation_kaplan_meier_against_scipy() -> None:
    arm = exponential(1, 60, 1.0)["a"]
    times, events = np.array([t for t, _ in arm]), np.array([e for _, e in arm])
    curve = kaplan_meier(times, events, 0.9)
    other = stats.ecdf(stats.CensoredData.right_censored(times, ~events)).sf
    band = other.confidence_interval(0.9, method="log-log")
    assert curve.survival[1:] == pytest.approx(other.probabilities)
    inner = slice(2, 40)
    assert curve.ci_low[1:][inner] == pytest.approx(band.low.probabilities[inner])
    assert curve.ci_high[1:][inner] == pytest.approx(band.high.probabilities[inner])


def test_second_implementation_log_rank_against_scipy(trial: Make) -> None:
    for seed in range(3):
        groups = exponential(seed, 30, 1.5)
        row = trial(groups, "times").row(LogRank(endpoint="e"))
        data = {
            arm: stats.CensoredData.right_censored([t for t, _ in pairs], [not e for _, e in pairs])
            for arm, pairs in groups.items()
        }
        assert row.p_value == pytest.approx(stats.logrank(data["a"], data["b"]).pvalue)


def test_second_implementation_log_rank_is_the_score_test_of_cox(trial: Make) -> None:
    """Without ties: the derivative of the partial likelihood at 0 over the root of its information."""
    from statsmodels.duration.hazard_regression import PHReg

    groups = exponential(4, 40, 1.6)
    row = trial(groups, "times").row(LogRank(endpoint="e"))
    pairs = [*groups["a"], *groups["b"]]
    arm = np.repeat([0.0, 1.0], 40)[:, None]
    model = PHReg(np.array([t for t, _ in pairs]), arm, status=np.array([float(e) for _, e in pairs]))
    score, information = model.score(np.zeros(1))[0], -model.hessian(np.zeros(1))[0, 0]
    assert row.statistic == pytest.approx(score**2 / information)
    assert row.estimate == pytest.approx(np.exp(score / information))


def test_strata_are_compared_within(trial: Make) -> None:
    """Arms that differ only because the strata are unequally filled: stratified, nothing is left."""
    rng = np.random.default_rng(9)
    groups: dict[str, list[tuple[float, bool]]] = {"a": [], "b": []}
    strata: dict[str, list[str]] = {"a": [], "b": []}
    for arm, sick in (("a", 50), ("b", 150)):
        for stratum, count, mean in (("sick", sick, 20.0), ("well", 200 - sick, 200.0)):
            groups[arm] += [(float(t), True) for t in rng.exponential(mean, count)]
            strata[arm] += [stratum] * count
    made = trial(groups, "times", strata=strata)
    for plain, stratified in (
        (LogRank(endpoint="e"), LogRank(endpoint="e", stratify_by="stratum")),
        (Cox(endpoint="e"), Cox(endpoint="e", stratify_by="stratum")),
        (Cox(endpoint="e"), Cox(endpoint="e", covariates=("stratum",))),
    ):
        assert made.row(plain).p_value < 1e-4
        assert made.row(stratified).p_value > 0.01
        assert made.row(stratified).estimate == pytest.approx(1.0, abs=0.3)


def test_a_baseline_covariate_needs_a_baseline(trial: Make) -> None:
    groups = exponential(5, 20, 2.0)
    baselines = {arm: [None if i < 3 else float(i % 5) for i in range(20)] for arm in groups}
    row = trial(groups, "times", baselines=baselines).row(Cox(endpoint="e", covariates=("baseline", "age")))
    assert (row.n, row.n_reference, row.n_missing) == (17, 17, 6)
    assert row.estimate is not None


def test_an_endless_ratio_is_named(trial: Make) -> None:
    """One early event in an arm of one among two thousand: Peto's one-step estimate is beyond any double."""
    groups = {"a": [(5.0 + i, False) for i in range(2000)], "b": [(1.0, True)]}
    row = trial(groups, "times").row(LogRank(endpoint="e"))
    assert row.estimate is None
    assert "estimate infinite" in row.note
    assert row.p_value is not None
    assert row.p_value < 1e-6


def test_a_median_on_a_flat_half_lies_in_its_middle() -> None:
    """Four deaths at 1, 2, 3, 4: the curve is one half from 2 to 3, and the ordinary median is 2.5."""
    curve = kaplan_meier(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, dtype=bool), 0.95)
    assert median_time(curve)[0] == 2.5


def test_empty_and_eventless_curves() -> None:
    assert survival_curve([]).survival.tolist() == [1.0]
    curve = kaplan_meier(np.array([0.0, 5.0]), np.array([False, False]), 0.95)
    assert curve.survival.tolist() == [1.0, 1.0, 1.0]
    assert curve.ci_low.tolist() == [1.0, 1.0, 1.0]
    assert median_time(curve) == (None, None, None)
