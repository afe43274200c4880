"""The finder sees PET and organ labels only; what it finds is held against what was planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vct.acquisition.blur import blurred
from vct.acquisition.noise import add_noise
from vct.endpoint.response import Findings, percist
from vct.engine.base import Engine
from vct.protocol import Protocol, load
from vct.readout.burden import LesionCount, PaleLesionCount
from vct.readout.detection import detection
from vct.readout.diameter import LongestDiameter
from vct.readout.finder import Finder
from vct.readout.intensity import SulPeak
from vct.readout.lungs import hilar_vessels, solid_nodules
from vct.readout.reader import Reader, study_of
from vct.records import Lesion, Patient, Scan, Snapshot, Visit
from vct.structures import STRUCTURES

Make = Callable[..., Scan]
MakeLesion = Callable[..., Lesion]


def seen(scan: Scan, fwhm_mm: float = 5.7) -> Scan:
    pet, fwhm_mm = blurred(scan.pet, scan.fwhm_mm, fwhm_mm)
    return replace(scan, pet=pet, fwhm_mm=fwhm_mm)


def test_it_never_looks_at_the_truth(make_scan: Make, make_lesion: MakeLesion) -> None:
    """The same image without any planted lesion in its record gives the same marks."""
    scan = seen(make_scan([make_lesion(), make_lesion(18.0, 6.0, (-60.0, 50.0, 10.0), id="L2")]))
    bare = replace(scan, snapshot=replace(scan.snapshot, lesions=()), background_suv={}, planted_suv={})
    with_truth, without = (study_of(item).marks for item in (scan, bare))
    assert len(with_truth) == len(without) == 2
    for one, other in zip(with_truth, without, strict=True):
        assert (one.id, one.at_mm, one.organ) == (other.id, other.at_mm, other.organ)
        assert (one.region.mask == other.region.mask).all()


def test_organs_are_no_lesions(make_scan: Make) -> None:
    assert study_of(seen(make_scan())).marks == ()


@pytest.mark.parametrize("suv", [2.3, 6.0])
def test_a_lesion_in_the_liver_must_stand_out_from_it(make_scan: Make, make_lesion: MakeLesion, suv: float) -> None:
    scan = seen(make_scan([make_lesion(24.0, suv, (50.0, 0.0, 0.0))]))
    assert len(study_of(scan).marks) == (suv > 3.0)


def test_physiological_uptake_is_left_out(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = make_scan([make_lesion(24.0, 9.0, (-70.0, 50.0, 30.0))])
    assert scan.labels is not None
    labels, pet = scan.labels.data.copy(), scan.pet.data.copy()
    x, y, z = scan.pet.grid.axes_mm()
    for name, center in (("urinary_bladder", (-60.0, -40.0, -50.0)), ("kidney_left", (-60.0, 0.0, 0.0))):
        inside = (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 < 20.0**2
        labels[inside], pet[inside] = STRUCTURES[name], 30.0
    hot = replace(scan, labels=replace(scan.labels, data=labels), pet=replace(scan.pet, data=pet))
    (mark,) = study_of(seen(hot)).marks
    assert np.linalg.norm(np.subtract(mark.at_mm, (-70.0, 50.0, 30.0))) < 8.0


def test_a_lower_bar_finds_paler_lesions(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = seen(make_scan([make_lesion(24.0, 1.4)]))
    assert Finder().find(scan) == ()
    assert Finder(relative=0.1, least_suv=0.1).find(scan) == ()  # paler than the blood pool
    assert len(Finder(relative=0.1, least_suv=0.1, blood_pool=0.0).find(scan)) == 1


def bone(scan: Scan, core: float) -> Scan:
    """The scan with a block of a sacrum: a rind of 1 and a core of marrow."""
    assert scan.labels is not None
    labels, pet = scan.labels.data.copy(), scan.pet.data.copy()
    x, y, z = scan.pet.grid.axes_mm()
    for reach, suv in ((30.0, 1.0), (18.0, core)):
        inside = np.broadcast_to((abs(x + 50) < reach) & (abs(y) < reach) & (abs(z) < reach), labels.shape)
        labels[inside], pet[inside] = STRUCTURES["sacrum"], suv
    return replace(scan, labels=replace(scan.labels, data=labels), pet=replace(scan.pet, data=pet))


def test_marrow_in_its_rind_is_no_lesion(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = bone(make_scan(), 2.4)
    assert study_of(seen(scan)).marks == ()
    x, y, z = scan.pet.grid.axes_mm()
    pet = scan.pet.data.copy()
    pet[np.broadcast_to((x + 45) ** 2 + (y - 5) ** 2 + z**2 < 11**2, pet.shape)] = 8.0
    (mark,) = study_of(seen(replace(scan, pet=replace(scan.pet, data=pet)))).marks
    assert mark.organ == "sacrum"
    assert np.linalg.norm(np.subtract(mark.at_mm, (-45.0, 5.0, 0.0))) < 5.0


def test_without_labels_all_that_is_hot_stands_out(make_scan: Make, make_lesion: MakeLesion) -> None:
    assert len(Finder().find(seen(make_scan([make_lesion()], labels=None)))) >= 1


def test_known_lesions_keep_their_names(make_scan: Make, make_lesion: MakeLesion) -> None:
    places = [(-60.0, 60.0, 0.0), (-60.0, -40.0, 0.0), (-40.0, 0.0, 40.0)]
    first = [make_lesion(24.0, suv, at, id=f"L{n}") for n, (suv, at) in enumerate(zip((9, 7, 5), places, strict=True))]
    later = [
        make_lesion(14.0, 4.0, (-60.0, 63.0, 3.0)),
        make_lesion(24.0, 9.0, (-60.0, -40.0, 0.0), id="L1"),
        make_lesion(20.0, 8.0, (-70.0, 0.0, -55.0), id="N1", is_new=True),
    ]
    reader = Reader()
    before = reader.look(seen(make_scan(first)), None, 1)
    after = reader.look(seen(make_scan(later)), before, 1)
    assert [mark.id for mark in before.marks] == ["M01", "M02", "M03"]
    assert [(mark.id, mark.seen, mark.is_new) for mark in after.marks] == [
        ("M01", True, False),
        ("M02", True, False),
        ("M03", False, False),
        ("M04", True, True),
    ]
    assert after.targets == before.targets == ("M01", "M02")
    again = reader.look(seen(make_scan(later)), after, 1)
    assert [mark.id for mark in again.marks] == [mark.id for mark in after.marks]


def test_detection_counts_hits_misses_and_false_marks(make_scan: Make, make_lesion: MakeLesion) -> None:
    hot, pale = make_lesion(24.0, 9.0), make_lesion(24.0, 1.1, (-60.0, 60.0, 0.0), id="L2")
    scan = seen(make_scan([hot, pale]))
    found = detection(scan)
    assert [(lesion.id, mark.id) for lesion, mark in found.hits] == [("L1", "M01")]
    assert [lesion.id for lesion in found.missed] == ["L2"]
    assert found.false == ()
    unknown = replace(scan, snapshot=replace(scan.snapshot, lesions=(pale,)))
    assert [mark.id for mark in detection(unknown).false] == ["M01"]


def test_healthy_and_diseased_phantom_bodies(coarse: Engine) -> None:
    """At 8 mm: hot lesions of 3 cm are found, and a body shows a few false marks at most."""
    protocol: Protocol = load("nsclc_metabolic_response")
    patient = Patient(id="P1", sex="M", age_years=62.0, height_cm=176.0, weight_kg=80.0)
    lesions = tuple(
        Lesion(id=f"L{number}", organ=organ, diameter_mm=30.0, suv=10.0, room_mm=33.0)
        for number, organ in enumerate(("lung", "liver", "bone", "mediastinum"))
    )
    for planted in ((), lesions):
        snapshot = Snapshot(patient=patient, visit=Visit(name="baseline", day=0.0), lesions=planted)
        scan = protocol.acquisition.acquire(coarse.generate(snapshot, 5), 5)
        found = detection(scan)
        assert len(found.hits) >= len(planted) - 1
        assert len(found.false) <= 4


def painted(scan: Scan, inside: np.ndarray, label: str, suv: float, hu: float) -> Scan:
    """The scan with one structure painted into its labels, PET and CT."""
    assert scan.labels is not None
    labels, pet, ct = scan.labels.data.copy(), scan.pet.data.copy(), scan.ct.data.copy()
    inside = np.broadcast_to(inside, labels.shape)
    labels[inside], pet[inside], ct[inside] = STRUCTURES[label], suv, hu
    return replace(
        scan, labels=replace(scan.labels, data=labels), pet=replace(scan.pet, data=pet), ct=replace(scan.ct, data=ct)
    )


def beside_the_kidney(scan: Scan, gland_suv: float) -> Scan:
    """A kidney of SUV 5 and, on its upper pole, an adrenal gland of 12 by 16 by 20 mm."""
    x, y, z = scan.pet.grid.axes_mm()
    scan = painted(scan, ((x + 60) / 25) ** 2 + (y / 25) ** 2 + ((z + 20) / 40) ** 2 < 1, "kidney_left", 5.0, 30.0)
    return painted(scan, (abs(x + 60) < 6) & (abs(y) < 8) & (abs(z - 36) < 10), "adrenal_gland_left", gland_suv, 30.0)


def test_a_lesion_that_fills_its_adrenal_is_found_beside_the_kidney(make_scan: Make) -> None:
    assert study_of(seen(beside_the_kidney(make_scan(), 1.5))).marks == ()
    (mark,) = study_of(seen(beside_the_kidney(make_scan(), 8.0))).marks
    assert mark.organ == "adrenal_gland_left"
    assert np.linalg.norm(np.subtract(mark.at_mm, (-60.0, 0.0, 36.0))) < 8.0


def test_a_hot_loop_among_pale_ones_is_no_lesion_and_hides_none(make_scan: Make, make_lesion: MakeLesion) -> None:
    """One loop at SUV 9 in bowel whose 95th percentile is pale: its spill is expected, a lesion close by is not."""
    x, y, z = make_scan().pet.grid.axes_mm()
    bowel = (x < -10) & (x > -70) & (abs(y) < 50) & (abs(z) < 50)
    loop = bowel & (x > -26) & (abs(y) < 8) & (abs(z) < 16)

    def spilling(*lesions: Lesion) -> Scan:
        scan = painted(make_scan(lesions), bowel, "small_bowel", 1.0, 40.0)
        return seen(painted(scan, loop, "small_bowel", 9.0, 40.0))

    assert study_of(spilling()).marks == ()
    (mark,) = study_of(spilling(make_lesion(18.0, 6.0, (-17.0, 0.0, 62.0)))).marks
    assert np.linalg.norm(np.subtract(mark.at_mm, (-17.0, 0.0, 62.0))) < 8.0


def hilum(scan: Scan, thick_mm: float, suv: float, hu: float) -> Scan:
    """A lung with the pulmonary artery at its side and, running from there, what is `thick_mm` thick and 24 mm long."""
    x, y, z = scan.pet.grid.axes_mm()
    scan = painted(scan, (x < -10) & (abs(y) < 60) & (abs(z) < 60), "lung_upper_lobe_left", 0.5, -800.0)
    scan = painted(scan, (abs(x) < 10) & (abs(y - 20) < 10) & (abs(z) < 20), "pulmonary_artery", 1.6, 40.0)
    inside = (x < -10) & (x > -34) & ((y - 20) ** 2 + z**2 < (thick_mm / 2) ** 2)
    return painted(scan, inside, "lung_upper_lobe_left", suv, hu)


@pytest.mark.parametrize(
    ("thick_mm", "suv", "hu", "marks"),
    [(18.0, 1.9, -300.0, 0), (18.0, 6.0, -300.0, 1), (14.0, 1.9, 30.0, 0), (20.0, 1.9, 30.0, 1)],
    ids=["vessel", "hotter than blood", "as thick as an artery", "solid"],
)
def test_a_hilar_vessel_in_the_lung_is_no_lesion(
    make_scan: Make, thick_mm: float, suv: float, hu: float, marks: int
) -> None:
    scan = hilum(make_scan(), thick_mm, suv, hu)
    assert len(study_of(seen(scan)).marks) == marks
    air = replace(scan, ct=replace(scan.ct, data=np.full_like(scan.ct.data, -800.0)))
    assert len(study_of(seen(air)).marks) == 1  # what the CT does not show as a vessel


@pytest.mark.parametrize(("thick_mm", "vessel"), [(18.0, True), (22.0, False)])
def test_a_hilar_vessel_may_be_as_thick_as_a_pulmonary_artery(make_scan: Make, thick_mm: float, vessel: bool) -> None:
    """A round artery of 18 mm holds a cube of 12 mm, but none of 16."""
    assert hilar_vessels(hilum(make_scan(spacing_mm=2.0), thick_mm, 1.9, 30.0)).any() == vessel


@pytest.mark.parametrize(("hu", "diameter_mm"), [(30.0, 35.0), (-800.0, 0.0)], ids=["on the CT", "on the PET alone"])
def test_a_lung_nodule_paler_than_blood_is_read_where_the_ct_shows_it(
    make_scan: Make, hu: float, diameter_mm: float
) -> None:
    """Blood pool 1.6, nodule 1.4: Deauville 2, too pale for PERCIST, but a target of RECIST."""
    x, y, z = make_scan().pet.grid.axes_mm()
    lung = painted(make_scan(), (x < -10) & (abs(y) < 60) & (abs(z) < 60), "lung_upper_lobe_left", 0.5, -800.0)
    nodule = (x + 60) ** 2 + y**2 + z**2 < 17.5**2
    scan = seen(painted(lung, nodule, "lung_upper_lobe_left", 1.4, hu))
    scan = replace(scan, study=Reader().look(scan, None, 1))
    assert PaleLesionCount().measure(scan).value == (diameter_mm > 0)
    assert LesionCount().measure(scan).value == 0
    assert (LongestDiameter().measure(scan).value or 0.0) == pytest.approx(diameter_mm, abs=3.0)
    baseline = SulPeak().measure(scan).value
    verdict = percist(*[Findings(sul_peak=baseline, liver_mean=2.0, liver_sd=0.1)] * 2)
    assert verdict.category == "NE"


@pytest.mark.parametrize(("least_ml", "marks"), [(0.0, 1), (0.5, 1), (20.0, 0)])
def test_what_is_smaller_than_asked_for_is_left(make_scan: Make, least_ml: float, marks: int) -> None:
    """A sphere of 14 mm, blurred."""
    x, y, z = make_scan().pet.grid.axes_mm()
    scan = painted(make_scan(), (x + 40) ** 2 + y**2 + z**2 < 7.0**2, "liver", 9.0, 60.0)
    assert len(Finder(least_ml=least_ml).find(seen(scan))) == marks


@pytest.mark.parametrize(("voxels", "solid"), [(2, False), (3, True)])
def test_a_nodule_is_solid_from_one_centimetre_on(make_scan: Make, voxels: int, solid: bool) -> None:
    """Of voxels of 4 mm, three."""
    x, y, z = make_scan().pet.grid.axes_mm()
    lung = painted(make_scan(), (x < -10) & (abs(y) < 60) & (abs(z) < 60), "lung_upper_lobe_left", 0.5, -800.0)
    inside = np.zeros(lung.pet.grid.shape, np.bool_)
    inside[8 : 8 + voxels, 20 : 20 + voxels, 18 : 18 + voxels] = True
    assert solid_nodules(painted(lung, inside, "lung_upper_lobe_left", 1.4, 30.0)).any() == solid


def test_no_vessels_without_labels_or_lungs(make_scan: Make) -> None:
    assert not hilar_vessels(make_scan(labels=None)).any()
    assert not hilar_vessels(make_scan()).any()
    x, y, z = make_scan().pet.grid.axes_mm()
    artery = (abs(x) < 10) & (abs(y - 20) < 10) & (abs(z) < 20)
    assert not hilar_vessels(painted(make_scan(), artery, "pulmonary_artery", 1.6, 40.0)).any()


def test_pieces_of_the_rim_about_a_dead_core_are_never_new(make_scan: Make, make_lesion: MakeLesion) -> None:
    hollow = make_lesion(80.0, 10.0, (-52.0, 0.0, 0.0), core_share=0.5, core_uptake=0.2, irregularity=0.18, form=6)
    scan = make_scan([hollow])
    pieces, study = [], None
    for number in range(3):
        pet, fwhm_mm = blurred(scan.pet, 0.0, 6.0)
        noisy = add_noise(pet.data, 0.11, np.random.default_rng(60 + number), pet.grid, 3.0).astype(np.float32)
        later = replace(scan, pet=replace(pet, data=noisy), fwhm_mm=fwhm_mm, noise_cov=0.11)
        study = Reader().look(later, study, 1)
        pieces.append([mark for mark in study.marks if mark.seen])
        assert not any(mark.is_new for mark in pieces[-1])
    assert max(len(marks) for marks in pieces) > 1
    apart = make_scan([hollow, make_lesion(16.0, 9.0, (-60.0, 70.0, 50.0), id="N1", is_new=True)])
    assert sum(mark.is_new for mark in Reader().look(seen(apart), study_of(seen(scan)), 1).marks) == 1
