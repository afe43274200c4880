"""Drawn traits against the published spread, correlations and slopes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vct.engine.phantom import tables
from vct.engine.phantom.physiology import body_covariance, draw_day, draw_traits, fat_share

N = 600
WITHOUT_URINE = [name for name in tables.CORRELATED if name != "urinary_bladder"]


@pytest.fixture(scope="module")
def scans(somebody, seed):
    """ln SUV (N, organs) of single scans of N patients who differ by chance only, and their ln volumes."""
    suv, volume = [], []
    for number in range(N):
        patient = somebody(f"S{number}")
        traits = draw_traits(patient, seed)
        day = draw_day(patient, "baseline", seed, traits, variation=1.0)
        suv.append([math.log(traits.uptake[name] * day.factors[name]) for name in WITHOUT_URINE])
        volume.append([math.log(traits.volumes_ml[name]) for name in tables.VOLUME])
    return np.asarray(suv), np.asarray(volume)


def test_golden_uptake_spreads_as_in_hedypet(scans):
    published = np.array([tables.UPTAKE[name][-1] for name in WITHOUT_URINE])
    drawn = scans[0].std(axis=0, ddof=1)
    assert drawn == pytest.approx(published, rel=4.0 / math.sqrt(2 * N) + 0.02)


def test_golden_uptakes_correlate_as_in_hedypet(scans):
    drawn = np.corrcoef(scans[0], rowvar=False)
    for row, values in enumerate(tables.UPTAKE_CORRELATION[: len(WITHOUT_URINE) - 1], start=1):
        for column, published in enumerate(values):
            assert drawn[row, column] == pytest.approx(published, abs=4.0 * (1 - published**2) / math.sqrt(N) + 0.02)


def test_golden_liver_follows_blood(scans):
    liver, aorta = WITHOUT_URINE.index("liver"), WITHOUT_URINE.index("aorta")
    assert np.corrcoef(scans[0], rowvar=False)[liver, aorta] == pytest.approx(0.735, abs=0.08)


def test_golden_volumes_spread_as_in_hedypet(scans):
    names = list(tables.VOLUME)
    for name in ("liver", "kidneys", "heart", "spleen", "lungs"):
        drawn = scans[1][:, names.index(name)].std(ddof=1)
        assert drawn == pytest.approx(tables.VOLUME[name][-1], rel=4.0 / math.sqrt(2 * N) + 0.02)


def test_what_varies_by_day_fits_into_the_published_spread():
    assert np.linalg.eigvalsh(body_covariance()).min() > 0.0


@pytest.mark.parametrize(("organ", "expected"), [("liver", 2.294), ("aorta", 1.984), ("kidneys", 3.035)])
def test_golden_median_uptake_of_a_woman_of_50_with_bmi_25(somebody, seed, organ, expected):
    drawn = [draw_traits(somebody(f"W{i}", "F", 50.0, 165.0, 25.0), seed).uptake[organ] for i in range(300)]
    assert np.median(drawn) == pytest.approx(expected, rel=0.03)


def test_golden_liver_rises_by_12_percent_per_5_kg_m2(somebody, seed):
    suv = [draw_traits(somebody("W", "F", 50.0, 165.0, bmi), seed).uptake["liver"] for bmi in (25.0, 30.0)]
    assert suv[1] / suv[0] == pytest.approx(1.118, abs=0.002)


def test_golden_liver_varies_by_6_7_percent_from_day_to_day(man, seed):
    traits = draw_traits(man, seed)
    days = [draw_day(man, f"day{i}", seed, traits, 1.0) for i in range(N)]
    assert np.std([math.log(day.factors["liver"]) for day in days]) == pytest.approx(0.067, rel=0.12)
    filling, uptake = ([math.log(getattr(day, name)) for day in days] for name in ("bladder_ml", "bladder_suv"))
    assert np.corrcoef(filling, uptake)[0, 1] == pytest.approx(-0.671, abs=0.1)


def test_a_usual_day_changes_nothing(man, seed):
    traits = draw_traits(man, seed)
    day = draw_day(man, "any", seed, traits, variation=0.0)
    assert set(day.factors.values()) == {1.0}
    assert (day.bladder_ml, day.bladder_suv) == (
        traits.volumes_ml["urinary_bladder"], traits.uptake["urinary_bladder"]
    )  # fmt: skip


def test_the_myocardium_makes_up_the_hearts_mean_and_ranges_from_off_to_hot(somebody, seed):
    off, shares = 0, []
    for number in range(300):
        uptake = draw_traits(somebody(f"H{number}"), seed).uptake
        mean = 0.23 * uptake["myocardium"] + 0.77 * uptake["aorta"]
        off += uptake["myocardium"] < uptake["aorta"]
        shares.append(uptake["myocardium"] / uptake["aorta"])
        assert mean >= uptake["heart"] - 1e-9
    assert 0.05 < off / 300 < 0.35
    assert max(shares) > 6.0


@pytest.mark.parametrize(
    ("sex", "bmi", "age", "percent"),
    [("F", 25.0, 40.0, 33.7), ("M", 25.0, 40.0, 20.9), ("F", 45.0, 50.0, 49.6), ("M", 18.5, 30.0, 8.2)],
)
def test_golden_fat_by_gallagher(somebody, sex, bmi, age, percent):
    assert 100.0 * fat_share(somebody("G", sex, age, 170.0, bmi)) == pytest.approx(percent, abs=0.1)
