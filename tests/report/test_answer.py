"""The opening paragraph says what the comparisons say, and no more."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from vct.records import Comparison, Outcome, TrialResult
from vct.report.answer import paired, primary, sentences
from vct.report.measurement_cost import Cost, measurement_cost


def answer(result: TrialResult, *comparisons: Comparison) -> str:
    return " ".join(sentences(replace(result, comparisons=comparisons)))


@pytest.fixture
def contrast(result: TrialResult) -> Comparison:
    return next(item for item in result.comparisons if item.reference)


def test_the_primary_analysis_is_the_first_that_compares_arms(result, contrast) -> None:
    lone = replace(contrast, method="summary", quantity="mean", reference="", estimate=99.0)
    found = primary((lone, contrast, replace(contrast, method="ancova")))
    assert [measured for measured, _ in found] == [contrast]
    assert primary((lone,)) == [(lone, None)]
    assert primary(()) == []


def test_each_statement_meets_its_own_truth(contrast) -> None:
    truth = replace(contrast, source="truth", estimate=-30.0)
    per_protocol = replace(contrast, analysis_set="PP")
    other_truth = replace(truth, analysis_set="PP", estimate=-31.0)
    assert paired((contrast, per_protocol, other_truth, truth)) == [(contrast, truth), (per_protocol, other_truth)]


def test_it_gives_the_effect_its_interval_and_the_truth(result, contrast) -> None:
    told = answer(result, contrast, replace(contrast, source="truth", estimate=-31.0, ci_low=-40.0, ci_high=-22.0))
    assert "new drug against standard: mean difference −28.4 percentage points" in told
    assert "(95 % CI −36.4 to −20.4, p = 0.002); n = 27 and 25, 4 missing." in told
    assert "The interval excludes 0: this trial shows a difference." in told
    assert "planted truth, without scanner and reader, gives mean difference −31.0 (−40.0 to −22.0)" in told


def test_an_interval_over_no_difference_is_no_proof_of_equality(result, contrast) -> None:
    told = answer(result, replace(contrast, ci_high=2.0))
    assert "The interval includes 0: this trial shows neither a difference nor that there is none." in told


def test_a_ratio_is_held_against_one(result, contrast) -> None:
    ratio = replace(contrast, quantity="hazard ratio", unit="1", estimate=0.6, ci_low=0.4, ci_high=0.9)
    assert "The interval excludes 1" in answer(result, ratio)
    assert "The interval includes 1" in answer(result, replace(ratio, ci_high=1.2))


def test_no_estimate_is_said_with_its_reason(result, contrast) -> None:
    nothing = replace(
        contrast, estimate=None, ci_low=None, ci_high=None, p_value=None, note="needs two patients an arm"
    )
    told = answer(result, nothing)
    assert "no mean difference, needs two patients an arm" in told
    assert "The interval" not in told


def test_one_arm_claims_no_difference(result, contrast) -> None:
    rate = replace(contrast, reference="", quantity="response rate", unit="1", estimate=0.4, ci_low=0.2, ci_high=0.6)
    told = answer(result, rate)
    assert "new drug: response rate 0.400 (95 % CI 0.200 to 0.600, p = 0.002); n = 27, 4 missing." in told
    assert "The interval" not in told


def test_it_never_forgets_what_one_trial_is(result) -> None:
    assert answer(result).endswith("none is evidence about a real treatment.")


def cost_of(result: TrialResult, noise: float, shrink: float = 1.0) -> Cost:
    """Of a trial whose readings are `shrink` x truth + noise of SD `noise`, truths of SD 10, 100 patients an arm."""
    rng = np.random.default_rng(7)
    pairs = {arm: (true := rng.normal(0, 10, 100), shrink * true + rng.normal(0, noise, 100)) for arm in ("a", "b")}
    known = {"endpoint": "change", "visit": "week8", "unit": "%"}
    outcomes = tuple(
        Outcome(patient=f"{arm}{number}", arm=arm, value=float(value), source=source, **known)
        for arm, columns in pairs.items()
        for source, values in zip(("truth", "measured"), columns, strict=True)
        for number, value in enumerate(values)
    )
    contrast = next(item for item in result.comparisons if item.method == "welch_t" and item.reference)
    found = {}
    for side, source in enumerate(("truth", "measured")):
        half = 1.96 * math.sqrt(sum(columns[side].var(ddof=1) / 100 for columns in pairs.values()))
        ends = {"estimate": 0.0, "ci_low": -half, "ci_high": half, "source": source}
        about = {"endpoint": "change", "visit": "week8", "arm": "b", "reference": "a", "analysis_set": "ITT"}
        found[source] = replace(contrast, **ends, **about)
    return measurement_cost(replace(result, outcomes=outcomes), found["measured"], found["truth"])


def test_the_cost_of_measurement_is_the_share_of_noise_in_the_variance(result) -> None:
    """Noise as large as the truth doubles the variance: half of the patients."""
    cost = cost_of(result, noise=10.0)
    assert cost.percent == pytest.approx(50.0, abs=8.0)
    assert cost.low_percent < 50.0 < cost.high_percent
    assert cost.is_told_from_none
    assert cost == cost_of(result, noise=10.0)


def test_its_interval_agrees_with_pitmans_for_normal_values(result) -> None:
    """The ratio of two correlated variances, Pitman 1939 (doi 10.2307/2334971), at a correlation of root 1/2."""
    cost = cost_of(result, noise=10.0)
    k = 1 + 2 * (1 - 0.5) * 1.972**2 / 198
    factors = [k + sign * math.sqrt(k * k - 1) for sign in (1, -1)]
    low, high = (100 * (1 - (1 - cost.percent / 100) * factor) for factor in factors)
    assert (cost.low_percent, cost.high_percent) == pytest.approx((low, high), abs=4.0)


def test_a_cost_that_may_be_nothing_is_said_so(result) -> None:
    cost = cost_of(result, noise=0.5)
    assert not cost.is_told_from_none
    assert cost.low_percent < 0.0 < cost.high_percent


def test_readings_that_shrink_everything_cost_less_than_nothing(result) -> None:
    cost = cost_of(result, noise=0.5, shrink=0.7)
    assert cost.percent == pytest.approx(100 * (1 - 1 / 0.49), abs=10.0)
    assert cost.is_told_from_none


def test_a_cost_without_patients_to_draw_has_no_interval(result, contrast) -> None:
    truth = replace(contrast, source="truth", ci_low=contrast.ci_low + 2, ci_high=contrast.ci_high - 2)
    bare = replace(result, outcomes=())
    cost = measurement_cost(bare, contrast, truth)
    assert cost.percent == pytest.approx(100 * (1 - (6 / 8) ** 2))
    assert cost.low_percent is None
    assert "how surely is not known" in answer(bare, contrast, truth)
