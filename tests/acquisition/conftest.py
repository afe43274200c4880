"""A warm box of liver with hot spheres in it: all that a scanner needs to be put to the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from vct.acquisition import Acquisition
from vct.forms import filling
from vct.records import Lesion, Patient, Scan, Snapshot, Visit
from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

QUIET = {
    "dose_cov": 0.0,
    "dose_error_cov": 0.0,
    "uptake_sd_minutes": 0.0,
    "clock_error_sd_minutes": 0.0,
    "glucose_cov": 0.0,
    "breathing_mm": 0.0,
    "motion_sd_mm": 0.0,
}


@pytest.fixture
def make_scan() -> Callable[..., Scan]:
    """An unblurred, noise-free scan: `suv` in the liver, spheres given as (diameter, suv, centre)."""

    def make(
        spheres: Sequence[tuple[float, float, tuple[float, float, float]]] = (),
        *,
        suv: float = 2.3,
        shape: tuple[int, int, int] = (40, 40, 40),
        spacing_mm: float = 4.0,
        visit: str = "baseline",
        patient: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Scan:
        origin = tuple(-spacing_mm * (n - 1) / 2 for n in shape)
        grid = Grid(shape=shape, spacing_mm=(spacing_mm,) * 3, origin_mm=(origin[0], origin[1], origin[2]))
        pet = np.full(shape, suv, np.float32)
        lesions = []
        for diameter, hot, center in spheres:
            lesion = Lesion(
                id=f"L{len(lesions) + 1}",
                organ="liver",
                diameter_mm=diameter,
                suv=hot,
                room_mm=40,
                center_mm=center,
            )
            filled = filling(grid, lesion)
            assert filled is not None
            pet[filled.box] += filled.excess(lesion, pet[filled.box])
            lesions.append(lesion)
        who = {"id": "P0001", "sex": "F", "age_years": 60.0, "height_cm": 172.0, "weight_kg": 75.0, **(patient or {})}
        scan = {
            "snapshot": Snapshot(patient=Patient(**who), visit=Visit(name=visit, day=0.0), lesions=tuple(lesions)),
            "ct": Volume(data=np.zeros(shape, np.float32), grid=grid, unit="HU"),
            "pet": Volume(data=pet, grid=grid, unit="SUVbw"),
            "labels": Volume(data=np.full(shape, STRUCTURES["liver"], np.uint8), grid=grid, unit="label"),
            "made_by": "test",
            "planted_suv": {"liver": suv},
            **fields,
        }
        return Scan(**scan)

    return make


@pytest.fixture
def make_acquisition() -> Callable[..., Acquisition]:
    """An acquisition by a free scanner, without session effects and without noise unless asked for."""

    def make(session: dict[str, Any] | None = None, **scanner: Any) -> Acquisition:
        machine = {
            "kind": "scanner",
            "fwhm_mm": 5.7,
            "bed_minutes": 2.0,
            "calibration_site_sd": 0.0,
            "calibration_session_sd": 0.0,
            **scanner,
            "noise": {"liver_cov": 0.0, **scanner.get("noise", {})},
        }
        return Acquisition.model_validate({"scanner": machine, **QUIET, **(session or {})})

    return make
