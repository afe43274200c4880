from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from vct.acquisition import Acquisition
from vct.acquisition.blur import blurred, gaussian_kernel, sampled
from vct.records import Scan
from vct.rng import stream
from vct.shapes import FWHM_PER_SIGMA, blurred_sphere_center
from vct.volume import Grid, Volume, cubic_sampled


def point(spacing_mm: float = 2.0) -> Volume:
    grid = Grid(shape=(41, 41, 41), spacing_mm=(spacing_mm,) * 3, origin_mm=(-20 * spacing_mm,) * 3)
    data = np.zeros(grid.shape, np.float32)
    data[20, 20, 20] = 1.0
    return Volume(data=data, grid=grid, unit="SUVbw")


def variance_mm2(volume: Volume, axis: int) -> float:
    profile = volume.data.sum(axis=tuple(other for other in range(3) if other != axis), dtype=np.float64)
    at = volume.grid.axes_mm()[axis].ravel()
    mean = (profile * at).sum() / profile.sum()
    return float((profile * (at - mean) ** 2).sum() / profile.sum())


@given(st.floats(0.01, 30.0))
def test_kernel_has_the_variance_asked_for(variance: float) -> None:
    weights = gaussian_kernel(variance)
    steps = np.arange(len(weights)) - len(weights) // 2
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ steps**2 == pytest.approx(variance, rel=1e-6)
    assert (weights == weights[::-1]).all()


@given(st.floats(3.0, 9.0), st.floats(0.0, 3.0))
def test_blur_fills_up_to_the_target(target_mm: float, carried_mm: float) -> None:
    spacing = 2.0
    out, fwhm = blurred(point(spacing), carried_mm, target_mm)
    had = max((carried_mm / FWHM_PER_SIGMA) ** 2, spacing**2 / 12)
    assert fwhm == target_mm
    for axis in range(3):
        assert variance_mm2(out, axis) + had == pytest.approx((target_mm / FWHM_PER_SIGMA) ** 2, rel=1e-3)


def test_a_voxel_coarser_than_the_scanner_is_left_and_owned_up_to() -> None:
    volume = point(8.0)
    out, fwhm = blurred(volume, 0.0, 4.0)
    assert (out.data == volume.data).all()
    assert fwhm == pytest.approx(8.0 / math.sqrt(12.0) * FWHM_PER_SIGMA)


@pytest.mark.parametrize("fwhm_mm", [4.0, 5.7, 7.5])
@pytest.mark.parametrize("diameter_mm", [10.0, 13.0, 17.0, 22.0, 28.0, 37.0])
def test_spheres_recover_as_the_analytic_blur_says(
    make_scan: Callable[..., Scan],
    make_acquisition: Callable[..., Acquisition],
    diameter_mm: float,
    fwhm_mm: float,
) -> None:
    scan = make_scan([(diameter_mm, 1.0, (0.0, 0.0, 0.0))], suv=0.0, shape=(41, 41, 41), spacing_mm=2.0)
    seen = make_acquisition(fwhm_mm=fwhm_mm).acquire(scan, 1)
    assert seen.pet.data[20, 20, 20] == pytest.approx(blurred_sphere_center(diameter_mm / 2, fwhm_mm), rel=0.01)


@pytest.mark.parametrize("diameter_mm", [13.0, 17.0, 22.0, 37.0])
def test_spheres_recover_at_4_mm(
    make_scan: Callable[..., Scan], make_acquisition: Callable[..., Acquisition], diameter_mm: float
) -> None:
    scan = make_scan([(diameter_mm, 1.0, (0.0, 0.0, 0.0))], suv=0.0, shape=(31, 31, 31))
    seen = make_acquisition(fwhm_mm=5.7).acquire(scan, 1)
    assert seen.pet.data[15, 15, 15] == pytest.approx(blurred_sphere_center(diameter_mm / 2, 5.7), rel=0.02)


def test_two_steps_blur_as_one(make_scan: Callable[..., Scan], make_acquisition: Callable[..., Acquisition]) -> None:
    scan = make_scan([(20.0, 8.0, (1.0, -2.0, 3.0))], spacing_mm=2.0)
    twice = make_acquisition(fwhm_mm=7.0).acquire(make_acquisition(fwhm_mm=5.0).acquire(scan, 1), 1)
    once = make_acquisition(fwhm_mm=7.0).acquire(scan, 1)
    assert twice.fwhm_mm == once.fwhm_mm == 7.0
    assert np.abs(twice.pet.data - once.pet.data).max() < 0.02


def test_sampling_keeps_the_resolution() -> None:
    coarse, fwhm = blurred(point(3.0), 0.0, 8.0)
    fine = sampled(coarse, coarse.grid.resampled((2.0, 2.0, 2.0)))
    assert fwhm == 8.0
    assert variance_mm2(fine, 0) == pytest.approx(variance_mm2(coarse, 0), rel=0.01)
    assert fine.data.sum() * 8.0 == pytest.approx(coarse.data.sum() * 27.0, rel=0.01)


def test_second_implementation_of_cubic_sampling() -> None:
    """scipy.ndimage treats the outermost voxels in another way; further in the two agree."""
    image = stream(1, "image").random((40, 36, 38))
    scale, offset, shape = (0.5, 0.7, 1.3), (10.0, 9.3, 8.1), (36, 24, 16)
    expected = ndimage.affine_transform(image, scale, offset, output_shape=shape, order=3, mode="nearest")
    assert cubic_sampled(image, scale, offset, shape) == pytest.approx(expected, abs=1e-4)
    assert cubic_sampled(image.astype(np.float32), scale, offset, shape).dtype == np.float32


def test_beyond_the_field_of_view_the_nearest_voxel_counts() -> None:
    image = np.arange(5.0)[:, None, None] * np.ones((5, 5, 5))
    found = cubic_sampled(image, (1.0, 1.0, 1.0), (-3.0, 0.0, 0.0), (11, 5, 5))[:, 2, 2]
    assert found[:4] == pytest.approx(0.0, abs=1e-3)
    assert found[7:] == pytest.approx(4.0, abs=1e-3)
