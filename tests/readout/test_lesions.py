from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vct.acquisition.blur import blurred
from vct.readout.burden import Mtv
from vct.readout.heat import lesion_max, lesion_peak
from vct.readout.intensity import SulPeak, SuvMax, SuvPeak
from vct.readout.reader import Reader, study_of
from vct.readout.segmenter import physiological
from vct.readout.suv import PEAK_RADIUS_MM
from vct.readout.truth import best_sphere, lesions_in_view, true_peak
from vct.records import Lesion, Mark, Scan
from vct.shapes import Region, blurred_sphere_center, ellipsoid_box, ellipsoid_mask
from vct.structures import STRUCTURES
from vct.volume import Volume

Make = Callable[..., Scan]
MakeLesion = Callable[..., Lesion]


def seen(scan: Scan, fwhm_mm: float) -> Scan:
    """The scan at a resolution, without noise."""
    pet, fwhm_mm = blurred(scan.pet, scan.fwhm_mm, fwhm_mm)
    return replace(scan, pet=pet, fwhm_mm=fwhm_mm)


@pytest.mark.parametrize(
    "readout", [SuvMax(), SuvPeak(), SuvPeak(placement="at_max"), SulPeak(), SulPeak(lean_mass="james")]
)
@pytest.mark.parametrize("spacing_mm", [2.0, 4.0])
def test_a_resolved_lesion_reads_as_planted(
    make_scan: Make, make_lesion: MakeLesion, readout: SuvMax, spacing_mm: float
) -> None:
    reading = readout.measure(seen(make_scan([make_lesion(36.0)], spacing_mm=spacing_mm), 5.7))
    assert reading.value == pytest.approx(reading.truth, rel=0.01)


@pytest.mark.parametrize("diameter_mm", [10.0, 13.0, 17.0, 22.0])
def test_suv_max_recovers_as_the_analytic_blur_says(
    make_scan: Make, make_lesion: MakeLesion, diameter_mm: float
) -> None:
    scan = seen(make_scan([make_lesion(diameter_mm, 10.0, (-51.0, -1.0, 1.0))], spacing_mm=2.0), 6.0)
    reading = SuvMax().measure(scan)
    assert reading.truth == 10.0
    assert reading.value == pytest.approx(1.0 + 9.0 * blurred_sphere_center(diameter_mm / 2, 6.0), rel=0.02)


@pytest.mark.parametrize(("diameter_mm", "within"), [(13.0, 0.05), (20.0, 0.025), (30.0, 0.002)])
def test_suv_peak_means_the_same_at_2_and_4_mm(
    make_scan: Make, make_lesion: MakeLesion, diameter_mm: float, within: float
) -> None:
    fine, coarse = (
        SuvPeak().measure(seen(make_scan([make_lesion(diameter_mm)], spacing_mm=spacing), 6.0)).value
        for spacing in (2.0, 4.0)
    )
    assert coarse == pytest.approx(fine, rel=within)


def test_a_lesion_smaller_than_the_sphere_is_averaged_with_its_surroundings(
    make_scan: Make, make_lesion: MakeLesion
) -> None:
    share = (4.0 / PEAK_RADIUS_MM) ** 3
    lesion = make_lesion(8.0, 10.0)
    scan = make_scan([lesion])
    assert true_peak(scan, lesion) == pytest.approx(10.0 * share + (1.0 - share), rel=0.005)
    sharp = make_scan([make_lesion(8.0, 10.0, (-51.0, -1.0, 1.0))], spacing_mm=2.0)
    (mark,) = study_of(sharp).marks
    assert lesion_peak(sharp, mark) == pytest.approx(10.0 * share + (1.0 - share), rel=0.03)


def test_truth_of_a_small_lesion_needs_its_surroundings(make_scan: Make, make_lesion: MakeLesion) -> None:
    assert SuvPeak().measure(make_scan([make_lesion(8.0)], background_suv={})).truth is None
    assert SuvPeak().measure(make_scan([make_lesion(20.0)], background_suv={})).truth == 10.0


def test_an_ellipsoid_fills_the_sphere_by_its_shape(make_scan: Make, make_lesion: MakeLesion) -> None:
    flat = make_lesion(20.0, 10.0, axis_ratios=(2.0, 2.0, 0.25))
    scan = make_scan([flat])
    cap = 2.5 / PEAK_RADIUS_MM
    slab = 1.5 * cap - 0.5 * cap**3
    assert true_peak(scan, flat) == pytest.approx(10.0 * slab + (1.0 - slab), rel=0.02)


@pytest.mark.parametrize(
    ("diameter_mm", "core_share", "irregularity"), [(10.0, 0.0, 0.1), (26.0, 0.12, 0.0), (40.0, 0.3, 0.2)]
)
def test_the_best_sphere_of_any_form_is_what_a_sharp_image_reads(
    make_scan: Make, make_lesion: MakeLesion, diameter_mm: float, core_share: float, irregularity: float
) -> None:
    look = {"core_share": core_share, "core_uptake": 0.2, "irregularity": irregularity, "form": 4}
    lesion = make_lesion(diameter_mm, 10.0, (-50.3, 0.4, 0.2), **look)
    scan = make_scan([lesion], spacing_mm=2.0)
    marks = study_of(scan).marks
    assert true_peak(scan, lesion) == pytest.approx(max(lesion_peak(scan, mark) for mark in marks), rel=0.05)
    assert true_peak(scan, lesion) < 10.0
    living, core = best_sphere(*(np.array([value]) for value in (diameter_mm, core_share, 0.2)))
    ball = make_lesion(diameter_mm, 10.0, core_share=core_share, core_uptake=0.2)
    of_balls = float((living + 0.2 * core + 0.1 * (1.0 - living - core))[0]) * 10.0
    assert true_peak(scan, ball) == pytest.approx(of_balls, rel=0.02)


def test_hottest_sum_and_targets(make_scan: Make, make_lesion: MakeLesion) -> None:
    lesions = [make_lesion(28.0, 6.0, (-60.0, 40.0, 0.0)), make_lesion(28.0, 9.0, (-60.0, -40.0, 0.0), id="L2")]
    scan = make_scan(lesions)
    read = {of: SuvPeak(of=of).measure(scan) for of in ("hottest", "sum", "target", "targets")}
    assert read["hottest"].value == read["target"].value == pytest.approx(9.0, rel=0.01)
    assert read["sum"].value == read["targets"].value == pytest.approx(15.0, rel=0.01)
    assert (read["sum"].truth, read["hottest"].truth, read["target"].truth) == (15.0, 9.0, 9.0)
    assert {reading.readout for reading in read.values()} == {
        "suv_peak",
        *(f"suv_peak_{n}" for n in ("sum", "target", "targets")),
    }


def test_the_target_is_read_again_though_another_is_hotter_now(make_scan: Make, make_lesion: MakeLesion) -> None:
    one, other = (-60.0, 40.0, 0.0), (-60.0, -40.0, 0.0)
    first = make_scan([make_lesion(28.0, 9.0, one), make_lesion(28.0, 6.0, other, id="L2")])
    later = make_scan([make_lesion(28.0, 4.0, one), make_lesion(28.0, 7.0, other, id="L2")])
    reader = Reader()
    before = reader.look(first, None, 1)
    after = replace(later, study=reader.look(later, before, 1))
    assert SuvPeak(of="target").measure(after).value == pytest.approx(4.0, rel=0.01)
    assert SuvPeak(of="target").measure(after).truth == 4.0
    assert SuvPeak().measure(after).value == pytest.approx(7.0, rel=0.01)


def test_without_lesions_there_is_nothing_to_read(make_scan: Make) -> None:
    for readout in (SuvMax(), SuvPeak(), SulPeak()):
        reading = readout.measure(make_scan())
        assert reading.value is reading.truth is None


def test_a_faded_lesion_is_still_read_at_its_place(make_scan: Make, make_lesion: MakeLesion) -> None:
    """On a scan of its own nothing stands out; a reader who knows the lesion looks where it was."""
    reader = Reader()
    before = reader.look(seen(make_scan([make_lesion(30.0, 9.0)]), 5.7), None, 1)
    faded = seen(make_scan([make_lesion(30.0, 1.2)]), 5.7)
    assert SuvPeak().measure(faded).value is None
    study = reader.look(faded, before, 1)
    assert [mark.seen for mark in study.marks] == [False]
    reading = SuvPeak().measure(replace(faded, study=study))
    assert reading.value == pytest.approx(1.2, rel=0.01)
    assert reading.truth == 1.2


def beside_a_bladder(scan: Scan, suv: float, center_x_mm: float) -> Scan:
    """The scan with a ball of bladder of 30 mm on the left."""
    assert scan.labels is not None
    labels, pet = scan.labels.data.copy(), scan.pet.data.copy()
    x, y, z = scan.pet.grid.axes_mm()
    bladder = (x - center_x_mm) ** 2 + y**2 + z**2 < 15**2
    labels[bladder], pet[bladder] = STRUCTURES["urinary_bladder"], suv
    return replace(scan, labels=replace(scan.labels, data=labels), pet=replace(scan.pet, data=pet))


@pytest.mark.parametrize("spacing_mm", [4.0, 8.0])
def test_a_peak_and_a_contour_leave_the_bladder_out(
    make_scan: Make, make_lesion: MakeLesion, spacing_mm: float
) -> None:
    """A lesion whose wall is 10 mm from the bladder's reads about as it would without it."""
    alone = make_scan([make_lesion(16.0, 8.0)], spacing_mm=spacing_mm)
    free, full = (seen(scan, 5.0) for scan in (alone, beside_a_bladder(alone, 40.0, -83.0)))
    (own,), (mark,) = study_of(free).marks, study_of(full).marks
    assert not (physiological(full)[mark.region.box] & mark.region.mask).any()
    assert Mtv().measure(full).value <= Mtv().measure(free).value + 8.0 * free.pet.grid.voxel_ml
    for at_max in (False, True):
        assert lesion_peak(full, mark, at_max=at_max) == pytest.approx(lesion_peak(free, own, at_max=at_max), rel=0.15)


@pytest.mark.parametrize("spacing_mm", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("offset_mm", [(0.0, 0.0, 0.0), (-8.0, 0.0, 0.0)])
def test_the_peak_of_a_pale_mark_never_reaches_into_the_bladder(
    make_scan: Make, spacing_mm: float, offset_mm: tuple[float, float, float]
) -> None:
    """A mark of pale tissue that touches a bladder of SUV 40."""
    scan = beside_a_bladder(make_scan(spacing_mm=spacing_mm), 40.0, -73.0)
    box = ellipsoid_box(scan.pet.grid, (-50.0, 0.0, 0.0), (10.0, 10.0, 10.0))
    region = Region(box, ellipsoid_mask(scan.pet.grid, (-50.0, 0.0, 0.0), (10.0, 10.0, 10.0), box))
    region.mask[physiological(scan)[box]] = False
    mark = Mark(id="M01", region=region, at_mm=(-50.0, 0.0, 0.0), volume_ml=4.0, organ="body", offset_mm=offset_mm)
    assert lesion_peak(scan, mark) == pytest.approx(1.0)


def test_without_organs_near_the_peak_reaches_beyond_the_mark(make_scan: Make, make_lesion: MakeLesion) -> None:
    """IBSI: the sphere is centred in the region and may leave it."""
    scan = make_scan([make_lesion(30.0, 9.0)], spacing_mm=2.0)
    (mark,) = study_of(scan).marks
    first = [piece.start for piece in mark.region.box]
    x, y, z = (start + int(at[0]) for start, at in zip(first, np.nonzero(mark.region.mask), strict=True))
    box = (slice(x, x + 1), slice(y, y + 1), slice(z, z + 1))
    small = replace(mark, region=Region(box, np.ones((1, 1, 1), dtype=bool)))
    assert lesion_max(scan, small) < lesion_peak(scan, small) < lesion_peak(scan, mark)


@pytest.mark.parametrize("spacing_mm", [4.0, 8.0])
def test_a_faded_lesion_is_read_neither_in_the_bladder_nor_in_its_spill(
    make_scan: Make, make_lesion: MakeLesion, spacing_mm: float
) -> None:
    reader = Reader()
    before = reader.look(seen(make_scan([make_lesion(24.0, 9.0)], spacing_mm=spacing_mm), 5.0), None, 1)
    faded = make_scan([make_lesion(24.0, 1.2)], spacing_mm=spacing_mm)
    for center_x_mm in (-71.0, -50.0):
        full = seen(beside_a_bladder(faded, 40.0, center_x_mm), 5.0)
        (mark,) = reader.look(full, before, 1).marks
        assert not mark.seen
        assert mark.region.mask.any()
        if center_x_mm == -71.0:
            assert lesion_peak(full, mark) < 2.0
            assert lesion_max(full, mark) < 2.0


def test_lesions_out_of_view_or_unplaced_are_not_in_the_truth(make_scan: Make, make_lesion: MakeLesion) -> None:
    lesions = [
        make_lesion(30.0, 8.0),
        make_lesion(30.0, 20.0, (-50.0, 0.0, 200.0), id="L2"),
        make_lesion(center_mm=None, id="L3"),
    ]
    scan = make_scan(lesions)
    assert [lesion.id for lesion in lesions_in_view(scan)] == ["L1"]
    assert SuvMax().measure(scan).truth == 8.0


def test_a_lesion_at_the_edge_of_the_image_is_read(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = make_scan([make_lesion(20.0, 9.0, (-101.0, 85.0, 77.0))], spacing_mm=4.0)
    for readout in (SuvMax(), SuvPeak()):
        value = readout.measure(scan).value
        assert value is not None
        assert 1.0 < value <= 9.0


def test_a_hot_neighbour_is_not_taken_for_the_lesion(make_scan: Make, make_lesion: MakeLesion) -> None:
    lesion = make_lesion(24.0, 9.0, (-40.0, 0.0, 0.0))
    scan = make_scan([lesion])
    assert scan.labels is not None
    labels, pet = scan.labels.data.copy(), scan.pet.data.copy()
    x, _, _ = scan.pet.grid.axes_mm()
    bladder = np.broadcast_to(x < -75.0, labels.shape)
    labels[bladder] = STRUCTURES["urinary_bladder"]
    pet[bladder] = 40.0
    hot = seen(
        replace(
            scan,
            labels=Volume(data=labels, grid=scan.labels.grid, unit="label"),
            pet=Volume(data=pet, grid=scan.pet.grid, unit="SUVbw"),
        ),
        6.0,
    )
    assert [round(mark.at_mm[0]) for mark in study_of(hot).marks] == pytest.approx([-40], abs=4)
    assert SuvMax().measure(hot).value == pytest.approx(SuvMax().measure(seen(scan, 6.0)).value, rel=1e-3)


def test_sul_and_suv_differ_by_lean_mass(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = make_scan([make_lesion()])
    suv, sul = SuvPeak().measure(scan), SulPeak(lean_mass="james").measure(scan)
    assert sul.value == pytest.approx(suv.value * 48.263 / 70.0, rel=1e-4)
    assert sul.truth == pytest.approx(10.0 * 48.263 / 70.0, rel=1e-4)
    assert sul.readout == "sul_peak_james"
    assert SulPeak(placement="at_max").label == "sul_peak_janmahasatian_at_max"


def test_suv_max_never_lies_below_suv_peak(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = seen(make_scan([make_lesion(16.0), make_lesion(40.0, 7.0, (-50.0, 50.0, 20.0), id="L2")]), 5.0)
    for of in ("target", "targets", "sum"):
        peak, highest = SuvPeak(of=of).measure(scan).value, SuvMax(of=of).measure(scan).value
        assert peak is not None
        assert highest is not None
        assert peak <= highest + 1e-6
