import numpy as np
import pytest

from vct.structures import STRUCTURES
from vct.training.rest import completed
from vct.volume import Grid, Volume

GRID = Grid(shape=(60, 60, 12), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def torso():
    """Fat round a wall of muscle with a gap, fat inside it, a liver that is labelled, a pocket of gas; a thin couch."""
    x, y, _ = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in GRID.shape), indexing="ij")
    r = np.hypot(x, y)
    hu = np.full(GRID.shape, -1000.0, np.float32)
    hu[r < 24] = -100.0
    hu[(r < 17) & (r > 13)] = 50.0
    hu[(np.abs(x) < 1.5) & (y > 10) & (y < 20)] = -100.0
    hu[r < 5] = 60.0
    hu[(np.hypot(x - 8, y) < 2)] = -800.0
    hu[:, 1, :] = -200.0
    labels = np.zeros(GRID.shape, np.uint8)
    labels[r < 5] = STRUCTURES["liver"]
    found = completed(Volume(data=labels, grid=GRID, unit="label"), Volume(data=hu, grid=GRID, unit="HU"))
    return {name: found.data == STRUCTURES[name] for name in STRUCTURES}, r, (x, y), found.data


def test_fat_is_told_apart_by_the_wall_even_through_a_gap(torso):
    mask, r, (x, y), _ = torso
    assert mask["subcutaneous_fat"][(r > 18) & (r < 22)].all()
    assert mask["torso_fat"][(r > 6) & (r < 12) & (np.hypot(x - 8, y) > 3)].all()
    assert mask["skeletal_muscle"][(r > 13.5) & (r < 16.5) & (np.abs(x) > 2)].all()


def test_skin_lies_outermost_and_what_is_labelled_stays(torso):
    mask, r, _, _ = torso
    assert mask["skin"].any()
    assert r[mask["skin"]].min() > 22.0
    assert np.array_equal(mask["liver"], r < 5)


def test_gas_is_body_and_air_and_couch_are_nothing(torso):
    mask, r, (x, y), labels = torso
    assert mask["body"][np.hypot(x - 8, y) < 1.5].all()
    assert (labels[r > 25] == 0).all()


def test_an_empty_image_stays_empty():
    nothing = Volume(data=np.zeros(GRID.shape, np.uint8), grid=GRID, unit="label")
    air = Volume(data=np.full(GRID.shape, -1000.0, np.float32), grid=GRID, unit="HU")
    assert not completed(nothing, air).data.any()
