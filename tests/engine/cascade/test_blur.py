"""Blur: of the width asked for, and found again."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.blur import blurred, missing_blur  # noqa: E402


@pytest.mark.parametrize("sd", [0.2, 0.5, 0.7])
def test_a_point_is_spread_by_the_standard_deviation(sd) -> None:
    point = torch.zeros(15, 15, 15)
    point[7, 7, 7] = 1.0
    found = blurred(point, sd).numpy()
    at = np.arange(15.0) - 7.0
    assert found.sum() == pytest.approx(1.0, abs=1e-5)
    for axes in ((1, 2), (0, 2), (0, 1)):
        assert np.sqrt((found.sum(axis=axes) * at**2).sum()) == pytest.approx(sd, rel=0.04)


def test_edges_go_on_and_no_blur_is_none() -> None:
    image = torch.rand(20, 24, 28, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(blurred(torch.ones(8, 8, 8), 0.6), torch.ones(8, 8, 8))
    assert torch.allclose(blurred(image, 0.0), image)


@pytest.mark.parametrize("sd", [0.25, 0.45])
def test_the_blur_that_is_missing_is_found(sd) -> None:
    """On blobs of organs' size with sharp borders."""
    x, y, z = np.meshgrid(*[np.arange(48.0)] * 3, indexing="ij")
    rng = np.random.default_rng(1)
    image = np.zeros((48, 48, 48), np.float32)
    for _ in range(25):
        at, radius = rng.uniform(8, 40, 3), rng.uniform(3, 8)
        image[(x - at[0]) ** 2 + (y - at[1]) ** 2 + (z - at[2]) ** 2 < radius**2] = rng.uniform(0.5, 6.0)
    sharp = torch.from_numpy(image)
    assert missing_blur(sharp, blurred(sharp, sd)) == pytest.approx(sd, rel=0.15)
    assert missing_blur(blurred(sharp, sd), sharp) == 0.0
