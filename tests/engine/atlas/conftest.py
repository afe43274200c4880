"""A small atlas made of ellipsoids: a template at 4 mm and six cases, built through the real `build`."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from vct.engine.atlas import Atlas, build
from vct.engine.atlas.tissues import Tissue
from vct.records import Patient

STEP = 4.0
SHAPE = (150, 90, 236)
ORIGIN = np.array([-298.0, -105.0, 549.0])
# organ: AutoPET code, centre and half axes in template mm
ORGANS = {
    "lung_r": (5, (72, 85, 1215), (48, 72, 135)),
    "lung_l": (5, (-72, 85, 1215), (44, 72, 132)),
    "heart": (7, (-18, 115, 1185), (50, 42, 50)),
    "liver": (3, (55, 100, 1085), (72, 62, 68)),
    "spleen": (1, (-88, 70, 1085), (24, 34, 46)),
    "stomach": (8, (-45, 125, 1085), (42, 40, 46)),
    "kidney_r": (2, (62, 60, 1005), (24, 26, 52)),
    "kidney_l": (2, (-62, 60, 1015), (24, 26, 52)),
    "bladder": (4, (0, 90, 830), (38, 32, 28)),
    "prostate": (9, (0, 85, 792), (26, 22, 24)),
}


def ellipsoid(axes, center, half) -> np.ndarray:
    return sum(((a - c) / h) ** 2 for a, c, h in zip(axes, center, half, strict=True)) < 1.0


def template_layers() -> dict[str, np.ndarray]:
    axes = np.ix_(*(o + STEP * np.arange(n) for o, n in zip(ORIGIN, SHAPE, strict=True)))
    x, y, z = axes
    trunk = ((x / 155) ** 2 + ((y - 85) / 105) ** 2 < 1) & (z < 1400)
    legs = (((np.abs(x) - 85) / 70) ** 2 + ((y - 85) / 80) ** 2 < 1) & (z < 800)
    neck = ((x / 60) ** 2 + ((y - 75) / 60) ** 2 < 1) & (z >= 1400)
    frame = np.where((trunk & (z >= 760)) | legs | neck, Tissue.MUSCLE, 0).astype(np.uint8)
    cavity = ((x / 132) ** 2 + ((y - 90) / 88) ** 2 < 1) & (z > 772) & (z < 1362)
    frame[cavity] = Tissue.CAVITY
    ribs = ((x / 140) ** 2 + ((y - 90) / 96) ** 2 < 1) & ~cavity & (z > 1060) & (z < 1340) & (np.mod(z, 28) < 10)
    frame[ribs] = Tissue.CORTICAL
    spine = (x / 26) ** 2 + ((y - 20) / 24) ** 2 < 1
    frame[spine & (z > 780)] = Tissue.RED_MARROW
    frame[((x / 8) ** 2 + ((y + 12) / 8) ** 2 < 1) & (z > 880) & np.ones_like(frame, bool)] = Tissue.SPINAL_CANAL
    hips = ellipsoid((np.abs(x), y, z), (105, 60, 880), (26, 60, 80)) & ~cavity
    frame[hips & (frame > 0)] = Tissue.MARROW
    femur = (((np.abs(x) - 95) / 16) ** 2 + ((y - 80) / 16) ** 2 < 1) & (z < 830)
    frame[femur & (frame > 0)] = Tissue.MARROW
    airway = ((x / 9) ** 2 + ((y - 70) / 9) ** 2 < 1) & (z > 1355)
    frame[airway & (frame > 0)] = Tissue.AIRWAY
    organs = np.full(SHAPE, Tissue.VISCERAL_FAT, np.uint8)
    codes = {5: 5, 7: 9, 3: 10, 1: 11, 8: 44, 2: 12, 4: 16, 9: 26}
    for code, center, half in ORGANS.values():
        organs[ellipsoid(axes, center, half)] = codes[code]
    wall = ellipsoid(axes, (-28, 125, 1178), (34, 30, 34)) & ~ellipsoid(axes, (-28, 125, 1178), (20, 17, 20))
    organs[wall] = Tissue.MYOCARDIUM
    organs[((x + 4) / 13) ** 2 + ((y - 62) / 13) ** 2 + 0 * z < 1] = Tissue.ARTERY
    organs[((x - 26) / 12) ** 2 + ((y - 66) / 12) ** 2 + 0 * z < 1] = Tissue.VEIN
    organs[ellipsoid(axes, (0, 95, 1040), (60, 14, 18))] = Tissue.PANCREAS
    for side in (1, -1):
        organs[ellipsoid(axes, (side * 50, 62, 1066), (14, 8, 12))] = Tissue.ADRENAL
    arms = np.zeros(SHAPE, np.uint8)
    arm = (((np.abs(x) - 185) / 34) ** 2 + ((y - 77) / 34) ** 2 < 1) & (z < 1330)
    arms[arm] = Tissue.MUSCLE
    arms[(((np.abs(x) - 185) / 11) ** 2 + ((y - 77) / 11) ** 2 < 1) & (z < 1320)] = Tissue.MARROW
    return {"frame": frame, "organs": organs, "arms": arms}


def write_template(folder: Path) -> None:
    folder.mkdir()
    affine = np.diag([STEP, STEP, STEP, 1.0])
    affine[:3, 3] = ORIGIN
    for name, data in template_layers().items():
        nib.save(nib.Nifti1Image(np.ascontiguousarray(data), affine), folder / f"small_{name}.nii.gz")


def organ_map(scale: float, male: bool) -> np.ndarray:
    axes = np.ix_(*(o + 4.0 * np.arange(n) for o, n in zip((-150, -40, 740), (76, 60, 170), strict=True)))
    labels = np.zeros((76, 60, 170), np.uint8)
    for code, center, half in ORGANS.values():
        if code == 9 and not male:
            continue
        mask = ellipsoid(axes, center, [h * scale for h in half])
        labels[mask & ((labels == 0) | (code in (3, 7)))] = code
    return labels


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as a user has them: organs/ with organs.csv, template/."""
    folder = tmp_path_factory.mktemp("sources")
    write_template(folder / "template")
    (folder / "organs").mkdir()
    rows = []
    for k, scale in enumerate((0.94, 1.0, 1.05) * 2):
        sex = "F" if k < 3 else "M"
        name = f"case{k}.nii.gz"
        image = nib.Nifti1Image(organ_map(scale * (0.95 if sex == "F" else 1.0), sex == "M"), np.diag([4.0, 4, 4, 1]))
        nib.save(image, folder / "organs" / name)
        rows.append({"file": name, "sex": sex, "age_years": 45 + 8 * (k % 3)})
    with (folder / "organs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["file", "sex", "age_years"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="session")
def atlas_folder(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("atlas") / "small"
    build(sources / "organs", sources / "organs.csv", sources / "template", out)
    return out


@pytest.fixture(scope="session")
def engine(atlas_folder: Path) -> Atlas:
    return Atlas(folder=atlas_folder, spacing_mm=8.0)


@pytest.fixture
def man() -> Patient:
    return Patient(id="P1", sex="M", age_years=60, height_cm=176, weight_kg=82)
