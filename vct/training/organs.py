"""Organ-wise numbers of a scan, and tables of them: one row a scan, organ and quantity."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from vct.errors import InputError
from vct.files import write_aside
from vct.records import Patient
from vct.structures import GROUPS, STRUCTURES, labels_of
from vct.training.folder import read_table, read_volume
from vct.volume import Volume

ORGANS: tuple[str, ...] = (
    "liver",
    "spleen",
    "kidneys",
    "heart",
    "lungs",
    "aorta",
    "stomach",
    "urinary_bladder",
    "skeletal_muscle",
    "vertebrae_lumbar",
    "subcutaneous_fat",
    "torso_fat",
)
WHOLE = "whole_body"
QUANTITIES = ("volume_ml", "suv_mean", "suv_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganNumber:
    """One number of one organ in one scan."""

    scan: str
    sex: str
    age_years: float
    height_cm: float
    weight_kg: float
    organ: str
    quantity: str
    value: float

    @property
    def bmi_kg_m2(self) -> float:
        """Weight over height squared."""
        return self.weight_kg / (self.height_cm / 100.0) ** 2


def measure(scan: str, patient: Patient, pet: Volume, labels: Volume) -> Iterator[OrganNumber]:
    """Volume (ml), SUVmean and SUVmax of every organ of `ORGANS` that the labels show, and the whole body's volume.

    `labels` lie on the PET's grid. Raises InputError when they do not.
    """
    if pet.data.shape != labels.data.shape:
        raise InputError(f"{scan}: labels of shape {labels.data.shape} do not fit a PET of {pet.data.shape}")
    numbers = labels.data.ravel()
    values = pet.data.ravel()
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(257))
    sorted_values = values[order]
    common: dict[str, Any] = {
        "scan": scan,
        "sex": patient.sex,
        "age_years": patient.age_years,
        "height_cm": patient.height_cm,
        "weight_kg": patient.weight_kg,
    }
    for organ in ORGANS:
        parts = [sorted_values[ends[n] : ends[n + 1]] for n in _numbers(organ)]
        held = np.concatenate(parts)
        if held.size:
            found = (held.size * labels.grid.voxel_ml, float(held.mean(dtype=np.float64)), float(held.max()))
            for quantity, value in zip(QUANTITIES, found, strict=True):
                yield OrganNumber(**common, organ=organ, quantity=quantity, value=value)
    body_ml = float(numbers.size - ends[1]) * labels.grid.voxel_ml
    yield OrganNumber(**common, organ=WHOLE, quantity="volume_ml", value=body_ml)


def _numbers(organ: str) -> tuple[int, ...]:
    return labels_of(organ) if organ in STRUCTURES or organ in GROUPS else ()


def measure_folder(folder: Path) -> list[OrganNumber]:
    """Numbers of the scans of a folder (`vct.training.folder`); or of a finished `organs.csv`, in it or named itself.

    Raises InputError when files are missing.
    """
    if folder.is_file():
        return read_numbers(folder)
    if (folder / "organs.csv").exists():
        return read_numbers(folder / "organs.csv")
    found: list[OrganNumber] = []
    for patient in read_table(folder):
        pet, labels = (read_volume(folder, patient.id, name) for name in ("pet", "labels"))
        found += measure(patient.id, patient, pet, labels)
    return found


def write_numbers(path: Path, numbers: Iterable[OrganNumber]) -> None:
    """Write a table of organ numbers as CSV, aside and renamed."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=[item.name for item in fields(OrganNumber)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(number) | {"value": f"{number.value:.5g}"} for number in numbers)
    write_aside(path, text.getvalue().encode())


def read_numbers(path: Path) -> list[OrganNumber]:
    """Read what `write_numbers` wrote. Raises InputError when it is something else."""
    text = {"scan", "sex", "organ", "quantity"}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                OrganNumber(**{key: value if key in text else float(value) for key, value in row.items()})  # type: ignore[arg-type]
                for row in csv.DictReader(file)
            ]
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a table of organ numbers ({error})") from error
    return rows
