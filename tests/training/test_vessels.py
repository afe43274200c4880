"""Vessels of the lungs come from one body, as strong as in most."""

import numpy as np
import pytest

pytest.importorskip("torch")

from vct.structures import STRUCTURES
from vct.training.data import Bodies
from vct.training.vessels import vessels

LUNGS = (slice(4, 28), slice(4, 28), slice(4, 28))
DEEP = (slice(8, 24), slice(8, 24), slice(8, 24))


def bodies(*heights):
    """Lungs of SUV .5 with hot lines, by how far the lines stand out; a hot slab beside the lungs."""
    labels, pet = (np.zeros((len(heights), 32, 32, 32)) for _ in range(2))
    labels[(slice(None), *LUNGS)] = STRUCTURES["lung_lower_lobe_left"]
    for row, height in enumerate(heights):
        pet[(row, *LUNGS)] = 0.5
        pet[row, 10:22:5, 10:22:5, 4:28] += height
        pet[row, 28:] = 5.0
    return Bodies(
        patients=(), lengths_mm=(), ct=np.zeros(0), pet=pet, labels=labels.astype(np.uint8), spacing_mm=4.0, about=""
    )


def test_lines_stand_out_where_the_canonical_body_has_them() -> None:
    found = vessels(bodies(0.2, 0.2, 0.2), [0, 1, 2], 0)
    assert found[10, 10, 16] > 0.3
    assert found[12, 12, 16] < 0.0
    assert abs(found[DEEP].mean()) < 0.02


def test_they_are_as_strong_as_the_median_bodys() -> None:
    found = vessels(bodies(0.4, 0.2, 0.2), [0, 1, 2], 0)
    assert found[DEEP].std() == pytest.approx(vessels(bodies(0.2, 0.2, 0.2), [0, 1, 2], 0)[DEEP].std(), rel=0.1)


def test_nothing_is_outside_and_neighbours_do_not_count() -> None:
    found = vessels(bodies(0.2), [0], 0)
    assert not found[28:].any()
    assert np.abs(found[27]).max() < 0.1 * found.max()


def test_lungs_without_any_detail_stay_as_they_are() -> None:
    assert not vessels(bodies(0.0, 0.2), [0, 1], 0)[DEEP].any()
