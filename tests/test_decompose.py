"""Variance by source, on a block of liver and fat instead of a body: quick, and each source can be planted alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from vct.cli import app
from vct.decompose import OFF, decompose
from vct.engine.lesions import plant
from vct.errors import InputError
from vct.protocol import Protocol, load
from vct.records import Scan, Snapshot
from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

STEADY = {
    **dict.fromkeys(("dose_cov", "dose_error_cov", "uptake_sd_minutes", "clock_error_sd_minutes", "glucose_cov"), 0.0),
    **dict.fromkeys(("breathing_mm", "breathing_cov", "motion_sd_mm"), 0.0),
}


@dataclass(frozen=True)
class Block:
    """An engine: a block, liver on one side, with its lesions in a row on the other."""

    name: str = "block"

    def generate(self, snapshot: Snapshot, seed: int) -> Scan:
        grid = Grid(shape=(26, 24, 14), spacing_mm=(7.0,) * 3, origin_mm=(-87.5, -80.5, -45.5))
        x, y, z = grid.axes_mm()
        labels = np.full(grid.shape, STRUCTURES["body"], np.uint8)
        labels[(x > 10) & (x < 85) & (abs(y) < 70) & (abs(z) < 40)] = STRUCTURES["liver"]
        suv = np.where(labels == STRUCTURES["liver"], 2.0, 0.8).astype(np.float32)
        lesions = tuple(
            replace(lesion, center_mm=(-45.0, -50.0 + 50.0 * number, 0.0))
            for number, lesion in enumerate(snapshot.lesions[:3])
        )
        ct = Volume(data=np.zeros(grid.shape, np.float32), grid=grid, unit="HU")
        ct, pet, around = plant(ct, Volume(data=suv, grid=grid, unit="SUVbw"), lesions)
        return Scan(
            snapshot=replace(snapshot, lesions=lesions),
            ct=ct,
            pet=pet,
            labels=Volume(data=labels, grid=grid, unit="label"),
            made_by=self.name,
            planted_suv={"liver": 2.0},
            background_suv=around,
        )


def trial(*, day: float = 0.0, noise: float = 0.0, calibration: float = 0.0, **reader: float) -> Protocol:
    """Untreated lesions of one size scanned twice, with the sources asked for and no others."""
    given: dict[str, Any] = load("test_retest").resolved()
    given["course"]["disease"] |= {
        "count": {"kind": "constant", "value": 2},
        "diameter_mm": {"kind": "constant", "value": 32.0},
        "suv": {"kind": "lognormal", "median": 8.0, "geometric_sd": 1.05},
        "axis_ratio_sd": 0.0,
    }
    given["course"]["history"] |= {"day_to_day_cv": day, "doubling_time_days": None}
    given["acquisition"] = STEADY | {
        "scanner": {
            "kind": "scanner",
            "fwhm_mm": 9.0,
            "bed_minutes": 2.0,
            "noise": {"liver_cov": noise},
            "calibration_site_sd": 0.0,
            "calibration_session_sd": calibration,
        }
    }
    given["reading"]["readers"] = [reader]
    given["readouts"] = [{"kind": "suv_peak", "name": "suv_peak"}]
    given["endpoints"] = [
        {"kind": "percent_change", "name": "change", "readout": "suv_peak", "baseline": "test", "visits": ["retest"]}
    ]
    given["analyses"] = []
    return Protocol.model_validate(given)


def split(protocol: Protocol, **options: Any) -> dict[str, Any]:
    return {part.source: part for part in decompose(protocol, Block(), "change", patients=6, seed=3, **options)}


@pytest.mark.parametrize(
    ("planted", "source"),
    [
        ({"day": 0.1}, "day-to-day physiology"),
        ({"noise": 0.15}, "noise"),
        ({"calibration": 0.1}, "scanner and site"),
        ({"placement_sd_mm": 6.0}, "reader"),
    ],
)
def test_a_source_planted_alone_has_the_whole_variance(planted: dict[str, float], source: str) -> None:
    parts = split(trial(**planted))
    assert set(parts) == {*OFF, "biology", "interaction", "total"}
    assert parts[source].share > 0.9
    assert parts["total"].variance > 1.0
    for name in {*OFF} - {source}:
        assert parts[name].variance == 0.0


def test_calibration_alone_has_the_size_that_theory_gives() -> None:
    """Percent change of two sessions with an error of 5 % each: SD 100 sqrt(2) 0.05."""
    parts = split(trial(calibration=0.05))
    assert parts["total"].variance == pytest.approx(100**2 * 2 * 0.05**2, rel=0.9)
    assert 0.0 < parts["total"].mc_se < parts["total"].variance


def test_parts_add_up_and_cost_patients() -> None:
    parts = split(trial(day=0.1, noise=0.1, calibration=0.05), effect=10.0)
    total = parts["total"]
    assert sum(part.variance for name, part in parts.items() if name != "total") == pytest.approx(total.variance)
    assert total.patients_cost == pytest.approx(4 * (1.959964 + 0.841621) ** 2 * total.variance / 100, rel=1e-4)
    assert parts["noise"].patients_cost / total.patients_cost == pytest.approx(parts["noise"].share)


def test_target_choice_needs_lesions_that_behave_apart() -> None:
    protocol = trial(day=0.15, choice_sd=0.3)
    parts = split(protocol)
    assert parts["target choice"].variance != 0.0
    assert parts["reader"].variance == 0.0


def test_names_are_checked() -> None:
    with pytest.raises(InputError, match="did you mean 'change'"):
        decompose(trial(), Block(), "chnge")
    result = CliRunner().invoke(app, ["decompose", "test_retest", "--endpoint", "nothing"])
    assert isinstance(result.exception, InputError)
