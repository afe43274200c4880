"""Readouts against IBSI's reference values and against MIRP's numbers, frozen by `oracle/mirp_oracle.py`."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vct.readout.burden import Mtv, Tlg
from vct.readout.intensity import QPet, SuvMax, SuvPeak
from vct.readout.thresholds import FixedThreshold, FractionThreshold, Threshold
from vct.records import Mark, Reading, Scan, Study
from vct.shapes import Region
from vct.volume import Grid, Volume

ORACLE = Path(__file__).parent / "oracle"
MIRP = json.loads((ORACLE / "mirp.json").read_text())
PHANTOMS = runpy.run_path(str(ORACLE / "phantoms.py"))
Make = Callable[..., Scan]


@pytest.fixture
def marked(make_scan: Make) -> Callable[[str], Scan]:
    """A scan of one of the oracle's phantoms on which a reader marked its region."""

    def make(phantom: str) -> Scan:
        image, mask = (np.ascontiguousarray(array.transpose(2, 1, 0)) for array in PHANTOMS[phantom]())
        grid = Grid(shape=image.shape, spacing_mm=(PHANTOMS["SPACING_MM"],) * 3, origin_mm=(0.0, 0.0, 0.0))
        region = Region((slice(0, grid.shape[0]), slice(0, grid.shape[1]), slice(0, grid.shape[2])), mask)
        mark = Mark(id="M01", region=region, at_mm=(0.0, 0.0, 0.0), volume_ml=1.0, organ="body")
        pet = Volume(data=image.astype(np.float32), grid=grid, unit="SUVbw")
        study = Study(reader="", marks=(mark,), targets=("M01",))
        return replace(make_scan(), pet=pet, labels=None, study=study)

    return make


def value(reading: Reading) -> float:
    assert reading.value is not None
    return reading.value


def test_golden_ibsi_digital_phantom(marked: Callable[[str], Scan]) -> None:
    """Reference values of the IBSI manual (arXiv 1612.07003, digital phantom): local peak 2.6, global peak 3.1, mean
    2.15, approximate volume 592 mm3; integrated intensity 1200 by the mesh's 556 mm3, here by voxels.
    """
    scan = marked("digital_phantom")
    everything = FixedThreshold(suv=0.5)
    volume, glycolysis = value(Mtv(threshold=everything).measure(scan)), value(Tlg(threshold=everything).measure(scan))
    assert value(SuvPeak(placement="at_max").measure(scan)) == pytest.approx(2.60, abs=0.005)
    assert value(SuvPeak().measure(scan)) == pytest.approx(3.10, abs=0.005)
    assert 1000.0 * volume == pytest.approx(592.0)
    assert glycolysis / volume == pytest.approx(2.15, abs=0.005)
    assert 556.0 * glycolysis / volume == pytest.approx(1200.0, rel=0.005)


@pytest.mark.parametrize("phantom", ["digital_phantom", "lesion"])
def test_second_implementation_of_peaks_and_maximum(marked: Callable[[str], Scan], phantom: str) -> None:
    scan, mirp = marked(phantom), MIRP[phantom]
    assert value(SuvPeak(placement="at_max").measure(scan)) == pytest.approx(mirp["peak_local"], rel=1e-5)
    assert value(SuvPeak().measure(scan)) == pytest.approx(mirp["peak_global"], rel=1e-5)
    assert value(SuvMax().measure(scan)) == pytest.approx(mirp["max"], rel=1e-6)


@pytest.mark.parametrize(
    ("threshold", "name"),
    [(FixedThreshold(suv=4.0), "lesion_suv4"), (FractionThreshold(fraction=0.41), "lesion_41pct")],
)
def test_second_implementation_of_volume_and_glycolysis(
    marked: Callable[[str], Scan], threshold: Threshold, name: str
) -> None:
    scan, mirp = marked("lesion"), MIRP[name]
    volume = value(Mtv(threshold=threshold).measure(scan))
    glycolysis = value(Tlg(threshold=threshold).measure(scan))
    assert 1000.0 * volume == pytest.approx(mirp["volume_voxels_mm3"])
    assert 1000.0 * glycolysis == pytest.approx(mirp["mean"] * mirp["volume_voxels_mm3"], rel=1e-5)
    assert 1000.0 * glycolysis == pytest.approx(mirp["integrated_intensity"], rel=0.02), "by its mesh's volume"


def test_qpet_of_a_region_of_one_voxel_is_that_voxel(make_scan: Make) -> None:
    one = Region((slice(5, 6), slice(5, 6), slice(5, 6)), np.ones((1, 1, 1), np.bool_))
    mark = Mark(id="M01", region=one, at_mm=(0.0, 0.0, 0.0), volume_ml=0.1, organ="body")
    scan = replace(make_scan(), study=Study(reader="", marks=(mark,), targets=("M01",)))
    assert value(QPet().measure(scan)) == pytest.approx(scan.pet.data[5, 5, 5] / 2.0, rel=1e-3)
