from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vct.acquisition import Acquisition
from vct.acquisition.session import Session, spread_factor
from vct.errors import InputError
from vct.records import Patient, Scan, Snapshot, Visit
from vct.rng import stream

MakeScan = Callable[..., Scan]
Make = Callable[..., Acquisition]


def patient(number: int = 1, site: str = "north", **fields: object) -> Patient:
    who = {"sex": "F", "age_years": 60.0, "height_cm": 172.0, "weight_kg": 75.0, **fields}
    return Patient(id=f"P{number:04d}", site=site, **who)  # type: ignore[arg-type]


def session(acquisition: Acquisition, who: Patient, visit: str = "baseline", seed: int = 1) -> Session:
    scanner = acquisition.scanner_for(who, Visit(name=visit, day=0.0))
    return acquisition.session(who, Visit(name=visit, day=0.0), scanner, seed, stream(seed, who.id, visit, "scan"))


def test_a_default_scan_is_repeatable_and_its_own(make_scan: MakeScan) -> None:
    acquisition = Acquisition()
    scan = make_scan([(20.0, 8.0, (0.0, 0.0, 0.0))])
    one = acquisition.acquire(scan, 7).pet.data
    assert (one == acquisition.acquire(scan, 7).pet.data).all()
    assert (one != acquisition.acquire(scan, 8).pet.data).any()
    assert (one != acquisition.acquire(make_scan(visit="week8"), 7).pet.data).any()
    assert (one != acquisition.acquire(make_scan(patient={"id": "P0002"}), 7).pet.data).any()


def test_twins_share_their_luck(make_scan: MakeScan) -> None:
    one, other = (Acquisition().acquire(make_scan(patient={"arm": arm}), 7).pet.data for arm in ("drug", "placebo"))
    assert (one == other).all()


def test_noise_is_the_same_whatever_else_is_switched_off(make_scan: MakeScan, make_acquisition: Make) -> None:
    noise = {"liver_cov": 0.1}
    plain = make_acquisition(noise=noise).acquire(make_scan(), 1).pet.data
    shifted = make_acquisition(noise=noise, calibration_session_sd=0.1).acquire(make_scan(), 1).pet.data
    assert np.ptp(shifted / plain) < 1e-5


def test_truth_stays_what_it_was(make_scan: MakeScan, make_acquisition: Make) -> None:
    scan = make_scan([(20.0, 8.0, (0.0, 0.0, 0.0))])
    before = scan.pet.data.copy()
    seen = make_acquisition(fwhm_mm=6.0, voxel_mm=(3.0, 3.0, 3.0), noise={"liver_cov": 0.1}).acquire(scan, 1)
    assert seen.snapshot is scan.snapshot
    assert seen.planted_suv == scan.planted_suv
    assert seen.ct is scan.ct
    assert (scan.pet.data == before).all()
    assert seen.made_by == "test + scanner"
    assert seen.fwhm_mm == 6.0


def test_the_scanner_brings_its_voxels_and_the_labels_follow(make_scan: MakeScan, make_acquisition: Make) -> None:
    scan = make_scan()
    seen = make_acquisition(fwhm_mm=6.0, voxel_mm=(2.0, 3.0, 5.0)).acquire(scan, 1)
    assert seen.labels is not None
    assert seen.pet.grid == seen.labels.grid == scan.pet.grid.resampled((2.0, 3.0, 5.0))
    assert seen.pet.data.dtype == np.float32
    assert seen.labels.data.dtype == np.uint8
    assert (seen.labels.data == 5).all()
    assert seen.pet.data == pytest.approx(2.3, rel=1e-5)


def test_visit_goes_before_site_before_general(make_acquisition: Make) -> None:
    acquisition = make_acquisition(
        {"by_site": {"south": {"kind": "discovery_mi"}}, "by_visit": {"week8": {"kind": "biograph_vision_quadra"}}}
    )
    kinds = {
        (site, visit): acquisition.scanner_for(patient(site=site), Visit(name=visit, day=0.0)).kind
        for site in ("north", "south")
        for visit in ("baseline", "week8")
    }
    assert kinds == {
        ("north", "baseline"): "scanner",
        ("south", "baseline"): "discovery_mi",
        ("north", "week8"): "biograph_vision_quadra",
        ("south", "week8"): "biograph_vision_quadra",
    }


def test_a_sharper_scanner_than_the_scan_is_refused(make_scan: MakeScan, make_acquisition: Make) -> None:
    with pytest.raises(InputError, match=r"resolves 5\.7 mm.*carry a blur of 7 mm already"):
        make_acquisition().acquire(make_scan(fwhm_mm=7.0), 1)


def test_a_quieter_scanner_than_the_scan_is_refused(make_scan: MakeScan, make_acquisition: Make) -> None:
    with pytest.raises(InputError, match=r"liver CoV of 0\.050 in patient P0001 at 'baseline'"):
        make_acquisition({"dose_mbq": 300.0}, noise={"liver_cov": 0.05}).acquire(make_scan(noise_cov=0.1), 1)


def test_calibration_bias_shifts_every_suv(make_scan: MakeScan, make_acquisition: Make) -> None:
    plain, biased = (
        make_acquisition(calibration_bias=bias, noise={"liver_cov": 0.1}).acquire(make_scan(), 1).pet.data
        for bias in (0.0, -0.2)
    )
    assert biased == pytest.approx(0.8 * plain, rel=1e-5)


def test_a_site_has_one_bias(make_acquisition: Make) -> None:
    acquisition = make_acquisition(calibration_site_sd=0.1)
    north = {session(acquisition, patient(number), visit).calibration for number in range(5) for visit in ("a", "b")}
    assert len(north) == 1
    sites = [session(acquisition, patient(site=f"s{number}")).calibration for number in range(2000)]
    assert np.std(np.log(sites)) == pytest.approx(0.1, rel=0.05)
    assert np.mean(sites) == pytest.approx(1.0, abs=0.01)


def test_sessions_spread_as_stated(make_acquisition: Make) -> None:
    acquisition = make_acquisition(
        {"dose_cov": 0.05, "dose_error_cov": 0.02, "uptake_sd_minutes": 6.0, "dose_mbq_per_kg": 4.0},
        calibration_session_sd=0.03,
    )
    drawn = [session(acquisition, patient(number)) for number in range(2000)]
    assert np.mean([one.uptake_minutes for one in drawn]) == pytest.approx(60.0, abs=0.5)
    assert np.std([one.uptake_minutes for one in drawn]) == pytest.approx(6.0, rel=0.06)
    assert np.mean([one.dose_mbq for one in drawn]) == pytest.approx(300.0, rel=0.005)
    assert np.std([one.dose_mbq for one in drawn]) == pytest.approx(15.0, rel=0.06)
    factors = [one.suv_factor for one in drawn]
    assert np.mean(factors) == pytest.approx(1.0, abs=0.003)
    assert np.std(factors) == pytest.approx(math.hypot(0.03, 0.02), rel=0.06)


def test_suv_goes_with_the_inverse_of_the_recorded_dose() -> None:
    right, wrong = (
        Session(uptake_minutes=60.0, dose_mbq=300.0, recorded_dose_mbq=written, calibration=1.0).suv_factor
        for written in (300.0, 330.0)
    )
    assert right == 1.0
    assert wrong == pytest.approx(300.0 / 330.0)


@pytest.mark.parametrize("change", [{"dose_mbq": 100.0}, {"dose_mbq": 900.0}])
def test_the_dose_itself_leaves_suv_alone(
    make_scan: MakeScan, make_acquisition: Make, change: dict[str, float]
) -> None:
    seen = make_acquisition(change).acquire(make_scan(patient={"weight_kg": 120.0}), 1)
    assert seen.pet.data == pytest.approx(2.3, rel=1e-5)


def test_spread_factors_have_mean_one() -> None:
    normals = stream(1, "factors").standard_normal(200_000)
    assert np.mean([spread_factor(float(normal), 0.2) for normal in normals]) == pytest.approx(1.0, abs=0.002)


def test_a_late_scan_is_paler_in_blood_and_hotter_in_lesions(make_scan: MakeScan, make_acquisition: Make) -> None:
    scan = make_scan([(40.0, 8.0, (0.0, 0.0, 0.0))])
    slopes = {"lesion": 0.004, "liver": -0.003}
    seen = make_acquisition({"uptake_minutes": 90.0, "uptake_slopes_per_minute": slopes}, fwhm_mm=0.0).acquire(scan, 1)
    assert seen.pet.data.max() == pytest.approx(8.0 * math.exp(0.12))
    assert seen.pet.data.min() == pytest.approx(2.3 * math.exp(-0.09))


@pytest.mark.slow
def test_a_torso_at_4_mm_takes_under_a_second(make_scan: MakeScan) -> None:
    import time

    scan = make_scan([(30.0, 8.0, (0.0, 0.0, 0.0))], shape=(112, 112, 192))
    scan = replace(scan, snapshot=Snapshot(patient=scan.snapshot.patient, visit=scan.snapshot.visit))
    Acquisition().acquire(scan, 1)
    start = time.process_time()
    Acquisition().acquire(scan, 2)
    assert time.process_time() - start < 1.0
