import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.grid import Length, grid_for, on_model_grid, shape_at  # noqa: E402
from vct.volume import Grid, Volume  # noqa: E402


def test_the_grids_are_the_published_one_and_its_coarsenings():
    assert shape_at(2.0) == (224, 224, 384)
    assert shape_at(8.0) == (56, 56, 96)


def test_z_voxels_scale_with_the_length():
    grid = grid_for(734.0, 4.0, bottom_mm=-100.0, center_mm=(3.0, -5.0))
    assert grid.spacing_mm[2] * grid.shape[2] == pytest.approx(734.0)
    x, y, z = (axis.ravel() for axis in grid.axes_mm())
    assert (x.mean(), y.mean()) == pytest.approx((3.0, -5.0))
    assert z[0] - grid.spacing_mm[2] / 2 == pytest.approx(-100.0)


def test_a_scan_keeps_its_content_on_the_model_grid():
    shape = (60, 60, 84)
    grid = Grid(shape=shape, spacing_mm=(8.0, 8.0, 8.0), origin_mm=(-236.0, -216.0, 4.0))
    data = np.zeros(shape, dtype=np.float32)
    data[20:40, 20:40, 30:60] = 2.0
    made = on_model_grid(Volume(data=data, grid=grid, unit="SUVbw"), 8.0)
    assert made.grid.shape == (56, 56, 96)
    total = float(data.sum()) * grid.voxel_ml
    assert float(made.data.sum()) * made.grid.voxel_ml == pytest.approx(total, rel=0.01)


def test_length_follows_height():
    heights = np.array([150.0, 160.0, 170.0, 190.0])
    line = Length.fitted(heights, 3.0 * heights + 50.0)
    assert line.of(180.0) == pytest.approx(590.0)
    assert Length.fitted(np.array([170.0]), np.array([700.0])).of(150.0) == pytest.approx(700.0)
    assert Length().of(175.0) == pytest.approx(2.0 * (146.629 * 1.75 + 110.419), abs=0.1)
