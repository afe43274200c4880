"""PERCIST 1.0 as a pure function, rule by rule (Wahl 2009, doi 10.2967/jnumed.108.057307)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vct.endpoint.response import TOLERANCE, Findings, Verdict, percist, threshold

LIVER = {"liver_mean": 2.1, "liver_sd": 0.3, "blood_pool_mean": 1.6, "blood_pool_sd": 0.2}
BASE = Findings(sul_peak=6.0, new_lesions=0.0, **LIVER)


def after(sul_peak: float | None, **changes: float | None) -> Verdict:
    return percist(BASE, replace(BASE, sul_peak=sul_peak, **changes))


def test_the_threshold_of_measurable_disease() -> None:
    assert threshold(BASE) == (pytest.approx(1.5 * 2.1 + 2 * 0.3), "1.5 x liver mean + 2 SD")
    diseased = replace(BASE, liver_mean=None)
    assert threshold(diseased) == (pytest.approx(2.0 * 1.6 + 2 * 0.2), "2.0 x blood pool mean + 2 SD")
    assert threshold(Findings(sul_peak=6.0)) is None


@pytest.mark.parametrize(
    ("sul_peak", "category"),
    [
        (6.0, "SMD"),
        (4.21, "SMD"),
        (4.20, "PMR"),
        (2.2, "PMR"),
        (2.09, "PMR"),
        (2.0, "CMR"),
        (0.0, "CMR"),
        (7.79, "SMD"),
        (7.80, "SMD"),
        (7.81, "PMD"),
    ],
)
def test_the_cut_offs_from_a_baseline_of_6(sul_peak: float, category: str) -> None:
    assert after(sul_peak).category == category


def test_exactly_minus_30_percent_is_a_response_whatever_the_rounding() -> None:
    low = Findings(sul_peak=2.7, liver_mean=1.0, liver_sd=0.1)
    assert (1.89 - 2.7) / 2.7 != -0.30
    assert percist(low, replace(low, sul_peak=1.89)).category == "PMR"
    single = Findings(sul_peak=float(np.float32(2.7)), liver_mean=1.0, liver_sd=0.1)
    assert percist(single, replace(single, sul_peak=float(np.float32(1.89)))).category == "PMR"
    assert percist(low, replace(low, sul_peak=1.89 + 10 * TOLERANCE)).category == "SMD"


@given(before=st.floats(1.61, 30.0))
def test_a_fall_of_30_percent_from_any_baseline_is_a_response_if_it_is_also_large_enough(before: float) -> None:
    base = Findings(sul_peak=before, liver_mean=0.4, liver_sd=0.1)
    verdict = percist(base, replace(base, sul_peak=0.7 * before))
    assert verdict.category == ("PMR" if 0.3 * before >= 0.8 - TOLERANCE else "SMD")


def test_both_the_relative_and_the_absolute_limit_must_be_met() -> None:
    low = Findings(sul_peak=2.0, liver_mean=1.0, liver_sd=0.1)
    fall = percist(low, replace(low, sul_peak=1.3))
    assert fall.category == "SMD"
    assert "less than 0.8" in fall.rule
    assert percist(low, replace(low, sul_peak=2.7)).category == "SMD"
    assert percist(low, replace(low, sul_peak=2.8)).category == "PMD"


def test_complete_response_is_judged_by_liver_mean_and_blood_pool_not_by_the_threshold() -> None:
    assert after(2.05).category == "PMR", "below the liver's mean, but above blood pool mean + 2 SD"
    assert after(1.9).category == "CMR"
    assert after(1.9, blood_pool_sd=None).category == "PMR", "without an SD the blood pool's mean is the limit"
    assert after(1.9, liver_mean=1.8).category == "PMR", "the liver of the follow-up scan counts"
    assert after(2.05, blood_pool_mean=None).category == "CMR"
    assert after(1.0, blood_pool_mean=None, liver_mean=None).category == "PMR", "no background, no complete response"


def test_a_new_lesion_is_progression_whatever_the_target_does() -> None:
    for sul_peak in (0.5, 6.0, None):
        verdict = after(sul_peak, new_lesions=2.0)
        assert (verdict.category, verdict.rule) == ("PMD", "new lesion")
    assert after(6.0, new_lesions=None).category == "SMD"


def test_a_tumour_that_grows_without_brightening_progresses_by_tlg() -> None:
    base = replace(BASE, tlg=100.0)
    assert percist(base, replace(base, tlg=176.0)).category == "PMD"
    assert percist(base, replace(base, tlg=175.0)).category == "SMD"
    assert percist(base, replace(base, tlg=176.0, sul_peak=5.9)).category == "SMD"


@pytest.mark.parametrize(
    ("baseline", "follow_up", "reason"),
    [
        (replace(BASE, sul_peak=None), BASE, "SULpeak was not read at baseline"),
        (Findings(sul_peak=6.0), BASE, "neither liver nor blood pool"),
        (replace(BASE, liver_sd=None, blood_pool_mean=None), BASE, "neither liver nor blood pool"),
        (replace(BASE, sul_peak=3.7), BASE, "no measurable disease"),
        (BASE, replace(BASE, sul_peak=None), "SULpeak was not read at follow-up"),
        (Findings(sul_peak=0.0, liver_mean=0.0, liver_sd=0.0), BASE, "no measurable disease"),
    ],
)
def test_not_evaluable_is_a_verdict(baseline: Findings, follow_up: Findings, reason: str) -> None:
    verdict = percist(baseline, follow_up)
    assert verdict.category == "NE"
    assert reason in verdict.rule


@pytest.mark.parametrize(("liver", "stable"), [(2.1, True), (2.35, True), (2.4, False), (1.7, False), (1.75, False)])
def test_scans_whose_background_moved_are_not_comparable_when_that_is_asked(liver: float, stable: bool) -> None:
    follow_up = replace(BASE, liver_mean=liver)
    assert percist(BASE, follow_up).category == "SMD"
    assert (percist(BASE, follow_up, stable_background=True).category == "SMD") == stable


def test_the_blood_pool_stands_in_for_a_diseased_liver() -> None:
    base = replace(BASE, liver_mean=None, liver_sd=None)
    assert percist(base, replace(base, blood_pool_mean=1.95), stable_background=True).category == "NE"
    assert percist(base, replace(base, blood_pool_mean=1.7), stable_background=True).category == "SMD"
    assert percist(base, replace(base, blood_pool_mean=None), stable_background=True).category == "NE"


def test_the_line_says_which_rule_fired_with_its_numbers() -> None:
    assert after(3.0).line == (
        "PMR: SULpeak fell by at least 30 % and 0.8 "
        "(baseline 6, measurable_from 3.75, follow_up 3, change -3, change_percent -50)"
    )
