from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from vct.acquisition import Acquisition
from vct.acquisition.uptake import factors_of_the_day, with_factors
from vct.records import Scan


def at_uptake_time(scan: Scan, slopes: dict[str, float], minutes: float) -> np.ndarray:
    return with_factors(scan, factors_of_the_day(slopes, minutes, {}, 1.0))


SPHERE = (24.0, 8.0, (1.0, -3.0, 2.0))


def test_nothing_moves_at_60_minutes(make_scan: Callable[..., Scan]) -> None:
    scan = make_scan([SPHERE])
    assert (at_uptake_time(scan, {"lesion": 0.01, "liver": -0.01}, 60.0) == scan.pet.data).all()


def test_tissue_and_lesion_move_apart(make_scan: Callable[..., Scan]) -> None:
    """The lesion's share of every voxel grows, the tissue's falls, edge voxels included."""
    late = at_uptake_time(make_scan([SPHERE]), {"lesion": 0.005, "liver": -0.01}, 90.0)
    expected = make_scan([(*SPHERE[:1], 8.0 * math.exp(0.15), SPHERE[2])], suv=2.3 * math.exp(-0.3))
    assert np.abs(late - expected.pet.data).max() < 1e-5


def test_a_blurred_lesion_moves_with_its_blur(
    make_scan: Callable[..., Scan], make_acquisition: Callable[..., Acquisition]
) -> None:
    acquisition = make_acquisition(fwhm_mm=8.0)
    scan = make_scan([SPHERE], suv=0.0)
    late = at_uptake_time(acquisition.acquire(scan, 1), {"lesion": 0.01}, 80.0)
    assert np.abs(late - acquisition.acquire(scan, 1).pet.data * math.exp(0.2)).max() < 0.02


def test_without_labels_only_lesions_move(make_scan: Callable[..., Scan]) -> None:
    scan = make_scan([SPHERE], labels=None)
    late = at_uptake_time(scan, {"lesion": 0.01, "liver": -0.01}, 70.0)
    assert late[0, 0, 0] == scan.pet.data[0, 0, 0]
    assert late.max() == pytest.approx(8.0 * math.exp(0.1))
