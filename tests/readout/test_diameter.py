from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vct.acquisition.blur import blurred
from vct.readout.diameter import LongestDiameter
from vct.readout.reader import Reader
from vct.records import Lesion, Scan
from vct.shapes import ellipsoid_box, ellipsoid_occupancy
from vct.volume import Volume

Make = Callable[..., Scan]
MakeLesion = Callable[..., Lesion]


def with_ct(scan: Scan, around_hu: float, lesion_hu: float = 30.0) -> Scan:
    """The scan with a CT on which its lesions have another density, at a resolution of 6 mm on the PET."""
    hu = np.full(scan.ct.data.shape, around_hu, np.float32)
    for lesion in scan.snapshot.lesions:
        assert lesion.center_mm is not None
        semi = lesion.semi_axes_mm
        box = ellipsoid_box(scan.ct.grid, lesion.center_mm, (semi[0], semi[1], semi[2]))
        share = ellipsoid_occupancy(scan.ct.grid, lesion.center_mm, (semi[0], semi[1], semi[2]), box)
        hu[box] += share * (lesion_hu - hu[box])
    pet, fwhm_mm = blurred(scan.pet, 0.0, 6.0)
    return replace(scan, ct=Volume(data=hu, grid=scan.ct.grid, unit="HU"), pet=pet, fwhm_mm=fwhm_mm)


@pytest.mark.parametrize("around_hu", [-800.0, -100.0])
@pytest.mark.parametrize(("diameter_mm", "spacing_mm"), [(20.0, 2.0), (32.0, 4.0), (50.0, 4.0)])
def test_the_ct_gives_the_planted_diameter(
    make_scan: Make, make_lesion: MakeLesion, around_hu: float, diameter_mm: float, spacing_mm: float
) -> None:
    scan = with_ct(make_scan([make_lesion(diameter_mm)], spacing_mm=spacing_mm), around_hu)
    reading = LongestDiameter().measure(scan)
    assert reading.truth == pytest.approx(diameter_mm)
    assert reading.value == pytest.approx(diameter_mm, abs=0.6 * spacing_mm)
    assert reading.unit == "mm"


def test_without_contrast_the_pet_stands_in(make_scan: Make, make_lesion: MakeLesion) -> None:
    reading = LongestDiameter().measure(with_ct(make_scan([make_lesion(36.0)]), 40.0, 45.0))
    assert reading.value == pytest.approx(36.0, rel=0.1)


def test_the_longest_axis_counts_and_head_to_foot_does_not(make_scan: Make, make_lesion: MakeLesion) -> None:
    lesion = make_lesion(30.0, axis_ratios=(1.25, 0.8, 1.0))
    tall = make_lesion(30.0, axis_ratios=(0.8, 0.8, 1.5625))
    for item, expected in ((lesion, 37.5), (tall, 24.0)):
        reading = LongestDiameter().measure(with_ct(make_scan([item], spacing_mm=2.0), -800.0))
        assert reading.truth == pytest.approx(expected)
        assert reading.value == pytest.approx(expected, abs=1.5)


def test_a_shrunken_lesion_is_measured_and_a_vanished_one_is_0(make_scan: Make, make_lesion: MakeLesion) -> None:
    reader = Reader()
    before = reader.look(with_ct(make_scan([make_lesion(30.0)]), -800.0), None, 1)
    scar = with_ct(make_scan([make_lesion(24.0, 1.0)]), -800.0)
    gone = with_ct(make_scan([make_lesion(24.0, 1.0)]), -800.0, -800.0)
    sizes = [
        LongestDiameter().measure(replace(scan, study=reader.look(scan, before, 1))).value for scan in (scar, gone)
    ]
    assert sizes[0] == pytest.approx(24.0, abs=3.0)
    assert sizes[1] == 0.0
    small = LongestDiameter(least_mm=25.0)
    assert small.measure(replace(scar, study=reader.look(scar, before, 1))).value == 0.0


def test_the_sum_is_over_targets(make_scan: Make, make_lesion: MakeLesion) -> None:
    lesions = [make_lesion(30.0, 9.0, (-60.0, 50.0, 0.0)), make_lesion(20.0, 8.0, (-60.0, -40.0, 0.0), id="L2")]
    reading = LongestDiameter().measure(with_ct(make_scan(lesions, spacing_mm=2.0), -800.0))
    assert reading.truth == pytest.approx(50.0)
    assert reading.value == pytest.approx(50.0, abs=2.5)
    assert LongestDiameter(of="target").measure(with_ct(make_scan(lesions), -800.0)).truth == pytest.approx(30.0)
