from __future__ import annotations

import numpy as np
import pytest

from vct.readout.basins import basins


def hills(*centers: tuple[int, int, int], width: float = 2.5) -> np.ndarray:
    x, y, z = np.meshgrid(*(np.arange(24),) * 3, indexing="ij")
    return sum(
        height * np.exp(-((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / (2 * width**2))
        for height, (a, b, c) in zip((10.0, 8.0, 6.0), centers, strict=False)
    )


def test_far_summits_are_two_and_near_ones_one() -> None:
    far, near = hills((6, 12, 12), (17, 12, 12)), hills((10, 12, 12), (13, 12, 12))
    assert basins(far, far > 0.1, 0.8).max() == 2
    assert basins(near, near > 0.1, 0.8).max() == 1


@pytest.mark.parametrize(("share", "n"), [(0.1, 1), (0.5, 1), (0.95, 2)])
def test_the_saddle_decides(share: float, n: int) -> None:
    image = hills((8, 12, 12), (15, 12, 12))
    assert basins(image, image > 0.1, share).max() == n


def test_every_voxel_belongs_to_one_hill_and_none_outside() -> None:
    image = hills((5, 5, 5), (18, 6, 6), (12, 18, 18))
    mask = image > 0.05
    found = basins(image, mask, 0.8)
    assert ((found > 0) == mask).all()
    assert found.max() == 3
    assert found[5, 5, 5] != found[18, 6, 6]


def test_a_plateau_is_one_hill() -> None:
    image = np.zeros((20, 20, 20))
    image[3:17, 3:17, 3:17] = 5.0
    assert basins(image, image > 1.0, 0.8).max() == 1
