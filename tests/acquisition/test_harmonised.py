from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from vct.acquisition.harmonised import BANDS, DIAMETERS_MM, inside, matched_fwhm_mm, recovery
from vct.acquisition.nema import measure
from vct.acquisition.scanners import BiographMct, BiographVisionQuadra, DiscoveryMi, FreeScanner
from vct.errors import InputError
from vct.nema_report import chart_svg, frame, lines, scanners_named
from vct.shapes import blurred_sphere_center

PRESETS = (BiographMct, DiscoveryMi, BiographVisionQuadra)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("standard", sorted(BANDS))
def test_golden_a_harmonised_scanner_lies_in_the_bands_at_every_sphere(
    preset: type[BiographMct], standard: str
) -> None:
    """EARL's specifications of January 2017, and those of EARL 2, in three simulated phantom scans of 10 minutes."""
    scanner = preset(harmonised=standard)
    assert standard in scanner.meets
    table = frame([scanner], minutes=10.0, repeats=3, spacing_mm=2.0, seed=0)
    assert list(table["within"]) == ["yes"] * len(DIAMETERS_MM), table.to_string()


def test_without_a_standard_a_sharp_scanner_misses_the_bands() -> None:
    assert "earl_1" not in BiographVisionQuadra().meets
    assert not inside("earl_1", 4.0)
    assert not inside("earl_2", 8.0)


def test_the_curve_is_that_of_the_closed_form() -> None:
    for diameter in DIAMETERS_MM:
        assert recovery(diameter, 6.0)[1] == pytest.approx(
            0.1 + 0.9 * blurred_sphere_center(diameter / 2, 6.0), rel=1e-4
        )


def test_the_simulated_phantom_follows_the_closed_form() -> None:
    found = measure(FreeScanner(fwhm_mm=7.0, noise={"liver_cov": 0.1}, bed_minutes=2.0), minutes=0.0)
    assert found.background_cov < 1e-4
    for sphere in found.spheres:
        mean, highest = recovery(sphere.diameter_mm, 7.0)
        assert sphere.max_recovery == pytest.approx(highest, abs=0.02)
        assert sphere.mean_recovery == pytest.approx(mean, abs=0.025)


def test_background_noise_falls_with_time() -> None:
    short, long = (measure(BiographMct(), minutes=minutes).background_cov for minutes in (2.5, 10.0))
    assert short / long == pytest.approx(2.0, rel=0.05)


def test_the_filter_makes_up_the_rest_in_quadrature() -> None:
    scanner = DiscoveryMi(harmonised="earl_1")
    assert math.hypot(scanner.fwhm_mm, scanner.filter_mm) == pytest.approx(matched_fwhm_mm("earl_1", 5.5))
    assert BiographMct(harmonised="earl_2").filter_mm == 0.0, "5.7 mm is the best that it can do, and good enough"


def test_a_blunt_scanner_cannot_be_harmonised() -> None:
    with pytest.raises(ValidationError, match="too blunt"):
        BiographMct(fwhm_mm=7.0, harmonised="earl_2")
    with pytest.raises(ValidationError, match="leave post_filter_mm out"):
        BiographMct(post_filter_mm=3.0, harmonised="earl_1")


def test_table_chart_and_names() -> None:
    table = frame([DiscoveryMi()], minutes=0.0, repeats=1, spacing_mm=4.0, seed=0)
    text = "\n".join(lines(table))
    assert "discovery_mi, harmonised: none" in text
    assert text.count(" mm ") >= len(DIAMETERS_MM)
    both, one = (chart_svg(table.assign(harmonised=standard)) for standard in ("none", "earl_1"))
    assert "discovery_mi, CoV 0.0 %" in both
    assert ("EARL 1 band" in both, "EARL 2 band" in both) == (True, True)
    assert ("EARL 1 band" in one, "EARL 2 band" in one) == (True, False)
    assert [scanner.kind for scanner in scanners_named("all", "earl_1")] == [
        preset.model_fields["kind"].default for preset in PRESETS
    ]
    with pytest.raises(InputError, match="did you mean 'biograph_mct'"):
        scanners_named("biograf_mct", "none")
    with pytest.raises(InputError, match="--harmonised must be"):
        scanners_named("all", "earl3")
