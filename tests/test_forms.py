"""Forms of lesions: volume, place, core, the same at every size and voxel size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vct.forms import (
    contains,
    depth_mm,
    directions_of_sphere,
    filling,
    longest_axial_mm,
    outline,
    reach_mm,
)
from vct.records import Lesion
from vct.volume import Grid


def lesion(**fields: object) -> Lesion:
    given = {"diameter_mm": 30.0, "suv": 8.0, "irregularity": 0.2, "form": 3, "core_uptake": 0.2}
    return Lesion(id="L1", organ="lung", room_mm=33.0, center_mm=(1.3, -0.7, 0.4), **{**given, **fields})


def grid_of(spacing: float, half_mm: float = 72.0) -> Grid:
    n = round(2 * half_mm / spacing)
    return Grid(shape=(n,) * 3, spacing_mm=(spacing,) * 3, origin_mm=(spacing / 2 - half_mm,) * 3)


def sampled(grid: Grid, one: Lesion, divide: int) -> np.ndarray:
    """Shares by plain counting of points, on the whole grid."""
    axes = [
        o + s * ((np.arange(n * divide) + 0.5) / divide - 0.5) - c
        for o, s, n, c in zip(grid.origin_mm, grid.spacing_mm, grid.shape, one.center_mm or (), strict=True)
    ]
    inside = contains(one, np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3))
    n = grid.shape[0]
    return inside.reshape(n, divide, n, divide, n, divide).mean(axis=(1, 3, 5))


def everywhere(grid: Grid, one: Lesion) -> np.ndarray:
    found = np.zeros(grid.shape)
    filled = filling(grid, one)
    assert filled is not None
    found[filled.box] = filled.whole
    return found


@given(
    diameter=st.floats(4.0, 60.0),
    spacing=st.sampled_from([2.0, 4.0, 8.0]),
    irregularity=st.floats(0.0, 0.25),
    form=st.integers(0, 2**31),
    core_share=st.floats(0.02, 0.8),
)
@settings(max_examples=25)
def test_volumes_of_lesion_and_core_are_kept(diameter, spacing, irregularity, form, core_share):
    one = lesion(diameter_mm=diameter, irregularity=irregularity, form=form, core_share=core_share)
    grid = grid_of(spacing)
    filled = filling(grid, one)
    assert float(filled.whole.sum(dtype=np.float64)) * grid.voxel_ml == pytest.approx(one.volume_ml, rel=0.01)
    assert float(filled.core.sum(dtype=np.float64)) * grid.voxel_ml == pytest.approx(one.core_ml, rel=0.03)
    assert (filled.core <= filled.whole).all()


@pytest.mark.parametrize(("diameter", "spacing", "divide"), [(12.0, 4.0, 8), (40.0, 4.0, 6)])
def test_what_is_painted_is_the_body_that_its_surface_bounds(diameter, spacing, divide):
    one = lesion(diameter_mm=diameter, axis_ratios=(1.2, 1.0, 1 / 1.2))
    grid = grid_of(spacing, 48.0)
    counted = sampled(grid, one, divide)
    assert counted.sum() * grid.voxel_ml == pytest.approx(one.volume_ml, rel=0.01)
    error = everywhere(grid, one) - counted
    assert np.abs(error).max() < 0.2
    assert np.sqrt((error[(counted > 0) & (counted < 1)] ** 2).mean()) < 0.03
    painted = everywhere(grid, one) >= 0.5
    assert (painted != (counted >= 0.5)).sum() <= 0.03 * painted.sum()


def test_a_lesion_keeps_its_form_when_it_grows():
    small, large = lesion(diameter_mm=20.0), lesion(diameter_mm=40.0)
    fine, coarse = (
        everywhere(grid_of(spacing, 12.0 * spacing), replace(one, center_mm=(0.0, 0.0, 0.0)))
        for spacing, one in ((2.0, small), (4.0, large))
    )
    np.testing.assert_allclose(fine, coarse, atol=1e-4)
    assert longest_axial_mm(large) == pytest.approx(2.0 * longest_axial_mm(small))


def test_every_number_is_another_form_and_no_irregularity_an_ellipsoid():
    grid = grid_of(4.0)
    masks = [everywhere(grid, lesion(form=form)) for form in (1, 2)]
    assert np.abs(masks[0] - masks[1]).max() > 0.5
    plain = [everywhere(grid, lesion(form=form, irregularity=0.0)) for form in (1, 2)]
    assert np.array_equal(*plain)


@pytest.mark.parametrize("irregularity", [0.05, 0.25])
def test_radii_spread_as_much_as_is_asked_for_and_enclose_the_surface(irregularity):
    directions, area = directions_of_sphere(40)
    for form in range(5):
        surface = outline(form, irregularity)
        radii = surface.radius(directions)
        logs = np.log(radii)
        assert np.sqrt(area @ (logs - area @ logs) ** 2) == pytest.approx(irregularity, rel=0.02)
        assert area @ radii**3 == pytest.approx(1.0, rel=1e-3)
        assert surface.least <= radii.min() < 1.0 < radii.max() <= surface.most
    assert outline(1, 0.0) is None


def test_reach_depth_and_longest_diameter():
    ball = lesion(irregularity=0.0)
    assert (reach_mm(ball), depth_mm(ball), longest_axial_mm(ball)) == (15.0, 15.0, 30.0)
    odd = lesion(axis_ratios=(1.25, 0.8, 1.0))
    assert depth_mm(odd) < 12.0 < 18.75 < reach_mm(odd)
    grid = grid_of(1.0, 40.0)
    mask = everywhere(grid, odd) >= 0.5
    longest = 0.0
    for z in np.flatnonzero(mask.any(axis=(0, 1))):
        points = np.argwhere(mask[:, :, z])
        longest = max(longest, float(np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1)).max()))
    assert longest_axial_mm(odd) == pytest.approx(longest + 1.0, abs=1.5)


def test_uptake_that_a_lesion_adds():
    grid, one = grid_of(4.0), lesion(core_share=0.3)
    filled = filling(grid, one)
    added = float(filled.excess(one, 1.5).sum(dtype=np.float64)) * grid.voxel_ml
    assert added == pytest.approx((one.mean_suv - 1.5) * one.volume_ml, rel=0.01)
    assert one.mean_suv == pytest.approx(0.7 * 8.0 + 0.3 * 1.6)
