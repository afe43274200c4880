from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import erf

from vct.acquisition import SCANNERS, Acquisition
from vct.acquisition.scanners import BiographMct, BiographVisionQuadra, DiscoveryMi
from vct.errors import SpecError
from vct.records import Patient
from vct.shapes import FWHM_PER_SIGMA
from vct.yamlfile import check, read

PRESETS = (BiographMct, DiscoveryMi, BiographVisionQuadra)


def contrast_recovery(diameter_mm: float, fwhm_mm: float) -> float:
    """NEMA: mean over a disc as wide as the sphere, through its centre, of the Gaussian-blurred unit sphere."""
    radius, sigma = diameter_mm / 2.0, fwhm_mm / FWHM_PER_SIGMA
    r = (np.arange(2000) + 0.5) / 2000 * radius
    low, high = (radius - r) / (math.sqrt(2) * sigma), (radius + r) / (math.sqrt(2) * sigma)
    value = (erf(low) + erf(high)) / 2 - sigma / (r * math.sqrt(2 * math.pi)) * (np.exp(-(low**2)) - np.exp(-(high**2)))
    return float((value * r).sum() / r.sum())


def test_golden_discovery_mi_recovers_as_published() -> None:
    """Hsu 2017: NEMA contrast recovery at 10, 13, 17, 22, 28, 37 mm."""
    published = {10: 53.7, 13: 64.0, 17: 73.1, 22: 82.7, 28: 86.8, 37: 90.7}
    for diameter, percent in published.items():
        assert 100 * contrast_recovery(diameter, DiscoveryMi().fwhm_mm) == pytest.approx(percent, abs=2.0)


def test_golden_biograph_mct_is_nema_and_filter_in_quadrature() -> None:
    """Sci Rep 2019, doi 10.1038/s41598-019-51898-z, table 6, and the 2 mm filter of AutoPET."""
    nema = [(5.0, 5.0, 6.4), (4.9, 4.9, 5.7)]
    means = [math.prod(math.hypot(axis, 2.0) for axis in axes) ** (1 / 3) for axes in nema]
    assert sum(means) / 2 == pytest.approx(BiographMct().fwhm_mm, abs=0.05)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_show_their_noise_under_their_own_conditions(preset: type[BiographMct]) -> None:
    scanner = preset()
    noise = scanner.noise
    patient = Patient(id="P1", sex="F", age_years=60, height_cm=noise.height_cm, weight_kg=noise.weight_kg)
    scanner = preset(bed_minutes=noise.bed_minutes)
    assert scanner.liver_cov(patient, noise.dose_mbq, noise.uptake_minutes) == pytest.approx(noise.liver_cov)


def test_presets_can_be_overridden_in_yaml(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        "scanner: {kind: biograph_mct, voxel_mm: [4.07, 4.07, 3.0], noise: {liver_cov: 0.08, dose_mbq: 280}}\n"
        "by_site: {north: {kind: scanner, fwhm_mm: 6, bed_minutes: 2.5, noise: {liver_cov: 0.1}}}\n"
        "by_visit: {week8: {kind: biograph_vision_quadra}}\n"
        "dose_mbq_per_kg: 3.5\nuptake_slopes_per_minute: {lesion: 0.004, liver: -0.001}\n"
    )
    acquisition = check(Acquisition, read(file), tmp_path)
    assert acquisition.scanner.fwhm_mm == BiographMct().fwhm_mm
    assert acquisition.scanner.noise.liver_cov == 0.08
    again = Acquisition.model_validate_json(acquisition.model_dump_json(), strict=True)
    assert again == acquisition
    assert set(acquisition.model_dump()["by_visit"]["week8"]) == set(BiographVisionQuadra.model_fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scanner: {kind: biograf_mct}", "did you mean 'biograph_mct'"),
        ("scanner: {kind: biograph_mct, fwhm: 5}", "did you mean 'fwhm_mm'"),
        ("scanner: {kind: biograph_mct, fwhm_mm: -1}", "greater than or equal to 0"),
        ("scanner: {kind: biograph_mct, voxel_mm: [8, 8, 8]}", "undersampled"),
        ("uptake_slopes_per_minute: {livr: 0.01}", "liver"),
        ("dose_mbq_per_kg: 4000", "less than or equal to 20"),
    ],
)
def test_mistakes_are_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text + "\n")
    with pytest.raises(SpecError) as caught:
        check(Acquisition, read(file), tmp_path)
    assert words in str(caught.value)


def test_kinds_are_told_apart() -> None:
    kinds = [member.model_fields["kind"].default for member in SCANNERS]
    assert len(set(kinds)) == len(kinds)
    with pytest.raises(ValidationError):
        Acquisition.model_validate({"scanner": {"kind": "scanner"}})
