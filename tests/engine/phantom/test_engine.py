"""Scans of the phantom: what is where, what stays and what changes."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from vct.engine.base import Engine
from vct.engine.phantom import Phantom, engine
from vct.engine.phantom.settle import _settle, _usual_labels, settle
from vct.records import Scan
from vct.structures import GROUPS, STRUCTURES, labels_of


def centroid_mm(scan: Scan, structure: str) -> np.ndarray:
    inside = np.isin(scan.labels.data, labels_of(structure))
    return np.asarray(scan.labels.grid.origin_mm) + 4.0 * np.asarray(ndimage.center_of_mass(inside))


def eroded(scan: Scan, structure: str, by: int) -> np.ndarray:
    return ndimage.binary_erosion(np.isin(scan.labels.data, labels_of(structure)), np.ones((3, 3, 3)), by)


def test_it_is_an_engine_and_travels_between_processes():
    phantom = Phantom(spacing_mm=5.0)
    assert isinstance(phantom, Engine)
    assert pickle.loads(pickle.dumps(phantom)) == phantom
    assert Phantom(day_variation=0.0).name == "phantom 4 mm, day variation 0"
    with pytest.raises(ValidationError):
        Phantom(spacing_mm=0.1)


def test_volumes_lie_on_one_grid_with_plausible_values(man_4mm, woman_4mm):
    for scan in (man_4mm, woman_4mm):
        assert scan.ct.grid == scan.pet.grid == scan.labels.grid
        assert (scan.ct.unit, scan.pet.unit, scan.labels.unit) == ("HU", "SUVbw", "label")
        assert (scan.ct.data.dtype, scan.pet.data.dtype, scan.labels.data.dtype) == (np.float32, np.float32, np.uint8)
        assert scan.ct.data.min() >= -1000.01
        assert scan.ct.data.max() < 1200.0
        assert scan.pet.data.min() >= 0.0
        assert (scan.fwhm_mm, scan.noise_cov, scan.made_by) == (0.0, 0.0, "phantom 4 mm")
        assert set(np.unique(scan.labels.data)) <= {0, *STRUCTURES.values()}


def test_the_field_of_view_has_the_published_length_and_holds_the_body(somebody, on_day, seed):
    for name, sex, height, bmi in (("A", "M", 176.0, 24.0), ("B", "F", 160.0, 45.0)):
        scan = Phantom(spacing_mm=8.0).generate(on_day(somebody(name, sex, 50.0, height, bmi)), seed)
        grid = scan.pet.grid
        assert grid.shape[2] * 8.0 == pytest.approx(3.4723 * height + 121.46, abs=4.01)
        assert grid.shape[0] == grid.shape[1]
        assert (grid.shape[0] * 8.0 - 448.0) % 16.0 == 0.0
        assert (grid.shape[0] > 56) == (bmi > 40.0)
        rim = np.concatenate([scan.labels.data[[0, -1]].ravel(), scan.labels.data[:, [0, -1]].ravel()])
        assert not rim.any()


def test_right_is_right_front_is_front_and_up_is_up(man_4mm):
    at = {name: centroid_mm(man_4mm, name) for name in (
        "liver", "spleen", "stomach", "heart", "kidney_right", "kidney_left", "sternum", "vertebrae_T7", "sacrum",
        "urinary_bladder", "trachea", "lungs", "femur_right", "scapula_left", "aorta", "inferior_vena_cava",
    )}  # fmt: skip
    assert at["liver"][0] > 20.0 > -20.0 > max(at["spleen"][0], at["stomach"][0])
    assert at["heart"][0] < 0.0
    assert at["kidney_right"][0] > 40.0 > -40.0 > at["kidney_left"][0]
    assert at["femur_right"][0] > 0.0 > at["scapula_left"][0]
    assert at["aorta"][0] < at["inferior_vena_cava"][0]
    assert at["sternum"][1] > at["heart"][1] > at["vertebrae_T7"][1]
    assert at["urinary_bladder"][2] < at["liver"][2] < at["lungs"][2] < at["trachea"][2]
    assert at["kidney_right"][2] < at["kidney_left"][2]


@pytest.mark.parametrize(
    "structure", ["liver", "spleen", "lung_lower_lobe_right", "heart_myocardium", "urinary_bladder"]
)
def test_uptake_inside_an_organ_is_the_planted_one(man_4mm, structure):
    inside = eroded(man_4mm, structure, 1 if structure == "heart_myocardium" else 2)
    assert inside.sum() > 20
    assert man_4mm.pet.data[inside] == pytest.approx(man_4mm.planted_suv[structure], rel=1e-3)


@pytest.mark.parametrize("group", ["liver", "lungs", "kidneys", "heart", "aorta", "spleen", "vertebrae_lumbar"])
def test_uptake_of_whole_organs_is_the_planted_one_up_to_partial_volume(woman_4mm, group):
    inside = np.isin(woman_4mm.labels.data, labels_of(group))
    assert woman_4mm.pet.data[inside].mean() == pytest.approx(woman_4mm.planted_suv[group], rel=0.12)


def test_planted_uptakes_cover_structures_and_groups(man_4mm):
    present = {number for number in np.unique(man_4mm.labels.data) if number}
    assert {name for name, number in STRUCTURES.items() if number in present} <= set(man_4mm.planted_suv)
    assert {"kidneys", "lungs", "heart_blood_pool", "vertebrae", "bone"} <= set(man_4mm.planted_suv)
    pool = {man_4mm.planted_suv[name] for name in GROUPS["heart_blood_pool"]}
    assert max(pool) - min(pool) < 1e-3 * max(pool)


def test_attenuation_inside_organs_is_the_patients_own(man, man_4mm, seed):
    hu = settle(man, seed).traits.hu
    for structure, tissue in (("liver", "liver"), ("spleen", "spleen"), ("urinary_bladder", "urine")):
        assert man_4mm.ct.data[eroded(man_4mm, structure, 2)] == pytest.approx(hu[tissue], abs=0.5)
    lung = man_4mm.ct.data[np.isin(man_4mm.labels.data, labels_of("lungs"))]
    assert -950.0 < np.median(lung) < -700.0
    assert man_4mm.ct.data[np.isin(man_4mm.labels.data, labels_of("vertebrae"))].mean() > 100.0
    assert (man_4mm.ct.data[:, 0] == -1000.0).all()


def test_all_activity_is_where_it_was_planted(man_4mm):
    total = float(man_4mm.pet.data.sum(dtype=np.float64)) * man_4mm.pet.grid.voxel_ml
    by_label = sum(
        float((man_4mm.labels.data == number).sum()) * man_4mm.pet.grid.voxel_ml * man_4mm.planted_suv[name]
        for name, number in STRUCTURES.items()
        if name in man_4mm.planted_suv
    )
    assert by_label == pytest.approx(total, rel=0.03)


def test_the_body_stays_and_the_day_changes(man, coarse, on_day, seed):
    first, second = (coarse.generate(on_day(man, visit), seed) for visit in ("baseline", "week8"))
    changed = first.labels.data != second.labels.data
    bladder = [scan.labels.data == STRUCTURES["urinary_bladder"] for scan in (first, second)]
    near = ndimage.binary_dilation(bladder[0] | bladder[1], np.ones((3, 3, 3)))
    assert changed.any()
    assert not (changed & ~near).any()
    assert np.array_equal(first.ct.data[~near], second.ct.data[~near])
    assert first.planted_suv["liver"] != second.planted_suv["liver"]


def test_without_day_variation_two_visits_are_one(man, on_day, seed):
    still = Phantom(spacing_mm=8.0, day_variation=0.0)
    first, second = (still.generate(on_day(man, visit), seed) for visit in ("baseline", "week8"))
    assert np.array_equal(first.pet.data, second.pet.data)
    assert np.array_equal(first.labels.data, second.labels.data)


def test_two_patients_are_two_bodies_and_twins_are_one(man, somebody, coarse, on_day, seed):
    scan = coarse.generate(on_day(man), seed)
    other = coarse.generate(on_day(somebody("P99")), seed)
    twin = coarse.generate(on_day(replace(man, arm="treated", site="B")), seed)
    inner = tuple(
        slice(min(a, b) - 50, min(a, b)) for a, b in zip(scan.pet.data.shape, other.pet.data.shape, strict=True)
    )
    assert (scan.labels.data[inner] != other.labels.data[inner]).mean() > 0.02
    assert np.array_equal(scan.pet.data, twin.pet.data)
    assert not np.array_equal(coarse.generate(on_day(man), seed + 1).pet.data, scan.pet.data)


def test_a_scan_does_not_depend_on_what_was_made_before(man, somebody, coarse, on_day, seed):
    scan = coarse.generate(on_day(man), seed)
    coarse.generate(on_day(somebody("P98", "F")), seed)
    _settle.cache_clear()
    _usual_labels.cache_clear()
    again = coarse.generate(on_day(man), seed)
    for one, two in ((scan.ct, again.ct), (scan.pet, again.pet), (scan.labels, again.labels)):
        assert one.data.tobytes() == two.data.tobytes()
    assert scan.planted_suv == again.planted_suv


def test_painting_in_slabs_changes_nothing(man, coarse, on_day, seed, monkeypatch):
    whole = coarse.generate(on_day(man), seed)
    monkeypatch.setattr(engine, "_MAX_VOXELS", 40_000)
    slabbed = coarse.generate(on_day(man), seed)
    assert np.array_equal(whole.labels.data, slabbed.labels.data)
    assert np.allclose(whole.pet.data, slabbed.pet.data, atol=1e-4)
    assert slabbed.planted_suv == pytest.approx(whole.planted_suv, rel=1e-5)


def test_any_grid_can_be_painted(man, man_4mm, on_day, seed):
    grid = man_4mm.pet.grid
    part = replace(grid, shape=(40, 40, 30), origin_mm=(20.1, -60.3, 200.2), spacing_mm=(3.0, 4.0, 5.0))
    scan = Phantom().paint(on_day(man), seed, part)
    assert scan.pet.data.shape == (40, 40, 30)
    liver = scan.labels.data == STRUCTURES["liver"]
    assert liver.mean() > 0.2
    assert np.median(scan.pet.data[liver]) == pytest.approx(man_4mm.planted_suv["liver"], rel=1e-3)
