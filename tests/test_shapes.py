import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from vct.shapes import FWHM_PER_SIGMA, blurred_sphere_center, ellipsoid_box, ellipsoid_occupancy
from vct.volume import Grid

GRID = Grid(shape=(30, 30, 30), spacing_mm=(2.0, 2.0, 2.0), origin_mm=(-29.0, -29.0, -29.0))


@given(
    st.tuples(*[st.floats(3.0, 20.0)] * 3),
    st.tuples(*[st.floats(-4.0, 4.0)] * 3),
)
def test_occupancy_holds_the_volume(axes: tuple[float, float, float], center: tuple[float, float, float]) -> None:
    box = ellipsoid_box(GRID, center, axes)
    share = ellipsoid_occupancy(GRID, center, axes, box)
    expected_ml = 4 / 3 * math.pi * math.prod(axes) / 1000
    assert share.sum() * GRID.voxel_ml == pytest.approx(expected_ml, rel=0.02)
    assert share.min() >= 0
    assert share.max() <= 1


def test_a_shape_outside_the_grid_has_an_empty_box() -> None:
    box = ellipsoid_box(GRID, (500.0, 0.0, 0.0), (5.0, 5.0, 5.0))
    assert ellipsoid_occupancy(GRID, (500.0, 0.0, 0.0), (5.0, 5.0, 5.0), box).size == 0


@pytest.mark.parametrize("radius", [3.0, 6.0, 12.0])
def test_blurred_center_agrees_with_a_blurred_image(radius: float) -> None:
    fine = Grid(shape=(81, 81, 81), spacing_mm=(0.75,) * 3, origin_mm=(-30.0,) * 3)
    box = ellipsoid_box(fine, (0.0, 0.0, 0.0), (radius,) * 3)
    image = np.zeros(fine.shape, np.float32)
    image[box] = ellipsoid_occupancy(fine, (0.0, 0.0, 0.0), (radius,) * 3, box)
    blurred = ndimage.gaussian_filter(image, 7.0 / FWHM_PER_SIGMA / 0.75)
    assert blurred[40, 40, 40] == pytest.approx(blurred_sphere_center(radius, 7.0), rel=0.01)


def test_no_blur_recovers_everything() -> None:
    assert blurred_sphere_center(5.0, 0.0) == 1.0
