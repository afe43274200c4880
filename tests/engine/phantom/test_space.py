"""Implicit shapes against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from vct.engine.phantom.paint import Canvas, Piece, chain, occupancy, slabs
from vct.engine.phantom.space import Space, ellipsoid, melt, tube
from vct.volume import Grid

STEP = 4.0


def box_of(half_mm: float, step: float = STEP) -> Grid:
    count = int(2 * half_mm / step)
    return Grid(shape=(count,) * 3, spacing_mm=(step,) * 3, origin_mm=(-half_mm + 0.3,) * 3)


def space_of(grid: Grid) -> Space:
    return Space(*(axis.astype(np.float32) for axis in grid.axes_mm()))


@pytest.mark.parametrize("radius", [3.0, 6.0, 12.0, 30.0])
def test_a_ball_keeps_its_volume_down_to_the_voxel(radius):
    grid = box_of(60.0)
    share = occupancy(ellipsoid(space_of(grid), (0.0, 0.0, 0.0), (radius,) * 3), 0.0, STEP)
    expected = 4.0 / 3.0 * np.pi * radius**3 / 1000.0
    assert share.sum() * grid.voxel_ml == pytest.approx(expected, rel=0.03 if radius > STEP else 0.15)


def test_without_the_voxel_mean_a_small_ball_would_be_too_large():
    grid, radius = box_of(40.0), 6.0
    field = ellipsoid(space_of(grid), (0.0, 0.0, 0.0), (radius,) * 3)
    naive = np.clip(0.5 - field / STEP, 0.0, 1.0).sum() * grid.voxel_ml
    assert naive > 1.08 * 4.0 / 3.0 * np.pi * radius**3 / 1000.0


def test_a_tube_is_a_distance_to_its_axis_less_its_radius():
    space = space_of(box_of(40.0))
    field = tube(space, ((0.0, 0.0, -200.0), (0.0, 0.0, 200.0)), 10.0, reach=15.0)
    true = np.broadcast_to(np.hypot(space.x, space.y) - 10.0, field.shape)
    assert np.allclose(field, np.minimum(true, 15.0), atol=1e-3)


def test_melting_joins_shapes_and_leaves_far_ones_alone():
    first, second = np.array([-5.0, 1.0, 50.0], dtype=np.float32), np.array([40.0, 1.0, 9.0], dtype=np.float32)
    assert melt(first, second, 20.0).tolist() == pytest.approx([-5.0, -4.0, 9.0])


def test_pieces_share_voxels_and_never_more_than_all():
    canvas = Canvas(box_of(40.0), (1.0, 1.0, 1.0))
    for x, name in ((-8.0, "liver"), (8.0, "spleen")):
        ball = Piece(
            name=name, field=lambda s, x=x: ellipsoid(s, (x, 0.0, 0.0), (14.0,) * 3), box=(-30, 30, -20, 20, -20, 20)
        )
        canvas.paint(ball, 0.0, 50.0, 2.0)
    around = Piece(
        name="torso_fat", field=lambda s: ellipsoid(s, (0.0, 0.0, 0.0), (30.0,) * 3), box=(-35, 35, -35, 35, -35, 35),
        mode="around",
    )  # fmt: skip
    canvas.paint(around, 0.0, -100.0, 0.5)
    assert canvas.covered.max() <= 1.0 + 1e-6
    ball_ml = 4.0 / 3.0 * np.pi * np.array([14.0, 30.0]) ** 3 / 1000.0
    assert canvas.volume_ml["liver"] == pytest.approx(ball_ml[0], rel=0.02)
    assert canvas.volume_ml["spleen"] < 0.97 * ball_ml[0]
    assert sum(canvas.volume_ml.values()) == pytest.approx(ball_ml[1], rel=0.02)
    assert float(canvas.suv.sum()) * canvas.grid.voxel_ml == pytest.approx(sum(canvas.activity_g.values()), rel=1e-5)


def test_a_level_is_found_for_a_volume_beside_what_is_taken():
    canvas = Canvas(box_of(60.0), (1.0, 1.0, 1.0), with_images=False)
    canvas.paint(chain("aorta", ((0.0, 0.0, -70.0), (0.0, 0.0, 70.0)), 8.0), 0.0, 0.0, 0.0)
    liver = Piece(
        name="liver", field=lambda s: ellipsoid(s, (6.0, 0.0, 0.0), (20.0,) * 3), box=(-50, 60, -55, 55, -55, 55)
    )
    canvas.paint(liver, canvas.level_for(liver, 120.0), 0.0, 0.0)
    assert canvas.volume_ml["liver"] == pytest.approx(120.0, rel=0.02)


def test_slabs_tile_the_grid_once():
    grid = Grid(shape=(10, 10, 23), spacing_mm=(4.0,) * 3, origin_mm=(0.0, 0.0, 5.0))
    seen = np.zeros(23, dtype=int)
    for slab, inner, where in slabs(grid, 500):
        seen[where] += 1
        z = slab.origin_mm[2] + 4.0 * np.arange(slab.shape[2])[inner]
        assert np.allclose(z, 5.0 + 4.0 * np.arange(23)[where])
    assert (seen == 1).all()
