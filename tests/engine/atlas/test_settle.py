"""Fat settled on its target, whatever the first plan missed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vct.engine.atlas import Atlas
from vct.engine.atlas.body import Body
from vct.engine.atlas.day import at_rest
from vct.engine.atlas.render import render
from vct.engine.atlas.settle import settled
from vct.records import Patient
from vct.structures import labels_of
from vct.volume import Grid


def fat_ml(body: Body, grid: Grid) -> tuple[float, float]:
    label = render(body, at_rest(body.lattice), grid).label
    under = [number for name in ("subcutaneous_fat", "breast") for number in labels_of(name)]
    return tuple(float(np.isin(label, numbers).sum()) * grid.voxel_ml for numbers in (under, labels_of("torso_fat")))


@pytest.mark.parametrize(("sex", "bmi"), [("F", 18.0), ("M", 30.0)])
def test_bodies_hold_their_fat(engine: Atlas, sex: str, bmi: float) -> None:
    body = engine.body(Patient(id="F1", sex=sex, age_years=55, height_cm=168, weight_kg=bmi * 1.68**2), 3)
    under, inside = fat_ml(body, engine.grid(body, 6.0))
    assert under == pytest.approx(body.target.subcutaneous_ml, rel=0.05)
    assert inside == pytest.approx(body.target.visceral_ml, rel=0.10)


def test_a_spoilt_body_is_mended(engine: Atlas, man: Patient) -> None:
    body = engine.body(man, 3)
    grid = engine.grid(body, 8.0)
    chest, belly = body.fat_levels
    spoilt = replace(body, skin_mm=body.skin_mm - np.float32(2.0), fat_levels=(chest, belly - 0.5))
    missing = [a / b for a, b in zip(fat_ml(spoilt, grid), fat_ml(body, grid), strict=True)]
    assert max(missing) < 0.95
    for mended, good in zip(fat_ml(settled(spoilt, grid), grid), fat_ml(body, grid), strict=True):
        assert mended == pytest.approx(good, rel=0.03)
