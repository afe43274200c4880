from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from vct.acquisition.blur import blurred
from vct.readout.organs import OrganSuvMax, OrganSuvMean, OrganSuvSd, PercistRegion, WholeOrgan
from vct.records import Scan
from vct.structures import STRUCTURES
from vct.volume import Volume

Make = Callable[..., Scan]


@pytest.mark.parametrize("spacing_mm", [2.0, 4.0])
@pytest.mark.parametrize("region", [WholeOrgan(erode_mm=8.0), PercistRegion()])
@pytest.mark.parametrize("organ", ["liver", "aorta"])
def test_organs_read_as_planted(make_scan: Make, organ: str, region: WholeOrgan, spacing_mm: float) -> None:
    scan = make_scan(spacing_mm=spacing_mm)
    pet, fwhm_mm = blurred(scan.pet, 0.0, 5.7)
    scan = dataclasses.replace(scan, pet=pet, fwhm_mm=fwhm_mm)
    for readout in (OrganSuvMean(organ=organ, region=region), OrganSuvMax(organ=organ, region=region)):
        reading = readout.measure(scan)
        assert reading.truth == scan.planted_suv[organ]
        assert reading.value == pytest.approx(reading.truth, rel=0.015)
    spread = OrganSuvSd(organ=organ, region=region).measure(scan)
    assert spread.truth == 0.0
    assert spread.value < 0.02


def test_the_rind_spares_the_mean_from_spill(make_scan: Make) -> None:
    scan = make_scan()
    pet, fwhm_mm = blurred(scan.pet, 0.0, 9.0)
    scan = dataclasses.replace(scan, pet=pet, fwhm_mm=fwhm_mm)
    whole, inner = (
        OrganSuvMean(organ="liver", region=WholeOrgan(erode_mm=erode)).measure(scan).value for erode in (0.0, 9.0)
    )
    assert whole < 0.98 * inner


def test_sul_takes_lean_mass(make_scan: Make) -> None:
    reading = OrganSuvMean(organ="liver", lean_mass="janmahasatian", region=PercistRegion()).measure(make_scan())
    assert reading.truth == pytest.approx(2.0 * 43.106 / 70.0, rel=1e-4)
    assert reading.value == pytest.approx(reading.truth)
    assert reading.readout == "liver_sul_mean_janmahasatian_percist"
    assert OrganSuvSd(organ="aorta").label == "aorta_suv_sd"


def test_truth_of_a_group_weighs_its_members(make_scan: Make) -> None:
    scan = make_scan()
    assert scan.labels is not None
    labels = np.zeros_like(scan.labels.data)
    labels[:30, :10, :10] = STRUCTURES["kidney_right"]
    labels[:10, 20:30, :10] = STRUCTURES["kidney_left"]
    scan = dataclasses.replace(
        scan,
        labels=Volume(data=labels, grid=scan.labels.grid, unit="label"),
        planted_suv={"kidney_right": 2.0, "kidney_left": 6.0},
    )
    assert OrganSuvMean(organ="kidneys").measure(scan).truth == pytest.approx(3.0)
    assert OrganSuvMax(organ="kidneys").measure(scan).truth == 6.0
    assert OrganSuvSd(organ="kidneys").measure(scan).truth == pytest.approx(np.sqrt(3.0))


def test_an_organ_that_is_not_there_has_no_value(make_scan: Make) -> None:
    reading = OrganSuvMean(organ="brain").measure(make_scan())
    assert reading.value is reading.truth is None
    assert OrganSuvMean(organ="liver").measure(make_scan(labels=None)).value is None


def test_percist_knows_liver_and_aorta_only() -> None:
    with pytest.raises(ValidationError, match="not in 'spleen'"):
        OrganSuvMean(organ="spleen", region=PercistRegion())
    with pytest.raises(ValidationError, match="did you mean 'liver'"):
        OrganSuvMean(organ="livr")
