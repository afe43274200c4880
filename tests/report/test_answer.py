"""The opening paragraph says what the comparisons say, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vct.records import Comparison, TrialResult
from vct.report.answer import paired, primary, sentences


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
