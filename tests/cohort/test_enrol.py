from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vct.cohort import Conduct, Dropout, Eligibility, PlannedVisit, Population, Site
from vct.cohort.criteria import Prevalence, Range, SexIs
from vct.errors import InputError
from vct.records import Enrolment

Enrolled = Callable[..., Enrolment]
STRICT = Eligibility(
    inclusion=(Range(variable="age_years", min=50, max=75), Range(variable="bmi_kg_m2", max=35, reason="too heavy")),
    exclusion=(Prevalence(reason="diabetes", probability=0.1), Range(variable="height_cm", min=230)),
)
BUSY = Conduct(
    sites=(Site(name="Essen"), Site(name="Bern")),
    dropout=Dropout(percent=30, by_day=56),
    missed_visit_probability=0.1,
    failed_scan_probability=0.1,
)


def test_numbers_add_up(enrolled: Enrolled) -> None:
    found = enrolled(60, eligibility=STRICT)
    assert len(found.patients) == 60
    assert found.n_screened == 60 + sum(found.excluded.values())
    assert list(found.excluded) == ["not age_years 50-75", "too heavy", "diabetes", "height_cm >= 230"]
    assert found.excluded["height_cm >= 230"] == 0
    assert found.excluded["not age_years 50-75"] > found.excluded["diabetes"] > 0
    assert all(50 <= patient.age_years <= 75 and patient.bmi_kg_m2 <= 35 for patient in found.patients)


def test_the_last_screened_is_the_last_enrolled(enrolled: Enrolled, us_adults: Population) -> None:
    found = enrolled(60, eligibility=STRICT)
    screened = us_adults.candidates(1, found.n_screened, 1)
    passed = np.flatnonzero(STRICT.first_failure(screened) < 0)
    assert passed[-1] == found.n_screened - 1
    np.testing.assert_array_equal(
        screened.columns["age_years"][passed], [patient.age_years for patient in found.patients]
    )


@pytest.mark.parametrize("sizes", [(7, 8), (30, 200)])
def test_a_larger_trial_begins_with_the_smaller_one(enrolled: Enrolled, sizes: tuple[int, int]) -> None:
    few, many = (enrolled(size, eligibility=STRICT, conduct=BUSY) for size in sizes)
    assert few.patients == many.patients[: len(few.patients)]
    assert few.attendance == many.attendance[: len(few.attendance)]
    assert [patient.id for patient in few.patients[:2]] == ["P0001", "P0002"]


def test_patients_come_in_order_from_all_sites(enrolled: Enrolled) -> None:
    found = enrolled(80, conduct=BUSY)
    days = [patient.enrolled_day for patient in found.patients]
    assert days == sorted(days)
    assert {patient.site for patient in found.patients} == {"Essen", "Bern"}


def test_every_planned_visit_is_accounted_for(enrolled: Enrolled) -> None:
    visits = (PlannedVisit(name="baseline", day=0), PlannedVisit(name="w4", day=28), PlannedVisit(name="w8", day=56))
    found = enrolled(50, conduct=BUSY, visits=visits)
    assert [(item.patient, item.visit.name) for item in found.attendance] == [
        (patient.id, visit.name) for patient in found.patients for visit in visits
    ]
    whole = {(p.id, p.arm) for p in found.patients} - {
        (a.patient, a.arm) for a in found.attendance if a.status != "done"
    }
    assert found.per_protocol == whole
    assert 0 < len(whole) < 50


def test_twins_share_everything_but_arm_and_treatment(enrolled: Enrolled, randomise: Callable[..., object]) -> None:
    found = enrolled(30, randomisation=randomise(kind="counterfactual"), conduct=BUSY)
    assert len(found.patients) == 60
    for one, other in zip(found.patients[::2], found.patients[1::2], strict=True):
        assert (one.arm, other.arm) == ("Control", "Drug")
        assert replace(one, arm="") == replace(other, arm="")
    fates = {
        arm: [(a.patient, a.visit, a.status) for a in found.attendance if a.arm == arm] for arm in ("Control", "Drug")
    }
    assert fates["Control"] == fates["Drug"]


def test_the_arm_moves_no_ones_luck(enrolled: Enrolled, randomise: Callable[..., object]) -> None:
    blocks = enrolled(40, conduct=BUSY, randomisation=randomise(kind="permuted_blocks"))
    simple = enrolled(40, conduct=BUSY)
    assert [replace(p, arm="") for p in blocks.patients] == [replace(p, arm="") for p in simple.patients]


def test_a_hopeless_trial_ends_with_the_reasons(enrolled: Enrolled) -> None:
    rules = Eligibility(inclusion=(SexIs(value="F"), Range(variable="weight_kg", min=299)))
    with pytest.raises(InputError, match=r"only 0 may enter; turned away for not weight_kg >= 299 \(\d+\), not sex F"):
        enrolled(5, eligibility=rules)


def test_an_unknown_biomarker_is_an_input_error(enrolled: Enrolled) -> None:
    with pytest.raises(InputError, match="the cohort has no 'glucose'"):
        enrolled(5, eligibility=Eligibility(exclusion=(Range(variable="glucose", min=11),)))
