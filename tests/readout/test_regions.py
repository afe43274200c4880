from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vct.acquisition.blur import blurred
from vct.readout.regions import organ_region, percist_region
from vct.records import Lesion, Scan

Make = Callable[..., Scan]
MakeLesion = Callable[..., Lesion]


def places(scan: Scan, region: object) -> np.ndarray:
    """Voxel centres (N, 3) of a region in mm."""
    axes = [axis.ravel()[piece] for axis, piece in zip(scan.pet.grid.axes_mm(), region.box, strict=True)]  # type: ignore[attr-defined]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)[region.mask]  # type: ignore[attr-defined]


@pytest.mark.parametrize("erode_mm", [0.0, 6.0, 12.0])
def test_the_rind_is_as_thick_as_asked(make_scan: Make, erode_mm: float) -> None:
    scan = make_scan()
    region = organ_region(scan, "liver", erode_mm)
    assert region is not None
    at = places(scan, region)
    depth = np.minimum.reduce([at[:, 0] - 10, 90 - at[:, 0], 50 - abs(at[:, 1]), 60 - abs(at[:, 2])])
    assert depth.min() >= erode_mm - 2.0
    assert depth.min() < erode_mm + 4.0
    assert (region.values(scan.pet.data) == 2.0).all()


def test_nothing_left_is_no_region(make_scan: Make) -> None:
    assert organ_region(make_scan(), "liver", 45.0) is None
    assert organ_region(make_scan(), "spleen", 0.0) is None
    assert organ_region(make_scan(labels=None), "liver", 0.0) is None
    assert percist_region(make_scan(labels=None), "liver") is None


@pytest.mark.parametrize(("spacing_mm", "within"), [(2.0, 0.03), (4.0, 0.15)])
def test_percist_sphere_is_3_cm_wide_in_the_right_lobe(make_scan: Make, spacing_mm: float, within: float) -> None:
    scan = make_scan(spacing_mm=spacing_mm)
    region = percist_region(scan, "liver")
    assert region is not None
    assert region.mask.sum() * scan.pet.grid.voxel_ml == pytest.approx(4 / 3 * math.pi * 1.5**3, rel=within)
    at = places(scan, region)
    assert at.mean(axis=0)[0] >= 50.0
    assert np.linalg.norm(at - at.mean(axis=0), axis=1).max() <= 15.0 + 1e-6


def test_percist_cylinder_lies_in_the_aorta(make_scan: Make) -> None:
    scan = make_scan(spacing_mm=2.0)
    region = percist_region(scan, "aorta")
    assert region is not None
    at = places(scan, region)
    assert np.hypot(at[:, 0], at[:, 1] + 60).max() < 13.0
    assert np.ptp(at[:, 2]) == 20.0
    assert np.ptp(at[:, 0]) == np.ptp(at[:, 1]) == pytest.approx(8.0, abs=2.0)
    assert (at[:, 2] >= -10.0).all()


def test_regions_keep_clear_of_lesions(make_scan: Make, make_lesion: MakeLesion) -> None:
    lesion = make_lesion(30.0, 12.0, (50.0, 0.0, 0.0))
    pet, fwhm_mm = blurred(make_scan([lesion]).pet, 0.0, 6.0)
    scan = replace(make_scan([lesion]), pet=pet, fwhm_mm=fwhm_mm)
    for region in (organ_region(scan, "liver", 8.0), percist_region(scan, "liver")):
        assert region is not None
        assert region.values(scan.pet.data) == pytest.approx(2.0, rel=0.02)
        assert np.linalg.norm(places(scan, region) - (50.0, 0.0, 0.0), axis=1).min() > 15.0 + 6.0


def test_a_liver_full_of_disease_is_not_read(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = make_scan([make_lesion(200.0, 12.0, (50.0, 0.0, 0.0))], fwhm_mm=5.0)
    assert percist_region(scan, "liver") is None
    assert organ_region(scan, "liver", 0.0) is None
