from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from vct.acquisition import Acquisition
from vct.acquisition.noise import HALF_LIFE_MINUTES, correlated_noise, noise_variance, share_left_by_filter
from vct.records import Scan
from vct.rng import stream
from vct.shapes import FWHM_PER_SIGMA
from vct.volume import Grid

REFERENCE = {"dose_mbq": 300.0, "uptake_minutes": 60.0, "bed_minutes": 2.0, "weight_kg": 75.0, "height_cm": 172.0}
NOISY = {"noise": {"liver_cov": 0.1, "randoms_to_trues": 0.0, **REFERENCE}}
AS_REFERENCE = {"dose_mbq": 300.0}


def cov(scan: Scan) -> float:
    return float(scan.pet.data.std() / scan.pet.data.mean())


@pytest.mark.parametrize("spacing_mm", [2.0, 4.0, 8.0])
def test_the_liver_shows_the_cov_asked_for(
    make_scan: Callable[..., Scan], make_acquisition: Callable[..., Acquisition], spacing_mm: float
) -> None:
    scan = make_scan(suv=2.3, shape=(64, 64, 64), spacing_mm=spacing_mm)
    seen = make_acquisition(AS_REFERENCE, **NOISY).acquire(scan, 3)
    assert seen.noise_cov == pytest.approx(0.1)
    assert cov(seen) == pytest.approx(0.1, rel=0.04)


@pytest.mark.parametrize(
    ("session", "scanner", "patient", "ratio"),
    [
        ({"dose_mbq": 600.0}, {}, {}, math.sqrt(0.5)),
        ({}, {"bed_minutes": 8.0}, {}, 0.5),
        ({}, {"sensitivity": 4.0}, {}, 0.5),
        ({"uptake_minutes": 60.0 + HALF_LIFE_MINUTES, "uptake_slopes_per_minute": {}}, {}, {}, math.sqrt(2.0)),
        ({}, {}, {"weight_kg": 110.0}, math.sqrt(math.exp(0.096 * (28.54 - 23.56)) * 110.0 / 75.0)),
    ],
)
def test_noise_follows_the_counts(
    make_scan: Callable[..., Scan],
    make_acquisition: Callable[..., Acquisition],
    session: dict[str, object],
    scanner: dict[str, object],
    patient: dict[str, object],
    ratio: float,
) -> None:
    """By the square root of counts; 110 kg at 172 cm are a cylinder 28.54 cm wide, 75 kg one of 23.56 cm."""
    seen = make_acquisition({**AS_REFERENCE, **session}, **NOISY, **scanner).acquire(make_scan(patient=patient), 1)
    plain = make_acquisition(AS_REFERENCE, **NOISY).acquire(make_scan(), 1)
    assert cov(seen) / cov(plain) == pytest.approx(ratio, rel=0.02)
    assert seen.pet.data.mean() == pytest.approx(plain.pet.data.mean(), rel=0.01)


def test_golden_the_dose_for_constant_noise_goes_with_weight_squared() -> None:
    """de Groot 2013, doi 10.1186/2191-219X-3-63: 46 to 130 kg on a Biograph TruePoint and an mCT."""
    light, heavy = (noise_variance(**{**REFERENCE, "weight_kg": weight}) for weight in (46.0, 130.0))
    assert math.log(heavy / light) / math.log(130.0 / 46.0) == pytest.approx(2.0, rel=0.1)


def test_randoms_eat_part_of_a_higher_dose(make_acquisition: Callable[..., Acquisition]) -> None:
    """With as many randoms as trues, twice the dose gives 2 x (1 + 2) / (1 + 4) of the counts' worth."""
    from vct.records import Patient

    who = Patient(id="P1", sex="F", age_years=60, height_cm=172.0, weight_kg=75.0)
    scanner = make_acquisition(noise={"liver_cov": 0.1, "randoms_to_trues": 1.0, **REFERENCE}).scanner
    assert scanner.liver_cov(who, 300.0, 60.0) == pytest.approx(0.1)
    assert scanner.liver_cov(who, 600.0, 60.0) == pytest.approx(0.1 * math.sqrt(5.0 / 6.0))


@pytest.mark.parametrize("spacing_mm", [2.0, 4.0])
def test_a_post_filter_takes_noise_away_as_computed(
    make_scan: Callable[..., Scan], make_acquisition: Callable[..., Acquisition], spacing_mm: float
) -> None:
    scan = make_scan(shape=(64, 64, 64), spacing_mm=spacing_mm)
    seen = make_acquisition(AS_REFERENCE, post_filter_mm=5.0, noise_fwhm_mm=4.0, **NOISY).acquire(scan, 3)
    assert seen.noise_cov == pytest.approx(0.1 * share_left_by_filter(scan.pet.grid, 4.0, 5.0))
    inner = seen.pet.data[8:-8, 8:-8, 8:-8]
    assert inner.std() / inner.mean() == pytest.approx(seen.noise_cov, rel=0.06)
    assert seen.fwhm_mm == pytest.approx(math.hypot(5.7, 5.0))


def test_noise_goes_with_uptake(make_scan: Callable[..., Scan], make_acquisition: Callable[..., Acquisition]) -> None:
    acquisition = make_acquisition(AS_REFERENCE, **NOISY)
    warm, hot = (acquisition.acquire(make_scan(suv=suv), 1).pet.data.std() for suv in (2.0, 8.0))
    assert hot / warm == pytest.approx(4.0, rel=0.01)


def test_noise_has_no_bias_even_where_it_is_cold(
    make_scan: Callable[..., Scan], make_acquisition: Callable[..., Acquisition]
) -> None:
    acquisition = make_acquisition(AS_REFERENCE, noise={"liver_cov": 0.5, **REFERENCE})
    means = [acquisition.acquire(make_scan(suv=0.3), seed).pet.data.mean(dtype=np.float64) for seed in range(30)]
    error = np.std(means, ddof=1) / math.sqrt(len(means))
    assert abs(np.mean(means) - 0.3) < 3.5 * error
    assert error < 0.002


def test_noise_is_correlated_over_the_resolution() -> None:
    grid = Grid(shape=(64, 64, 64), spacing_mm=(2.0, 2.0, 2.0), origin_mm=(0.0, 0.0, 0.0))
    noise = correlated_noise(stream(1, "noise"), grid, 6.0)
    assert noise.std() == pytest.approx(1.0, rel=0.02)
    sigma = 6.0 / FWHM_PER_SIGMA
    for lag in (1, 2, 4):
        found = float((noise[lag:] * noise[:-lag]).mean())
        assert found == pytest.approx(math.exp(-((2.0 * lag) ** 2) / (4.0 * sigma**2)), abs=0.03)


def test_what_the_engine_carries_is_taken_off_in_quadrature(
    make_scan: Callable[..., Scan], make_acquisition: Callable[..., Acquisition]
) -> None:
    scan = make_scan(suv=2.3, shape=(64, 64, 64), noise_cov=0.08)
    seen = make_acquisition(AS_REFERENCE, **NOISY).acquire(scan, 1)
    assert seen.noise_cov == pytest.approx(0.1)
    assert cov(seen) == pytest.approx(0.06, rel=0.04)
