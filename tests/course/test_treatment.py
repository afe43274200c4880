from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vct.course.treatment import BACKGROUND_SUV, Treatment
from vct.rng import stream
from vct.structures import LESION_SITES

FULL = 10_000.0
DRUG = {
    "responder_fraction": 0.4,
    "responders": {"uptake_change": -0.5, "size_change": -0.2},
    "non_responders": {"uptake_change": -0.1},
    "uptake_half_time_days": 5.0,
    "size_half_time_days": 20.0,
}


def factors(make_course, snapshots, drug, *, name="suv", n=1500, day=FULL, **parts):
    """Per patient, the ratio of one arm to the untreated twin on the same day; (n, 3)."""
    course = make_course(treatments={"drug": drug}, **parts)
    treated, twin = snapshots(course, n, day, arm="drug"), snapshots(course, n, day, arm="control")
    return np.array(
        [
            [getattr(a, name) / getattr(b, name) for a, b in zip(x.lesions, y.lesions, strict=True)]
            for x, y in zip(treated, twin, strict=True)
        ]
    )


def test_responders_are_as_many_and_change_as_much_as_asked(make_course, snapshots):
    found = factors(make_course, snapshots, DRUG)[:, 0]
    assert np.unique(found.round(9)) == pytest.approx([0.5, 0.9])
    assert (found < 0.7).mean() == pytest.approx(0.4, abs=0.04)


def test_sizes_change_as_asked(make_course, snapshots):
    assert np.unique(factors(make_course, snapshots, DRUG, name="diameter_mm", n=50).round(9)) == pytest.approx(
        [0.8, 1]
    )


def test_spread_between_patients_and_lesions_is_recovered(make_course, snapshots):
    drug = {
        "responder_fraction": 1.0,
        "responders": {
            "uptake_change": -0.4,
            "uptake_sd_between_patients": 0.3,
            "uptake_sd_between_lesions": 0.2,
        },
    }
    logs = np.log(factors(make_course, snapshots, drug))
    assert np.median(np.exp(logs)) == pytest.approx(0.6, rel=0.03)
    assert np.cov(logs[:, 0], logs[:, 1])[0, 1] == pytest.approx(0.3**2, rel=0.15)
    assert logs.var(axis=1, ddof=1).mean() == pytest.approx(0.2**2, rel=0.1)


@pytest.mark.parametrize(("name", "half_time"), [("suv", 5.0), ("diameter_mm", 20.0)])
def test_half_the_log_effect_has_come_after_the_half_time(make_course, snapshots, name, half_time):
    full = factors(make_course, snapshots, DRUG, name=name, n=20)
    half = factors(make_course, snapshots, DRUG, name=name, n=20, day=half_time)
    np.testing.assert_allclose(np.log(half), np.log(full) / 2)


def test_nothing_happens_before_treatment(make_course, snapshots):
    assert (factors(make_course, snapshots, DRUG, n=20, day=-7.0) == 1.0).all()


def test_complete_responders_fall_to_the_background(make_course, snapshots):
    drug = {**DRUG, "responder_fraction": 0.6, "complete_fraction": 0.5}
    found = snapshots(make_course(treatments={"drug": drug}), 600, FULL, arm="drug")
    cold = [all(x.suv == pytest.approx(BACKGROUND_SUV[x.organ]) for x in snapshot.lesions) for snapshot in found]
    assert np.mean(cold) == pytest.approx(0.3, abs=0.06)
    assert all(len(snapshot.lesions) == 3 for snapshot in found)


def test_a_complete_response_never_raises_uptake(make_course, snapshots):
    drug = {"responder_fraction": 1.0, "complete_fraction": 1.0}
    faint = {"suv": {"kind": "constant", "value": 0.3}}
    assert (factors(make_course, snapshots, drug, n=20, disease=faint) == 1.0).all()


def test_growth_is_held_back(make_course, snapshots):
    drug = {"responder_fraction": 1.0, "responders": {"growth_ratio": 0.25}}
    history = {"doubling_time_days": {"kind": "constant", "value": 60.0}}
    course = make_course(treatments={"drug": drug}, history=history)
    before, after = snapshots(course, 1, 0.0, arm="drug")[0], snapshots(course, 1, 60.0, arm="drug")[0]
    assert after.lesions[0].volume_ml / before.lesions[0].volume_ml == pytest.approx(2.0**0.25)


def test_new_lesions_are_held_back_and_are_some_of_the_twins(make_course, snapshots):
    drug = {"responder_fraction": 1.0, "responders": {"new_lesion_ratio": 0.3}}
    course = make_course(treatments={"drug": drug}, history={"new_lesions_per_year": 10.0})
    treated, twin = snapshots(course, 200, 365.25, arm="drug"), snapshots(course, 200, 365.25)
    new = [{x.id for x in snapshot.lesions if x.is_new} for snapshot in treated]
    of_twin = [{x.id for x in snapshot.lesions if x.is_new} for snapshot in twin]
    assert all(own <= other for own, other in zip(new, of_twin, strict=True))
    assert sum(map(len, new)) / 200 == pytest.approx(3.0, abs=0.4)
    assert sum(map(len, of_twin)) / 200 == pytest.approx(10.0, abs=0.7)


@given(number=st.integers(0, 10**6), low=st.floats(0, 1), high=st.floats(0, 1))
def test_who_responds_under_a_smaller_fraction_responds_under_a_larger(number, low, high):
    low, high = sorted((low, high))

    def responds(fraction):
        drug = Treatment.model_validate({**DRUG, "responder_fraction": fraction, "complete_fraction": 0.5})
        found = drug.response(stream(3, str(number)))
        return (found.effect is drug.responders) + found.complete

    assert responds(low) <= responds(high)


def test_a_stronger_effect_never_leaves_a_lesion_hotter(make_course, snapshots):
    noise = {"uptake_sd_between_patients": 0.3, "uptake_sd_between_lesions": 0.3}
    drug = {**DRUG, "responders": {"uptake_change": -0.5, **noise}, "non_responders": {"uptake_change": -0.1, **noise}}
    strong = {**drug, "responder_fraction": 0.7, "responders": {"uptake_change": -0.7, **noise}}
    weak = factors(make_course, snapshots, drug, n=200)
    assert (factors(make_course, snapshots, strong, n=200) <= weak).all()
    assert (weak > 1.0).any()


def test_the_default_treatment_does_nothing(make_course, snapshots):
    assert (factors(make_course, snapshots, {}, n=20) == 1.0).all()


def test_every_site_has_a_background():
    assert tuple(BACKGROUND_SUV) == LESION_SITES


@pytest.mark.parametrize(
    "drug",
    [
        {"responder_fraction": 1.2},
        {"responders": {"uptake_change": -1.0}},
        {"responders": {"uptake": -0.5}},
        {"uptake_half_time_days": 0.0},
        {"responders": {"growth_ratio": -0.1}},
        {"responders": {"uptake_sd_between_patients": 5.0}},
    ],
)
def test_absurd_treatments_are_refused(drug):
    with pytest.raises(ValidationError):
        Treatment.model_validate(drug)
