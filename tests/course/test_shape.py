from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from vct.course.shape import HALF_NECROTIC_MM, LARGEST_SHARE, Necrosis, Shape
from vct.structures import LESION_SITES

LOOK = ("irregularity", "form", "core_share", "core_uptake")


def looks(found):
    return [[tuple(getattr(lesion, name) for name in LOOK) for lesion in item.lesions] for item in found]


def test_a_lesion_looks_the_same_at_every_visit_and_on_every_arm(make_course, snapshots):
    course = make_course(
        history={"doubling_time_days": {"kind": "constant", "value": 60.0}},
        treatments={"drug": {"responder_fraction": 1.0, "responders": {"size_change": -0.4}}},
        disease={"diameter_mm": {"kind": "lognormal", "median": 50.0, "geometric_sd": 1.3}},
    )
    first, later = snapshots(course, 40), snapshots(course, 40, day=80.0)
    assert looks(first) == looks(later) == looks(snapshots(course, 40, day=80.0, arm="drug"))
    assert first[0].lesions[0].diameter_mm < later[0].lesions[0].diameter_mm
    forms = [lesion.form for item in first for lesion in item.lesions]
    assert len(set(forms)) == len(forms)
    assert {lesion.core_share > 0.0 for item in first for lesion in item.lesions} == {True, False}


def test_small_lesions_are_smooth_and_large_ones_irregular(make_course, snapshots):
    assert Shape().of(8.0) < 0.02 < 0.1 < Shape().of(40.0) < Shape().of(200.0) < 0.2
    assert Shape().of(25.0) == pytest.approx(0.1)
    plain = make_course(disease={"shape": {"irregularity": 0.0}, "necrosis": None})
    assert {look[0::2] for item in looks(snapshots(plain, 20)) for look in item} == {(0.0, 0.0)}


@pytest.mark.parametrize(("site", "diameter_mm"), [("mediastinum", 40.0), ("liver", 50.0), ("lung", 45.0)])
def test_cores_are_as_frequent_and_as_large_as_asked_for(site, diameter_mm):
    scores = np.random.default_rng(3).standard_normal((2, 20_000))
    organ = np.full(20_000, LESION_SITES.index(site))
    share = Necrosis().share(organ, np.full(20_000, diameter_mm), scores)
    wanted = stats.norm.cdf(np.log(diameter_mm / HALF_NECROTIC_MM[site]) / np.log(1.6))
    assert (share > 0.0).mean() == pytest.approx(wanted, abs=0.01)
    assert np.median(share[share > 0.0]) == pytest.approx((1.0 - 16.0 / diameter_mm) ** 3, rel=0.05)
    assert share.max() <= LARGEST_SHARE


def test_a_quarter_of_nodes_of_40_mm_and_a_third_of_a_mass_of_50_mm():
    assert stats.norm.cdf(np.log(40.0 / HALF_NECROTIC_MM["axilla"]) / np.log(1.6)) == pytest.approx(15 / 60, abs=0.01)
    core = Necrosis(half_necrotic_mm={"lung": 1.0}).share(np.array([0]), np.array([50.0]), np.zeros((2, 1)))
    assert core[0] == pytest.approx(0.31, abs=0.01)
    assert LESION_SITES[0] == "lung"


def test_sites_are_known_ones():
    with pytest.raises(ValidationError, match="half_necrotic_mm"):
        Necrosis(half_necrotic_mm={"nose": 10.0})
