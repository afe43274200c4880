from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from vct.course import History
from vct.records import Visit


def lesion_pairs(course, snapshots, day, n=200, **kwargs):
    before, after = snapshots(course, n, 0.0, **kwargs), snapshots(course, n, day, **kwargs)
    return [
        pair for old, new in zip(before, after, strict=True) for pair in zip(old.lesions, new.lesions, strict=False)
    ]


def test_volume_doubles_in_the_doubling_time(make_course, snapshots):
    course = make_course(history={"doubling_time_days": {"kind": "constant", "value": 90.0}})
    for before, after in lesion_pairs(course, snapshots, 90.0, n=5):
        assert after.volume_ml / before.volume_ml == pytest.approx(2.0)


def test_before_day_nought_lesions_were_smaller(make_course, snapshots):
    course = make_course(history={"doubling_time_days": {"kind": "constant", "value": 60.0}})
    for day0, earlier in lesion_pairs(course, snapshots, -30.0, n=3):
        assert earlier.volume_ml / day0.volume_ml == pytest.approx(2.0**-0.5)


def test_doubling_times_follow_their_distribution(make_course, snapshots):
    distribution = {"kind": "lognormal", "median": 150.0, "geometric_sd": 1.8}
    course = make_course(history={"doubling_time_days": distribution}, disease={"between_lesion_correlation": 0.5})
    pairs = [pairs for pairs in lesion_pairs(course, snapshots, 40.0, n=600) if pairs[0].id == "L01"]
    found = [40.0 / np.log2(after.volume_ml / before.volume_ml) for before, after in pairs]
    assert stats.kstest(np.log(np.array(found) / 150.0) / np.log(1.8), "norm").pvalue > 0.005


def test_growth_stops_at_the_largest_lesion_that_a_body_can_hold(make_course, snapshots):
    course = make_course(history={"doubling_time_days": {"kind": "constant", "value": 6.0}})
    assert {after.diameter_mm for _, after in lesion_pairs(course, snapshots, 3000.0, n=2)} == {200.0}


def test_uptake_drifts_as_asked(make_course, snapshots):
    course = make_course(history={"uptake_change_per_day": 0.01})
    for before, after in lesion_pairs(course, snapshots, 10.0, n=3):
        assert after.suv / before.suv == pytest.approx(1.01**10)


def test_without_history_nothing_changes(make_course, snapshots):
    course = make_course()
    for before, after in zip(snapshots(course, 20, 0.0), snapshots(course, 20, 500.0), strict=True):
        assert before.lesions == after.lesions


def test_new_lesions_are_a_poisson_process(make_course, snapshots):
    course = make_course(history={"new_lesions_per_year": 6.0}, disease={"count": {"kind": "constant", "value": 0}})
    counts = np.array([len(found.lesions) for found in snapshots(course, 600, 365.25 / 2)])
    assert counts.mean() == pytest.approx(3.0, abs=3 * np.sqrt(3.0 / 600))
    assert counts.var() == pytest.approx(3.0, rel=0.25)
    assert not any(found.lesions for found in snapshots(course, 50, 0.0))


def test_new_lesions_are_marked_and_stay(make_course, snapshots):
    course = make_course(
        history={
            "new_lesions_per_year": 20.0,
            "new_diameter_mm": {"kind": "constant", "value": 8.0},
            "doubling_time_days": {"kind": "constant", "value": 100.0},
        }
    )
    for early, late in zip(snapshots(course, 30, 30.0), snapshots(course, 30, 90.0), strict=True):
        assert {lesion.id for lesion in early.lesions} <= {lesion.id for lesion in late.lesions}
        assert all(lesion.is_new == lesion.id.startswith("N") for lesion in late.lesions)
        grown = [lesion.diameter_mm for lesion in late.lesions if lesion.is_new]
        assert all(8.0 <= diameter <= 8.0 * 2.0 ** (90 / 300) for diameter in grown)


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_day_to_day_variation_has_the_cv_and_the_share_asked_for(make_course, snapshots, shared):
    course = make_course(history={"day_to_day_cv": 0.10, "day_to_day_shared": shared})
    pairs = lesion_pairs(course, snapshots, 3.0, n=700)
    change = np.log([after.suv / before.suv for before, after in pairs]).reshape(-1, 3)
    assert change.std() / np.sqrt(2) == pytest.approx(np.sqrt(np.log1p(0.01)), rel=0.05)
    assert abs(change.mean()) < 0.01
    assert np.corrcoef(change[:, 0], change[:, 1])[0, 1] == pytest.approx(shared, abs=0.1)


def test_sizes_do_not_vary_from_day_to_day(make_course, snapshots):
    course = make_course(history={"day_to_day_cv": 0.2})
    assert all(after.diameter_mm == before.diameter_mm for before, after in lesion_pairs(course, snapshots, 3.0, n=5))


def test_onsets_do_not_depend_on_how_far_one_looks(make_course, snapshots):
    history = History(new_lesions_per_year=12.0)
    person = snapshots(make_course(), 1)[0].patient
    far = [item for item in history.onsets(person, 300.0, 1) if item[1] <= 50.0]
    assert far == list(history.onsets(person, 50.0, 1))


def test_day_to_day_luck_belongs_to_the_visit(make_course, snapshots):
    history, person = History(day_to_day_cv=0.1), snapshots(make_course(), 1)[0].patient
    monday, tuesday = Visit(name="monday", day=0.0), Visit(name="tuesday", day=1.0)
    assert history.on_the_day(person, monday, "L01", 1) == history.on_the_day(person, monday, "L01", 1)
    assert history.on_the_day(person, monday, "L01", 1) != history.on_the_day(person, tuesday, "L01", 1)


@pytest.mark.parametrize(
    "history",
    [
        {"doubling_time_days": {"kind": "constant", "value": 1.0}},
        {"new_diameter_mm": {"kind": "constant", "value": 0.0}},
        {"new_lesions_per_year": -1.0},
        {"day_to_day_cv": 0.9},
        {"uptake_change_per_day": 1.0},
    ],
)
def test_absurd_histories_are_refused(history):
    with pytest.raises(ValidationError):
        History.model_validate(history)
