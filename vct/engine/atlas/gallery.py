"""A contact sheet of virtual patients: CT and PET, coronal, axial and as maximum projection, over sex, age and BMI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.engine import Atlas
from vct.records import Patient, Scan, Sex, Snapshot, Visit
from vct.structures import labels_of

SEXES: tuple[Sex, ...] = ("F", "M")
AGES = (35.0, 70.0)
BMIS = (19.0, 24.0, 30.0, 38.0)
HEIGHT_CM = {"F": 163.0, "M": 177.0}
CT_WINDOW_HU = (-160.0, 240.0)
PET_TOP_SUV = 6.0
MIP_TOP_SUV = 8.0
PIXEL_MM = 2.0
Gray = NDArray[np.uint8]


def gallery_patients() -> list[Patient]:
    """Women, then men; by age, then by BMI."""
    return [
        Patient(
            id=f"{sex}{age:.0f}-BMI{bmi:.0f}",
            sex=sex,
            age_years=age,
            height_cm=HEIGHT_CM[sex],
            weight_kg=bmi * (HEIGHT_CM[sex] / 100.0) ** 2,
        )
        for sex in SEXES
        for age in AGES
        for bmi in BMIS
    ]


def gallery(folder: Path, out: Path, spacing_mm: float = 2.0, seed: int = 0, columns: int = 2) -> None:
    """Paint the gallery's patients from the atlas in `folder` and write one grey PNG."""
    from PIL import Image

    engine = Atlas(folder=folder, spacing_mm=spacing_mm)
    visit = Visit(name="baseline", day=0.0)
    strips = [strip(engine.generate(Snapshot(patient=p, visit=visit), seed), p.id) for p in gallery_patients()]
    width = max(item.shape[1] for item in strips)
    height = max(item.shape[0] for item in strips)
    padded = [np.pad(s, ((0, height - s.shape[0]), (0, width - s.shape[1]))) for s in strips]
    rows = [np.concatenate(padded[k : k + columns], axis=1) for k in range(0, len(padded), columns)]
    Image.fromarray(np.concatenate(rows)).save(out, optimize=True)


def strip(scan: Scan, title: str) -> Gray:
    """One patient: coronal CT and PET through the kidneys, projection, and two axial levels of each."""
    from PIL import Image, ImageDraw

    ct, pet = scan.ct.data, scan.pet.data
    labels = scan.labels.data if scan.labels is not None else np.zeros(ct.shape, np.uint8)
    sx, sy, sz = (step / PIXEL_MM for step in scan.ct.grid.spacing_mm)
    row = _level(labels, "kidneys", 1)
    coronal = [
        _gray(ct[::-1, row, ::-1].T, *CT_WINDOW_HU),
        _gray(ct[::-1, min(row + round(36 / scan.ct.grid.spacing_mm[1]), ct.shape[1] - 1), ::-1].T, *CT_WINDOW_HU),
        255 - _gray(pet[::-1, row, ::-1].T, 0.0, PET_TOP_SUV),
        255 - _gray(pet.max(axis=1)[::-1, ::-1].T, 0.0, MIP_TOP_SUV),
    ]
    tall = [_resized(image, sx, sz) for image in coronal]
    axial = []
    for organ in ("heart", "kidneys"):
        level = _level(labels, organ, 2)
        axial.append(_resized(_gray(ct[::-1, ::-1, level].T, *CT_WINDOW_HU), sx, sy))
        axial.append(_resized(255 - _gray(pet[::-1, ::-1, level].T, 0.0, PET_TOP_SUV), sx, sy))
    cut = [image[round(0.14 * image.shape[0]) : round(0.88 * image.shape[0])] for image in axial]
    height = tall[0].shape[0]
    side = [np.concatenate(pair)[:height] for pair in (cut[0::2], cut[1::2])]
    side = [np.pad(image, ((0, height - image.shape[0]), (0, 0))) for image in side]
    sheet = Image.fromarray(np.concatenate([*tall, *side], axis=1))
    ImageDraw.Draw(sheet).text((4, 2), title, fill=255)
    return np.asarray(sheet)


def _level(labels: NDArray[np.uint8], structure: str, axis: int) -> int:
    held = np.nonzero(np.isin(labels, labels_of(structure)))[axis]
    return int(held.mean()) if held.size else labels.shape[axis] // 2


def _gray(image: NDArray[Any], low: float, high: float) -> Gray:
    scaled: Gray = (np.clip((image - low) / (high - low), 0.0, 1.0) * 255).astype(np.uint8)
    return scaled


def _resized(image: Gray, across: float, down: float) -> Gray:
    from PIL import Image

    size = (max(1, round(image.shape[1] * across)), max(1, round(image.shape[0] * down)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
