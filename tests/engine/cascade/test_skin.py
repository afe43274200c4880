import math

import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.grid import SIDE_MM, shape_at  # noqa: E402
from vct.engine.cascade.skin import ANGLES, LEVELS, OFFSET_MM, axis_of, clothed, depths, thickness  # noqa: E402
from vct.structures import STRUCTURES  # noqa: E402

MUSCLE, FAT, SKIN = (STRUCTURES[name] for name in ("skeletal_muscle", "subcutaneous_fat", "skin"))


def cylinder(lean_mm, fat_mm, spacing_mm=4.0, at_mm=(0.0, 0.0)):
    """Muscle round the grid's axis in an even layer of fat."""
    shape = shape_at(spacing_mm)
    line = (torch.arange(shape[0]) + 0.5) * spacing_mm - SIDE_MM / 2.0
    r = torch.hypot(line[:, None] - at_mm[0], line[None, :] - at_mm[1])
    slab = torch.where(r < lean_mm, MUSCLE, torch.where(r < lean_mm + fat_mm, FAT, 0)).to(torch.uint8)
    return slab[:, :, None].repeat(1, 1, shape[2])


def test_the_axis_runs_down_the_middle():
    axis = axis_of(cylinder(80.0, 20.0, at_mm=(30.0, -14.0)))
    assert axis.shape == (2, 192)
    assert axis[0] == pytest.approx(torch.full((192,), 30.0), abs=0.5)
    assert axis[1] == pytest.approx(torch.full((192,), -14.0), abs=0.5)


@pytest.mark.parametrize("fat_mm", [8.0, 25.0, 60.0])
def test_thickness_is_that_of_the_layer(fat_mm):
    body = cylinder(90.0, fat_mm)
    found = thickness(body, axis_of(body))
    assert found.shape == (ANGLES, LEVELS)
    assert found.exp().mean() * 10.0 - OFFSET_MM == pytest.approx(fat_mm, abs=1.0)


@pytest.mark.parametrize("spacing_mm", [4.0, 8.0])
def test_a_lean_body_is_clothed_to_a_given_thickness(spacing_mm):
    """Fat and skin fill the ring between the two cylinders; skin lies outermost."""
    lean = cylinder(90.0, 0.0, spacing_mm)
    layer = torch.full((ANGLES, LEVELS), math.log((30.0 + OFFSET_MM) / 10.0))
    body = clothed(lean, depths(lean, layer, axis_of(lean)))
    ring = float(((body == FAT) | (body == SKIN)).sum()) * spacing_mm**2 / lean.shape[2]
    assert ring == pytest.approx(math.pi * (120.0**2 - 90.0**2), rel=0.05)
    middle = body[:, body.shape[1] // 2, body.shape[2] // 2]
    assert middle[(middle > 0).nonzero()[0]] == SKIN or spacing_mm > 4.0
    assert torch.equal(body == MUSCLE, lean == MUSCLE)


def test_what_a_body_is_dressed_in_comes_back():
    """The layer measured on a body and grown on its lean part gives the body."""
    body = cylinder(85.0, 35.0, at_mm=(8.0, 4.0))
    axis = axis_of(body)
    lean = torch.where(body == MUSCLE, body, torch.zeros_like(body))
    again = clothed(lean, depths(lean, thickness(body, axis), axis))
    overlap = 2.0 * ((again > 0) & (body > 0)).sum() / ((again > 0).sum() + (body > 0).sum())
    assert overlap > 0.985


def test_muscle_is_never_outside_the_skin():
    lean = cylinder(90.0, 0.0)
    lean[100:106, 50:60, 90:100] = MUSCLE
    thin = torch.full((ANGLES, LEVELS), -5.0)
    assert (clothed(lean, depths(lean, thin, axis_of(lean)))[lean == MUSCLE] == MUSCLE).all()
