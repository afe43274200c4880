"""A bladder of 30 mm radius in muscle, seen by a PET of 6 mm, and borders that a network put a voxel off."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from vct.segmenter.urine import BLADDER, ending_at_urine
from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

MM = 4.0
MUSCLE, PROSTATE = STRUCTURES["skeletal_muscle"], STRUCTURES["prostate"]


@pytest.fixture
def truth() -> np.ndarray:
    middle = (np.arange(32) - 15.3) * MM
    x, y, z = np.meshgrid(middle, middle, middle, indexing="ij")
    return np.asarray(x**2 + y**2 + z**2 < 30.0**2)


def pet(truth: np.ndarray, urine: float) -> np.ndarray:
    return ndimage.gaussian_filter(np.where(truth, urine, 0.8).astype(np.float32), 6.0 / 2.355 / MM)


def named(bladder: np.ndarray) -> np.ndarray:
    labels = np.full(bladder.shape, MUSCLE, np.uint8)
    labels[:, :, :8] = PROSTATE
    labels[bladder] = BLADDER
    return labels


def ended(labels: np.ndarray, uptake: np.ndarray) -> np.ndarray:
    grid = Grid(shape=(32, 32, 32), spacing_mm=(MM, MM, MM), origin_mm=(-62.0, -62.0, -62.0))
    found = ending_at_urine(Volume(data=labels, grid=grid, unit="label"), Volume(data=uptake, grid=grid, unit="SUVbw"))
    return found.data


def dice(labels: np.ndarray, truth: np.ndarray) -> float:
    found = labels == BLADDER
    return float(2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth)))


@pytest.mark.parametrize("wrong", [ndimage.binary_dilation, ndimage.binary_erosion, lambda m: np.roll(m, 1, axis=2)])
def test_a_border_a_voxel_off_comes_back(truth, wrong) -> None:
    labels = named(wrong(truth))
    found = ended(labels, pet(truth, 20.0))
    assert dice(labels, truth) < 0.95
    assert dice(found, truth) > 0.99
    assert set(np.unique(found)) == {MUSCLE, PROSTATE, BLADDER}


def test_what_a_bladder_gives_up_goes_to_its_neighbour(truth) -> None:
    too_low = truth.copy()
    too_low[15, 15, 4:12] = True
    found = ended(named(too_low), pet(truth, 20.0))
    assert (found[15, 15, 4:7] == PROSTATE).all()


def test_the_ct_s_border_stands_where_urine_is_cold_or_there_is_little(truth) -> None:
    wide = named(ndimage.binary_dilation(truth))
    assert np.array_equal(ended(wide, pet(truth, 2.0)), wide)
    tiny = named(np.zeros_like(truth))
    assert np.array_equal(ended(tiny, pet(truth, 20.0)), tiny)
    tiny[15, 15, 15:17] = BLADDER
    assert np.array_equal(ended(tiny, pet(truth, 20.0)), tiny)


def test_a_hot_node_beyond_its_reach_is_no_bladder(truth) -> None:
    node = np.zeros_like(truth)
    node[14:17, 14:17, 27:30] = True
    uptake = np.maximum(pet(truth, 20.0), pet(node, 40.0))
    assert dice(ended(named(truth), uptake), truth) > 0.99
