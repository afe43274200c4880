"""EORTC 1999, delta SUVmax, Deauville and Lugano, RECIST 1.1, PERCIST by sums: rules and cut-offs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vct.endpoint.deauville import deauville, lugano
from vct.endpoint.eortc import delta_suv_max, eortc
from vct.endpoint.recist import Assessment, BestOverallResponse, Recist, best_overall, recist
from vct.endpoint.response import Findings, Verdict, percist
from vct.records import Patient, Reading

SUV = st.floats(0.5, 60.0)


@pytest.mark.parametrize(
    ("before", "after", "options", "category"),
    [
        (10.0, 12.5, {}, "SMD"),  # exactly 25 % is no progression
        (10.0, 12.6, {}, "PMD"),
        (10.0, 7.5, {}, "SMD"),  # more than 25 % is needed after the first cycle
        (10.0, 7.4, {}, "PMR"),
        (10.0, 8.5, {"cycles": 1}, "PMR"),  # 15 % is enough after one
        (10.0, 8.6, {"cycles": 1}, "SMD"),
        (10.0, 1.0, {"background": 1.0}, "CMR"),
        (10.0, 1.0, {}, "PMR"),
        (10.0, 5.0, {"new_lesions": 1.0}, "PMD"),
        (10.0, 5.0, {"extent_before": 50.0, "extent_after": 61.0}, "PMD"),
        (10.0, 5.0, {"extent_before": 50.0, "extent_after": 60.0}, "PMR"),
        (None, 5.0, {}, "NE"),
        (10.0, None, {}, "NE"),
        (None, None, {"new_lesions": 2.0}, "NE"),
        (10.0, None, {"new_lesions": 2.0}, "PMD"),
    ],
)
def test_golden_eortc_1999(before: float | None, after: float | None, options: dict[str, float], category: str) -> None:
    assert eortc(before, after, **options).category == category  # type: ignore[arg-type]


def test_exactly_the_cut_off_is_a_response() -> None:
    """2.7 -> 1.89 is a fall of -30.00000000000001 % or -29.999999999999993 % in doubles, as one writes it."""
    limits = {"liver_mean": 1.0, "liver_sd": 0.0}
    before, after = Findings(sul_peak=2.7, **limits), Findings(sul_peak=1.89, **limits)
    assert percist(before, after).category == "PMR"
    assert delta_suv_max(3.0, 1.02).category == "R"
    assert delta_suv_max(3.0, 1.0201).category == "NR"
    assert delta_suv_max(10.0, 3.4).category == "R"
    assert recist(_at(0, 30.0), [_at(40, 21.0)])[0].category == "PR"


@pytest.mark.parametrize(
    ("lesion", "score"),
    [(0.3, "1"), (1.5, "2"), (1.6, "2"), (1.7, "3"), (2.2, "3"), (2.3, "4"), (4.3, "4"), (4.4, "5"), (20.0, "5")],
)
def test_golden_deauville_scores(lesion: float, score: str) -> None:
    """Mediastinum 1.6, liver 2.2."""
    assert deauville(lesion, 1.6, 2.2).category == score
    assert deauville(lesion, 1.6, 2.2, new_lesions=1.0).category == "5"


@given(SUV, SUV)
def test_a_hotter_lesion_never_scores_lower(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert deauville(low, 1.6, 2.2).category <= deauville(high, 1.6, 2.2).category


def test_scores_without_their_backgrounds_are_not_evaluable() -> None:
    assert deauville(3.0, None, 2.2).line == "NE: not read: mediastinum"
    assert lugano(deauville(None, 1.6, 2.2), 9.0, None).category == "NE"


@pytest.mark.parametrize(
    ("before", "after", "category"),
    [(9.0, 2.0, "CMR"), (9.0, 4.0, "PMR"), (9.0, 9.5, "NMR"), (9.0, 11.3, "PMD"), (None, 4.0, "NE")],
)
def test_lugano_from_score_and_change(before: float | None, after: float, category: str) -> None:
    assert lugano(deauville(after, 1.6, 2.2), before, after).category == category


def test_lugano_with_a_new_lesion_is_progression() -> None:
    assert lugano(deauville(2.0, 1.6, 2.2, new_lesions=1.0), 9.0, 2.0).category == "PMD"


def _at(day: float, sum_mm: float | None, new: float | None = None) -> Assessment:
    return Assessment(visit=f"d{day:g}", day=day, sum_mm=sum_mm, new_lesions=new)


@pytest.mark.parametrize(
    ("later", "categories"),
    [
        ([70.0, 71.0], ["PR", "SD"]),
        ([70.0, 0.0], ["PR", "CR"]),
        ([50.0, 60.0, 65.0], ["PR", "PD", "PD"]),  # 20 % and 10 mm above the nadir
        ([20.0, 24.0], ["PR", "PR"]),  # 20 %, but 4 mm
        ([100.0, 119.0, 120.0], ["SD", "SD", "PD"]),
        ([None, 60.0], ["NE", "PR"]),
        ([0.0, 4.0, 5.0], ["CR", "PR", "PD"]),
    ],
)
def test_golden_recist_measures_progression_from_the_nadir(later: list[float | None], categories: list[str]) -> None:
    looks = [_at(40.0 * number, value) for number, value in enumerate(later, start=1)]
    assert [verdict.category for verdict in recist(_at(0, 100.0), looks)] == categories


def test_a_new_lesion_is_progression_whatever_the_sum() -> None:
    first, second = recist(_at(0, 100.0), [_at(40, 50.0, 1.0), _at(80, None, 2.0)])
    assert first.category == second.category == "PD"
    assert recist(_at(0, None), [_at(40, 50.0, 1.0)])[0].category == "NE"


@pytest.mark.parametrize(
    ("days", "responses", "best"),
    [
        ([42, 84], ["PR", "PR"], "PR"),
        ([42, 60], ["PR", "PR"], "SD"),  # 18 days are no confirmation
        ([42, 84], ["CR", "CR"], "CR"),
        ([42, 84], ["PR", "CR"], "PR"),
        ([42, 84], ["PR", "SD"], "SD"),
        ([42, 84], ["PR", "PD"], "SD"),
        ([42, 84, 126], ["PR", "SD", "PR"], "PR"),
        ([42, 84], ["SD", "PD"], "SD"),
        ([28, 84], ["SD", "PD"], "PD"),
        ([28], ["SD"], "NE"),
        ([42, 84], ["PD", "PR"], "PD"),
        ([42, 84, 126], ["PR", "NE", "PR"], "PR"),
        ([42], ["NE"], "NE"),
    ],
)
def test_golden_best_overall_response_needs_confirmation(days: list[float], responses: list[str], best: str) -> None:
    """Eisenhauer 2009, table 3."""
    verdicts = [Verdict(category=name, rule="given") for name in responses]
    assert best_overall(days, verdicts).category == best


def test_without_confirmation_the_first_response_counts() -> None:
    verdicts = [Verdict(category=name, rule="given") for name in ("PR", "PD")]
    assert best_overall([42, 84], verdicts, confirmed=False).category == "PR"


def test_percist_by_the_sum_of_targets() -> None:
    """The hottest lesion halves, the sum of five falls by a fifth only."""
    limits = {"liver_mean": 2.0, "liver_sd": 0.2}
    before = Findings(sul_peak=10.0, sum_of_targets=40.0, **limits)
    after = Findings(sul_peak=5.0, sum_of_targets=32.0, **limits)
    assert percist(before, after).category == "SMD"
    assert percist(before, after).numbers["change_percent"] == pytest.approx(-20.0)
    one = Findings(sul_peak=5.0, **limits)
    assert percist(before, one).category == "PMR"
    assert percist(before, Findings(sul_peak=5.0, sum_of_targets=28.0, **limits)).category == "PMR"


def _readings(sums: dict[str, tuple[float, float | None]]) -> list[Reading]:
    return [
        Reading(patient="P1", arm="A", visit=visit, day=day, readout="sum", value=value, unit="mm")
        for visit, (day, value) in sums.items()
    ]


def test_endpoints_carry_rule_numbers_and_missing_values() -> None:
    patient = Patient(id="P1", arm="A", sex="F", age_years=60, height_cm=165, weight_kg=70)
    readings = _readings({"base": (-3.0, 100.0), "w6": (42.0, 65.0), "w12": (84.0, 60.0), "w18": (126.0, None)})
    common = {"baseline": "base", "visits": ("w6", "w12", "w18"), "sum_of_diameters": "sum"}
    outcomes = Recist(name="RECIST", **common).derive(patient, readings)
    assert [(item.visit, item.category, item.value) for item in outcomes] == [
        ("w6", "PR", 1.0),
        ("w12", "PR", 1.0),
        ("w18", "NE", None),
    ]
    (best,) = BestOverallResponse(name="BOR", **common).derive(patient, readings)
    assert (best.category, best.value, best.visit) == ("PR", 1.0, "")
    assert "confirmed on day 84" in best.rule
    (not_confirmed,) = BestOverallResponse(name="BOR", **common, responders=("CR",)).derive(patient, readings[:2])
    assert (not_confirmed.category, not_confirmed.value) == ("SD", 0.0)
