"""Placing and planting lesions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from vct.engine.lesions import IN_LUNG_HU, NECROSIS_HU, place, plant
from vct.engine.phantom.settle import usual_labels
from vct.engine.sites import SiteMap
from vct.errors import PatientError
from vct.forms import filling
from vct.records import Lesion
from vct.shapes import FWHM_PER_SIGMA, blurred_sphere_center
from vct.structures import LESION_SITES, STRUCTURES, labels_of
from vct.volume import Grid, Volume

BACKGROUND = 1.5


def lesion(
    name: str = "L1", organ: str = "liver", diameter: float = 20.0, suv: float = 8.0, **kwargs: object
) -> Lesion:
    return Lesion(id=name, organ=organ, diameter_mm=diameter, suv=suv, room_mm=max(diameter, 10.0), **kwargs)


def plain(spacing: float = 4.0, half_mm: float = 80.0) -> tuple[Volume, Volume]:
    count = int(2 * half_mm / spacing)
    grid = Grid(shape=(count,) * 3, spacing_mm=(spacing,) * 3, origin_mm=(spacing / 2 - half_mm,) * 3)
    pet = np.full(grid.shape, BACKGROUND, dtype=np.float32)
    return Volume(data=np.full(grid.shape, 55.0, dtype=np.float32), grid=grid, unit="HU"), Volume(
        data=pet, grid=grid, unit="SUVbw"
    )


@pytest.fixture(scope="module")
def labels(man, seed):
    return usual_labels(man, seed)


@given(
    diameter=st.floats(1.0, 50.0),
    spacing=st.sampled_from([2.0, 4.0, 8.0]),
    offset=st.tuples(*[st.floats(-6.0, 6.0)] * 3),
    stretch=st.floats(0.7, 1.4),
    fwhm=st.sampled_from([0.0, 0.0, 7.0]),
)
def test_added_activity_is_contrast_times_volume(diameter, spacing, offset, stretch, fwhm):
    ct, pet = plain(spacing, half_mm=64.0)
    one = lesion(diameter=diameter, axis_ratios=(stretch, 1.0, 1.0 / stretch), center_mm=offset)
    _, planted, background = plant(ct, pet, [one], fwhm)
    added = float((planted.data - pet.data).sum(dtype=np.float64)) * pet.grid.voxel_ml
    assert background["L1"] == pytest.approx(BACKGROUND)
    assert added == pytest.approx((one.suv - BACKGROUND) * one.volume_ml, rel=0.01)


def test_inside_a_lesion_the_uptake_is_its_own():
    ct, pet = plain()
    hu, suv, _ = plant(ct, pet, [lesion(diameter=30.0, center_mm=(0.0, 0.0, 0.0), organ="lung")])
    assert suv.data.max() == pytest.approx(8.0, rel=1e-6)
    assert (suv.data == suv.data.max()).sum() * 0.064 > 5.0
    assert hu.data.min() == pytest.approx(IN_LUNG_HU)


def test_a_dead_core_takes_up_less_and_is_less_dense():
    ct, pet = plain()
    one = lesion(diameter=50.0, center_mm=(0.0, 0.0, 0.0), core_share=0.3, core_uptake=0.2, irregularity=0.15)
    hu, suv, _ = plant(ct, pet, [one])
    assert suv.data[20, 20, 20] == pytest.approx(1.6)
    assert hu.data[20, 20, 20] == pytest.approx(NECROSIS_HU)
    assert suv.data.max() == pytest.approx(8.0, rel=1e-6)
    for fwhm in (0.0, 7.0):
        added = float((plant(ct, pet, [one], fwhm)[1].data - pet.data).sum(dtype=np.float64)) * pet.grid.voxel_ml
        assert added == pytest.approx((one.mean_suv - BACKGROUND) * one.volume_ml, rel=0.01)


@pytest.mark.parametrize("diameter", [8.0, 14.0, 25.0])
def test_golden_recovery_of_a_blurred_sphere(diameter):
    ct, pet = plain(spacing=1.0, half_mm=40.0)
    fwhm = 7.0
    _, planted, _ = plant(ct, pet, [lesion(diameter=diameter, center_mm=(0.5, 0.5, 0.5))])
    blurred = ndimage.gaussian_filter(planted.data.astype(np.float64), fwhm / FWHM_PER_SIGMA)
    recovery = (blurred[40, 40, 40] - BACKGROUND) / (8.0 - BACKGROUND)
    assert recovery == pytest.approx(blurred_sphere_center(diameter / 2.0, fwhm), rel=0.015)


@pytest.mark.parametrize(("spacing", "at"), [(1.0, 0.5), (4.0, 2.0)])
def test_an_engines_blur_is_given_to_the_lesion_too(spacing, at):
    ct, pet = plain(spacing=spacing, half_mm=40.0)
    _, planted, _ = plant(ct, pet, [lesion(diameter=14.0, center_mm=(at, at, at))], fwhm_mm=7.0)
    recovery = (planted.data.max() - BACKGROUND) / (8.0 - BACKGROUND)
    assert recovery == pytest.approx(blurred_sphere_center(7.0, 7.0), rel=0.02)


def test_a_vanished_lesion_leaves_no_trace_but_its_background():
    ct, pet = plain()
    hu, suv, background = plant(ct, pet, [lesion(diameter=0.0, center_mm=(3.0, 2.0, 1.0))])
    assert np.array_equal(suv.data, pet.data)
    assert np.array_equal(hu.data, ct.data)
    assert background == {"L1": pytest.approx(BACKGROUND)}


def test_a_lesion_beyond_the_field_of_view_adds_nothing():
    ct, pet = plain()
    assert filling(pet.grid, lesion(center_mm=(500.0, 0.0, 0.0))) is None
    _, suv, background = plant(ct, pet, [lesion(center_mm=(500.0, 0.0, 0.0))])
    assert np.array_equal(suv.data, pet.data)
    assert background["L1"] == pytest.approx(BACKGROUND)


def test_an_unplaced_lesion_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="L1 has no place"):
        plant(*plain(), [lesion()])


@pytest.mark.parametrize("site", LESION_SITES)
def test_lesions_lie_in_their_site_and_in_the_body(labels, man, seed, site):
    sites = SiteMap(labels)
    ones = [lesion(f"{site}{i}", site, 12.0) for i in range(6)]
    placed = place(ones, labels, seed, man.id)
    for one in placed:
        index = tuple(round((c - o) / 6.0) for c, o in zip(one.center_mm, labels.grid.origin_mm, strict=True))
        assert any(sites.mask(site, side)[index] for side in ("right", "left"))
    outside = Volume(data=(labels.data == 0).astype(np.float32), grid=labels.grid, unit="SUVbw")
    assert max(plant(outside, outside, placed)[2].values()) < 0.1


@pytest.mark.parametrize("organ", ["liver", "lung", "spleen"])
def test_where_there_is_room_a_lesion_lies_wholly_in_its_organ(labels, man, seed, organ):
    placed = place([lesion(f"{organ}{i}", organ, 20.0) for i in range(5)], labels, seed, man.id)
    inside = np.isin(labels.data, labels_of("lungs" if organ == "lung" else organ)).astype(np.float32)
    shares = plant(
        Volume(data=inside, grid=labels.grid, unit="HU"), Volume(data=inside, grid=labels.grid, unit="SUVbw"), placed
    )[2]
    assert min(shares.values()) > 0.94


@pytest.mark.parametrize("organ", ["liver", "lung", "spleen"])
def test_irregular_lesions_stay_in_their_organ_too(labels, man, seed, organ):
    ones = [lesion(f"{organ}{i}", organ, 25.0, irregularity=0.2, form=i) for i in range(5)]
    inside = np.isin(labels.data, labels_of("lungs" if organ == "lung" else organ)).astype(np.float32)
    image = Volume(data=inside, grid=labels.grid, unit="HU"), Volume(data=inside, grid=labels.grid, unit="SUVbw")
    shares = plant(*image, place(ones, labels, seed, man.id))[2]
    assert min(shares.values()) > 0.94


def test_lesions_do_not_overlap_while_there_is_room(labels, man, seed):
    ones = [
        lesion(f"L{i}", site, 20.0)
        for i, site in enumerate(("liver", "lung", "bone", "mediastinum", "soft_tissue") * 4)
    ]
    centers = np.asarray([one.center_mm for one in place(ones, labels, seed, man.id)])
    away = np.linalg.norm(centers[:, None] - centers[None], axis=2)
    assert away[np.triu_indices(len(ones), 1)].min() >= 20.0


def test_a_great_burden_still_finds_places(labels, man, seed):
    ones = [lesion(f"L{i}", site, 60.0) for i, site in enumerate(LESION_SITES * 3)]
    placed = place(ones, labels, seed, man.id)
    assert all(one.center_mm is not None for one in placed)


def test_a_lesion_keeps_its_place_whatever_comes_later_or_shrinks(labels, man, seed):
    ones = [lesion(f"L{i}", site) for i, site in enumerate(("liver", "lung", "bone"))]
    before = place(ones, labels, seed, man.id)
    after = place([replace(one, diameter_mm=0.0, suv=1.0) for one in ones] + [lesion("new")], labels, seed, man.id)
    assert [one.center_mm for one in before] == [one.center_mm for one in after[:3]]
    assert after[3].center_mm not in [one.center_mm for one in before]


def test_places_depend_on_patient_and_seed_only(labels, seed):
    centers = {place([lesion()], labels, s, patient)[0].center_mm for s in (seed, seed + 1) for patient in ("A", "B")}
    assert len(centers) == 4
    assert place([lesion()], labels, seed, "A") == place([lesion()], labels, seed, "A")


def test_nodes_lie_at_their_stations(labels, man, seed):
    def center(site: str) -> np.ndarray:
        return np.mean(
            [one.center_mm for one in place([lesion(f"n{i}", site, 12.0) for i in range(8)], labels, seed, man.id)],
            axis=0,
        )

    def z_of(structure: str) -> float:
        _, _, k = np.nonzero(np.isin(labels.data, labels_of(structure)))
        return labels.grid.origin_mm[2] + 6.0 * float(k.mean())

    assert z_of("vertebrae_T10") < center("mediastinum")[2] < z_of("vertebrae_T1") + 20.0
    assert z_of("vertebrae_L5") < center("retroperitoneum")[2] < z_of("vertebrae_T12")
    assert z_of("femur_left") < center("pelvis_node")[2] < z_of("vertebrae_L4")
    assert z_of("rib_left_6") < center("axilla")[2] < z_of("vertebrae_C7")
    assert center("supraclavicular")[2] > z_of("vertebrae_T4")


def test_a_site_out_of_view_is_the_patients_failure(labels, man, seed):
    without = Volume(data=np.where(labels.data == STRUCTURES["spleen"], 0, labels.data), grid=labels.grid, unit="label")
    with pytest.raises(PatientError, match=r"'spleen'.*not in the field of view"):
        place([lesion(organ="spleen")], without, seed, man.id)
    iliac = [number for name, number in STRUCTURES.items() if name.startswith("iliac")]
    without = Volume(data=np.where(np.isin(labels.data, iliac), 0, labels.data), grid=labels.grid, unit="label")
    with pytest.raises(PatientError, match="no iliac_artery_left"):
        place([lesion(organ="pelvis_node")], without, seed, man.id)


def test_the_phantom_plants_at_the_same_place_at_every_visit_and_voxel_size(man, coarse, man_4mm, on_day, seed):
    ones = (lesion("L1", "liver", 25.0), lesion("L2", "bone", 15.0))
    scans = [coarse.generate(on_day(man, visit, ones), seed) for visit in ("baseline", "week8")]
    fine = type(coarse)(spacing_mm=4.0).generate(on_day(man, "baseline", ones), seed)
    centers = [[one.center_mm for one in scan.snapshot.lesions] for scan in (*scans, fine)]
    assert centers[0] == centers[1] == centers[2]
    assert fine.background_suv["L1"] == pytest.approx(fine.planted_suv["liver"], rel=0.05)
    added = float((fine.pet.data - man_4mm.pet.data).sum(dtype=np.float64)) * fine.pet.grid.voxel_ml
    expected = sum((one.suv - fine.background_suv[one.id]) * one.volume_ml for one in ones)
    assert added == pytest.approx(expected, rel=0.01)
    assert np.array_equal(fine.labels.data, man_4mm.labels.data)
