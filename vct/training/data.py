"""A folder of scans as training data.

DIR/participants.csv   one row a body: id, sex (F or M), age_years, height_cm, weight_kg
DIR/about.txt          what the scans are and their licence: stands in every checkpoint made from them
DIR/<id>/ct.nii.gz     HU
DIR/<id>/pet.nii.gz    SUVbw
DIR/<id>/labels.nii.gz numbers of `vct.structures`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vct.engine.cascade.grid import Length, on_model_grid, shape_at
from vct.errors import InputError
from vct.records import Patient
from vct.volume import Unit, Volume, load

TABLE = "participants.csv"
ABOUT = "about.txt"
_COLUMNS = ("id", "sex", "age_years", "height_cm", "weight_kg")
_UNITS: dict[str, Unit] = {"ct": "HU", "pet": "SUVbw", "labels": "label"}
_STORED = {"ct": np.int16, "pet": np.float16, "labels": np.uint8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """Scans on the model's grid at one spacing, memory-mapped: (N, X, Y, Z) int16 HU, float16 SUVbw, uint8 labels."""

    patients: tuple[Patient, ...]
    lengths_mm: tuple[float, ...]
    ct: np.ndarray
    pet: np.ndarray
    labels: np.ndarray
    spacing_mm: float
    about: str

    def __len__(self) -> int:
        return len(self.patients)

    def length(self) -> Length:
        """The line from height to scan length."""
        return Length.fitted(np.array([p.height_cm for p in self.patients]), np.array(self.lengths_mm))

    def of_sex(self, sex: str) -> list[int]:
        """Indices of the bodies of one sex."""
        return [index for index, patient in enumerate(self.patients) if patient.sex == sex]

    def images(self, indices: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, X, Y, Z) float32 HU and SUV of some bodies."""
        rows = list(indices)
        return torch.from_numpy(self.ct[rows].astype(np.float32)), torch.from_numpy(self.pet[rows].astype(np.float32))


def read_table(folder: Path) -> tuple[Patient, ...]:
    """The bodies of `folder`. Raises InputError when the table is missing, lacks a column, or holds a bad row."""
    import pandas as pd

    path = folder / TABLE
    try:
        frame = pd.read_csv(path, dtype={"id": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable table ({error})") from error
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(f"{path}: lacks the column {missing[0]!r}")
    bad = frame[frame[list(_COLUMNS)].isna().any(axis=1) | ~frame["sex"].isin(["F", "M"])]
    if len(bad):
        raise InputError(f"{path}: row {int(bad.index[0]) + 2} is incomplete, or its sex is neither F nor M")
    if not len(frame) or frame["id"].duplicated().any():
        raise InputError(f"{path}: needs at least one body, each `id` once")
    return tuple(
        Patient(
            id=str(row.id),
            sex="M" if row.sex == "M" else "F",
            age_years=float(row.age_years),  # type: ignore[arg-type]
            height_cm=float(row.height_cm),  # type: ignore[arg-type]
            weight_kg=float(row.weight_kg),  # type: ignore[arg-type]
        )
        for row in frame.itertuples()
    )


def prepare(folder: Path, cache: Path, spacing_mm: float) -> Bodies:
    """Read every scan of `folder` onto the model's grid once; later calls map what `cache` holds.

    Raises InputError for a missing or unreadable scan. A scan that is finished is not read again, so that a broken-off
    call goes on where it stopped.
    """
    patients = read_table(folder)
    cache = cache / f"{spacing_mm:g}mm"
    cache.mkdir(parents=True, exist_ok=True)
    maps = {name: _map(cache / f"{name}.npy", len(patients), spacing_mm, dtype) for name, dtype in _STORED.items()}
    lengths = _map_lengths(cache / "lengths.npy", len(patients))
    for index, patient in enumerate(patients):
        if lengths[index] > 0.0:
            continue
        for name, unit in _UNITS.items():
            volume = load(folder / patient.id / f"{name}.nii.gz", unit)
            maps[name][index] = _stored(on_model_grid(volume, spacing_mm), name)
            extent = volume.grid.shape[2] * volume.grid.spacing_mm[2]
        lengths[index] = extent
    about = folder / ABOUT
    return Bodies(
        patients=patients,
        lengths_mm=tuple(float(value) for value in lengths),
        spacing_mm=spacing_mm,
        about=about.read_text().strip() if about.exists() else f"{len(patients)} scans of a folder without {ABOUT}",
        **maps,
    )


def _stored(volume: Volume, name: str) -> np.ndarray:
    data = np.rint(volume.data) if name == "ct" else volume.data
    return np.asarray(data, dtype=_STORED[name])


def _map(path: Path, count: int, spacing_mm: float, dtype: type) -> np.ndarray:
    shape = (count, *shape_at(spacing_mm))
    if path.exists():
        found = np.lib.format.open_memmap(path, mode="r+")
        if found.shape == shape:
            return found
        raise InputError(f"{path}: was made from {found.shape[0]} bodies; the table lists {count}. Remove the cache")
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def _map_lengths(path: Path, count: int) -> np.ndarray:
    if path.exists():
        return np.lib.format.open_memmap(path, mode="r+")
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(count,))
