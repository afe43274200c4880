"""People of simple shapes, from chin to thighs, in every layout in which real studies come."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

sys.path.insert(0, str(Path(__file__).parents[2] / "doubles"))

TOP_MM, BOTTOM_MM = 640.0, 60.0
"""The apex of the lungs and the end of the pelvis, in the bodies below."""


@dataclass(frozen=True, kw_only=True)
class Body:
    ct: Volume
    pet: Volume
    labels: Volume
    lesions: Volume


def _make(z_mm=(-100.0, 760.0), spacing=(6.0, 6.0, 6.0), half_mm=250.0, width=1.0) -> Body:
    """Head, neck, arms at the sides, lungs with a windpipe, spine, pelvis, two thighs that touch, a table below."""
    n = round(2 * half_mm / spacing[0])
    grid = Grid(
        shape=(n, n, round((z_mm[1] - z_mm[0]) / spacing[2])),
        spacing_mm=spacing,
        origin_mm=(-half_mm + spacing[0] / 2, -half_mm + spacing[1] / 2, z_mm[0] + spacing[2] / 2),
    )
    x, y, z = grid.axes_mm()

    def rod(cx, cy, rx, ry, low, high):
        return (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1.0) & (z >= low) & (z < high)

    trunk = rod(0, 0, 170 * width, 110 * width, BOTTOM_MM - 20, 690)
    thighs = rod(-85, 0, 88, 95, -500, BOTTOM_MM) | rod(85, 0, 88, 95, -500, BOTTOM_MM)
    head = rod(0, 0, 60, 60, 690, 760) | rod(0, 10, 80, 90, 760, 1000)
    arms = rod(-215, 0, 30, 35, 100, 640) | rod(215, 0, 30, 35, 100, 640)
    body = trunk | thighs | head | arms
    bones = {
        "femur_left": rod(-90, 0, 16, 16, -500, 110),
        "femur_right": rod(90, 0, 16, 16, -500, 110),
        "hip_left": rod(-55, -20, 50, 45, BOTTOM_MM, 260) & ~rod(-55, -20, 40, 35, BOTTOM_MM, 260),
        "hip_right": rod(55, -20, 50, 45, BOTTOM_MM, 260) & ~rod(55, -20, 40, 35, BOTTOM_MM, 260),
        "vertebrae_L3": rod(0, -60, 20, 20, 150, 800),
        "humerus_left": rod(-215, 0, 10, 10, 100, 640),
        "humerus_right": rod(215, 0, 10, 10, 100, 640),
        "clavicula_left": rod(-60, 60, 60, 8, TOP_MM - 15, TOP_MM),
        "clavicula_right": rod(60, 60, 60, 8, TOP_MM - 15, TOP_MM),
    }
    lungs = rod(-75, 0, 60, 70, 380, TOP_MM) | rod(75, 0, 60, 70, 380, TOP_MM)
    hu, suv = np.full(grid.shape, -1000.0, np.float32), np.zeros(grid.shape, np.float32)
    labels, lesions = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    hu[body], suv[body] = 40.0, 0.8
    hu[rod(75, 20, 60, 50, 280, 370)], suv[rod(75, 20, 60, 50, 280, 370)] = 60.0, 2.2
    labels[rod(75, 20, 60, 50, 280, 370)] = STRUCTURES["liver"]
    hu[lungs], suv[lungs], labels[lungs] = -850.0, 0.5, STRUCTURES["lung_upper_lobe_left"]
    hu[rod(0, 20, 8, 8, 400, 760)] = -990.0
    for name, inside in bones.items():
        inside &= body
        hu[inside], labels[inside] = 700.0, STRUCTURES[name]
    spot = ((x + 75) ** 2 + y**2 + (z - 500) ** 2) < 14.0**2
    suv[spot], lesions[spot] = 9.0, 1
    hu[(abs(x) < 200) & (y > -140) & (y < -132) & (z > -500)] = -100.0
    return Body(
        ct=Volume(data=hu, grid=grid, unit="HU"),
        pet=Volume(data=suv, grid=grid, unit="SUVbw"),
        labels=Volume(data=labels, grid=grid, unit="label"),
        lesions=Volume(data=lesions, grid=grid, unit="label"),
    )


@pytest.fixture(scope="session")
def make_body() -> Callable[..., Body]:
    return _make


@pytest.fixture(scope="session")
def body() -> Body:
    return _make()


@pytest.fixture(scope="session")
def ends_mm() -> tuple[float, float]:
    return BOTTOM_MM, TOP_MM


@pytest.fixture(scope="session")
def challenge_once(body, tmp_path_factory) -> Path:
    """Two patients, one with two studies, as AutoPET's challenge lays them out, with its table; not to be changed."""
    source = tmp_path_factory.mktemp("challenge") / "FDG-PET-CT-Lesions"
    for patient, study in (("PETCT_aaa", "2004-01-01"), ("PETCT_aaa", "2005-02-02"), ("PETCT_bbb", "2004-03-03")):
        folder = source / patient / study
        folder.mkdir(parents=True)
        body.ct.save(folder / "CTres.nii.gz", note="")
        body.pet.save(folder / "SUV.nii.gz", note="")
        body.lesions.save(folder / "SEG.nii.gz", note="")
    (source / "Clinical Metadata FDG PET_CT Lesions.csv").write_text(
        "Subject ID,sex,age,diagnosis,Height (cm),Weight (kg)\n"
        "PETCT_aaa,F,060Y,MELANOMA,168,70\nPETCT_bbb,M,041Y,Mr John Doe,181,90.5\n"
    )
    return source


@pytest.fixture
def challenge(challenge_once, tmp_path) -> Path:
    """A copy of one's own, one study a patient."""
    own = shutil.copytree(challenge_once, tmp_path / challenge_once.name)
    shutil.rmtree(own / "PETCT_aaa" / "2005-02-02")
    return own
