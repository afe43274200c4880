from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vct.acquisition import Acquisition
from vct.acquisition.motion import breathed
from vct.acquisition.session import Session
from vct.records import Scan
from vct.structures import STRUCTURES

MakeScan = Callable[..., Scan]
Make = Callable[..., Acquisition]
POINT = (6.0, 50.0, (0.0, 0.0, 0.0))


def spread_mm2(pet: np.ndarray, axis: int, spacing_mm: float) -> float:
    profile = (pet - pet.min()).sum(axis=tuple(other for other in range(3) if other != axis), dtype=np.float64)
    at = np.arange(len(profile)) * spacing_mm
    mean = (profile * at).sum() / profile.sum()
    return float((profile * (at - mean) ** 2).sum() / profile.sum())


def test_breathing_smears_along_z_by_the_variance_of_a_sinusoid(make_scan: MakeScan) -> None:
    scan = make_scan([POINT], suv=0.0)
    before, after = scan.pet.data, breathed(scan, 12.0).data
    assert spread_mm2(after, 2, 4.0) - spread_mm2(before, 2, 4.0) == pytest.approx(144.0 / 8.0, rel=0.05)
    assert spread_mm2(after, 0, 4.0) == pytest.approx(spread_mm2(before, 0, 4.0), rel=1e-3)
    assert after.sum() == pytest.approx(before.sum(), rel=1e-3)
    assert after.max() < 0.8 * before.max()


def test_bones_stay(make_scan: MakeScan) -> None:
    scan = make_scan([POINT], suv=0.0)
    assert scan.labels is not None
    labels = scan.labels.data.copy()
    labels[:, :20] = STRUCTURES["vertebrae_T8"]
    still = breathed(replace(scan, labels=replace(scan.labels, data=labels)), 12.0).data
    assert (still[:, :20] == scan.pet.data[:, :20]).all()
    assert (still[:, 20:] != scan.pet.data[:, 20:]).any()
    assert breathed(replace(scan, labels=None), 12.0) is scan.pet


def test_a_shift_moves_the_pet_and_leaves_ct_and_labels(make_scan: MakeScan, make_acquisition: Make) -> None:
    scan = make_scan([(20.0, 8.0, (0.0, 0.0, 0.0))], suv=0.0)
    moved = make_acquisition({"motion_sd_mm": 3.0}).acquire(scan, 3)
    still = make_acquisition().acquire(scan, 3)
    centers = [
        [float((data * axis).sum() / data.sum()) for axis in scan.pet.grid.axes_mm()]
        for data in (moved.pet.data, still.pet.data)
    ]
    acquisition = make_acquisition({"motion_sd_mm": 3.0})
    from vct.rng import stream

    patient, visit = scan.snapshot.patient, scan.snapshot.visit
    session = acquisition.session(patient, visit, acquisition.scanner, 3, stream(3, patient.id, visit.name, "scan"))
    assert np.subtract(*centers) == pytest.approx(session.shift_mm, abs=0.05)
    assert moved.ct is scan.ct
    assert moved.labels is not None
    assert (moved.labels.data == scan.labels.data).all()  # type: ignore[union-attr]


def test_clocks_and_glucose_move_suv() -> None:
    plain = {"uptake_minutes": 60.0, "dose_mbq": 300.0, "recorded_dose_mbq": 300.0, "calibration": 1.0}
    assert Session(**plain, clock_minutes=109.77).suv_factor == pytest.approx(2.0)


def test_high_glucose_pales_lesions_only(make_scan: MakeScan, make_acquisition: Make) -> None:
    scan = make_scan([(40.0, 8.0, (0.0, 0.0, 0.0))])
    acquisition = make_acquisition({"glucose_cov": 0.2, "glucose_powers": {"lesion": -1.0}}, fwhm_mm=0.0)
    ratios = [float(acquisition.acquire(scan, seed).pet.data.max()) / 8.0 for seed in range(40)]
    assert np.std(np.log(ratios)) == pytest.approx(0.2, rel=0.3)
    assert all(acquisition.acquire(scan, seed).pet.data.min() == pytest.approx(2.3, rel=1e-5) for seed in range(3))
    assert math.isclose(np.median(ratios), 1.0, rel_tol=0.15)
