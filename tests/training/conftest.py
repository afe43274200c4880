"""A small folder of painted bodies."""

from __future__ import annotations

import numpy as np
import pytest

from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

SHAPE = (28, 28, 48)


def paint(folder, rng, height_cm):
    """An oval torso on 16 mm voxels: fat, muscle, lungs, a liver of its own place and uptake."""
    x, y, z = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in SHAPE), indexing="ij")
    at = rng.normal(0.0, 1.0, 3)
    radius = (x / 11) ** 2 + (y / 8) ** 2
    pieces = {
        "subcutaneous_fat": radius < 1.0,
        "skeletal_muscle": radius < 0.7,
        "lung_lower_lobe_left": ((x + 4) / 3) ** 2 + (y / 4) ** 2 + ((z - 12) / 7) ** 2 < 1.0,
        "lung_lower_lobe_right": ((x - 4) / 3) ** 2 + (y / 4) ** 2 + ((z - 12) / 7) ** 2 < 1.0,
        "liver": ((x - 4 - at[0]) / 4) ** 2 + ((y - at[1]) / 4) ** 2 + ((z + 2 - at[2]) / 5) ** 2 < 1.0,
    }
    hu = {"subcutaneous_fat": -100.0, "skeletal_muscle": 50.0, "liver": 60.0}
    suv = {"subcutaneous_fat": 0.3, "skeletal_muscle": 0.7, "liver": float(np.exp(rng.normal(0.8, 0.2)))}
    labels = np.zeros(SHAPE, np.uint8)
    ct, pet = np.full(SHAPE, -1000.0, np.float32), np.zeros(SHAPE, np.float32)
    for name, inside in pieces.items():
        labels[inside], ct[inside], pet[inside] = STRUCTURES[name], hu.get(name, -800.0), suv.get(name, 0.5)
    grid = Grid(shape=SHAPE, spacing_mm=(16.0, 16.0, 4.0 * height_cm / SHAPE[2]), origin_mm=(0.0, 0.0, 0.0))
    folder.mkdir(parents=True)
    for name, data, unit in (("ct", ct, "HU"), ("pet", pet, "SUVbw"), ("labels", labels, "label")):
        Volume(data=data, grid=grid, unit=unit).save(folder / f"{name}.nii.gz")


@pytest.fixture(scope="session")
def bodies_folder(tmp_path_factory):
    """Eight women and eight men, the fewest that an anatomy is trained on."""
    folder = tmp_path_factory.mktemp("bodies")
    rng = np.random.default_rng(0)
    rows = ["id,sex,age_years,height_cm,weight_kg"]
    for number in range(16):
        height = float(rng.normal(170.0, 8.0))
        paint(folder / f"B{number}", rng, height)
        rows.append(f"B{number},{'FM'[number % 2]},{rng.uniform(30, 80):.1f},{height:.1f},{rng.uniform(55, 95):.1f}")
    (folder / "participants.csv").write_text("\n".join(rows) + "\n")
    (folder / "about.txt").write_text("16 painted ovals\n")
    return folder
