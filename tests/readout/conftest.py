"""A warm block with a liver, an aorta and lesions, unblurred and noise-free: what readouts are tried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from vct.forms import filling
from vct.records import Lesion, Patient, Scan, Snapshot, Visit
from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

BODY, LIVER, AORTA = 1.0, 2.0, 1.6


@pytest.fixture
def make_lesion() -> Callable[..., Lesion]:
    """A sphere to the left of the body's centre, away from liver and aorta."""

    def make(
        diameter_mm: float = 30.0,
        suv: float = 10.0,
        center_mm: tuple[float, float, float] | None = (-50.0, 0.0, 0.0),
        **fields: Any,
    ) -> Lesion:
        lesion = {"id": "L1", "organ": "soft_tissue", "room_mm": 40.0, **fields}
        return Lesion(diameter_mm=diameter_mm, suv=suv, center_mm=center_mm, **lesion)

    return make


@pytest.fixture
def make_scan() -> Callable[..., Scan]:
    """The block on `spacing_mm`: liver at x 10 to 90, aorta a tube of 26 mm at y -60."""

    def make(
        lesions: Sequence[Lesion] = (),
        *,
        spacing_mm: float = 4.0,
        patient: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Scan:
        shape = (round(208 / spacing_mm), round(176 / spacing_mm), round(160 / spacing_mm))
        origin = [-spacing_mm * (n - 1) / 2 for n in shape]
        grid = Grid(shape=shape, spacing_mm=(spacing_mm,) * 3, origin_mm=(origin[0], origin[1], origin[2]))
        x, y, z = grid.axes_mm()
        labels = np.full(shape, STRUCTURES["body"], np.uint8)
        labels[(x > 10) & (x < 90) & (abs(y) < 50) & (abs(z) < 60)] = STRUCTURES["liver"]
        labels[np.broadcast_to(x**2 + (y + 60) ** 2 < 13**2, shape)] = STRUCTURES["aorta"]
        pet = np.full(shape, BODY, np.float32)
        pet[labels == STRUCTURES["liver"]] = LIVER
        pet[labels == STRUCTURES["aorta"]] = AORTA
        background = {}
        for lesion in lesions:
            if lesion.center_mm is None:
                continue
            filled = filling(grid, lesion)
            if filled is None:
                background[lesion.id] = BODY
                continue
            box = filled.box
            inside = labels[box][filled.whole > 0]
            background[lesion.id] = LIVER if inside.size and (inside == STRUCTURES["liver"]).all() else BODY
            pet[box] += filled.excess(lesion, pet[box])
        who = {"id": "P0001", "sex": "F", "age_years": 60.0, "height_cm": 165.0, "weight_kg": 70.0, **(patient or {})}
        scan = {
            "snapshot": Snapshot(patient=Patient(**who), visit=Visit(name="baseline", day=0.0), lesions=tuple(lesions)),
            "ct": Volume(data=np.zeros(shape, np.float32), grid=grid, unit="HU"),
            "pet": Volume(data=pet, grid=grid, unit="SUVbw"),
            "labels": Volume(data=labels, grid=grid, unit="label"),
            "made_by": "test",
            "planted_suv": {"liver": LIVER, "aorta": AORTA, "body": BODY},
            "background_suv": background,
            **fields,
        }
        return Scan(**scan)

    return make
