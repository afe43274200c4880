from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from vct.course import COURSES, AnyCourse, Healthy, Metastatic
from vct.part import references
from vct.records import Patient, Visit

FULL_COURSE = {
    "kind": "metastatic",
    "source": ["somewhere", "elsewhere"],
    "disease": {
        "count": {"kind": "poisson", "mean": 4.0},
        "sites": {"lung": 2.0, "mediastinum": 1.0, "liver": 1.0},
        "primary_site": "lung",
        "diameter_mm": {"kind": "lognormal", "median": 25.0, "geometric_sd": 1.5},
        "suv": {"kind": "lognormal", "median": 7.0, "geometric_sd": 1.6},
        "size_uptake_correlation": 0.5,
        "between_lesion_correlation": 0.3,
        "axis_ratio_sd": 0.1,
    },
    "history": {
        "doubling_time_days": {"kind": "lognormal", "median": 150.0, "geometric_sd": 1.5},
        "uptake_change_per_day": 0.001,
        "new_lesions_per_year": 5.0,
        "day_to_day_cv": 0.08,
    },
    "treatments": {
        "drug": {
            "responder_fraction": 0.5,
            "complete_fraction": 0.1,
            "responders": {
                "uptake_change": -0.5,
                "size_change": -0.2,
                "growth_ratio": 0.1,
                "new_lesion_ratio": 0.2,
                "uptake_sd_between_patients": 0.2,
                "uptake_sd_between_lesions": 0.2,
            },
        }
    },
}
COURSE = TypeAdapter(AnyCourse).validate_json(json.dumps(FULL_COURSE), strict=True)
WEEKS = [Visit(name=f"week{week}", day=7.0 * week) for week in range(0, 25, 4)]


def patient(number=1, arm="drug"):
    return Patient(id=f"P{number:04d}", sex="M", age_years=66, height_cm=175, weight_kg=80, arm=arm)


@given(number=st.integers(0, 10_000), order=st.permutations(WEEKS), seed=st.integers(0, 2**62))
@settings(max_examples=25, deadline=None)
def test_the_order_of_visits_does_not_matter(number, order, seed):
    found = {visit.name: COURSE.at(patient(number), visit, seed) for visit in order}
    for visit in reversed(WEEKS):
        assert COURSE.at(patient(number), visit, seed) == found[visit.name]


def test_patients_and_seeds_differ():
    at = WEEKS[0]
    assert COURSE.at(patient(1), at, 1).lesions != COURSE.at(patient(2), at, 1).lesions
    assert COURSE.at(patient(1), at, 1).lesions != COURSE.at(patient(1), at, 2).lesions


@given(number=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_twin_has_the_same_disease_on_day_nought_and_differs_only_through_treatment(number):
    treated, twin = patient(number, "drug"), patient(number, "control")
    assert COURSE.at(treated, WEEKS[0], 5).lesions == COURSE.at(twin, WEEKS[0], 5).lesions
    untreated = COURSE.model_copy(update={"treatments": {}})
    assert COURSE.at(twin, WEEKS[3], 5) == untreated.at(twin, WEEKS[3], 5)


def test_treatment_reaches_responders_and_nobody_else():
    changed = [
        COURSE.at(patient(number, "drug"), WEEKS[3], 5).lesions
        != COURSE.at(patient(number, "control"), WEEKS[3], 5).lesions
        for number in range(300)
    ]
    assert sum(changed) / 300 == pytest.approx(0.5, abs=0.1)


def test_demographics_do_not_touch_the_disease():
    other = replace(patient(), sex="F", age_years=30.0, weight_kg=55.0, site="elsewhere", stratum="young")
    assert COURSE.at(patient(), WEEKS[2], 5).lesions == COURSE.at(other, WEEKS[2], 5).lesions


def test_lesions_keep_identity_place_shape_and_room_at_every_visit():
    def lasting(visit, arm):
        found = COURSE.at(patient(4, arm), visit, 5).lesions
        return {x.id: (x.organ, x.axis_ratios, x.room_mm, x.center_mm) for x in found if not x.is_new}

    first = lasting(WEEKS[0], "drug")
    assert len(first) > 1
    assert all(lasting(visit, arm) == first for visit in WEEKS for arm in ("drug", "control"))


def test_ids_are_unique():
    for visit in WEEKS:
        ids = [lesion.id for lesion in COURSE.at(patient(9), visit, 5).lesions]
        assert len(set(ids)) == len(ids)


def test_adding_new_lesions_leaves_the_others_alone():
    data = json.loads(json.dumps(FULL_COURSE))
    data["history"]["new_lesions_per_year"] = 0.0
    quiet = Metastatic.model_validate_json(json.dumps(data))
    loud = [lesion for lesion in COURSE.at(patient(2), WEEKS[4], 5).lesions if not lesion.is_new]
    assert list(quiet.at(patient(2), WEEKS[4], 5).lesions) == loud


def test_treatments_refer_to_arms():
    assert list(references(COURSE)) == [(("treatments", "drug"), "arms", "drug")]


def test_healthy_has_no_lesions():
    assert Healthy().at(patient(), WEEKS[1], 3).lesions == ()


@pytest.mark.parametrize("course", [COURSE, Healthy(source="none")])
def test_round_trip(course):
    again = TypeAdapter(AnyCourse).validate_json(course.model_dump_json(), strict=True)
    assert again == course
    assert type(course) in COURSES
