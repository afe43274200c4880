"""A folder of scans as training data: memory-mapped on the model's grid."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vct.engine.cascade.grid import Length, on_model_grid, shape_at
from vct.errors import InputError
from vct.files import locked
from vct.records import Patient
from vct.training.folder import read_about, read_imaging, read_table, read_volume
from vct.volume import Volume

_STORED = {"ct": np.int16, "pet": np.float16, "labels": np.uint8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """Scans on the model's grid at one spacing, memory-mapped: (N, X, Y, Z) int16 HU, float16 SUVbw, uint8 labels.

    `fwhm_mm` and `noise_cov` (in the liver) are what the PETs carry.
    """

    patients: tuple[Patient, ...]
    lengths_mm: tuple[float, ...]
    ct: np.ndarray
    pet: np.ndarray
    labels: np.ndarray
    spacing_mm: float
    about: str
    fwhm_mm: float = 0.0
    noise_cov: float = 0.0

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


def prepare(folder: Path, cache: Path, spacing_mm: float, say: Callable[[str], None] = lambda _: None) -> Bodies:
    """Read every scan of `folder` onto the model's grid once; later calls map what `cache` holds.

    Raises InputError for a missing or unreadable scan. A scan that is finished is not read again, so that a broken-off
    call goes on where it stopped. Where several processes train, the first one reads and the others wait for it.
    """
    patients = read_table(folder)
    cache = cache / f"{spacing_mm:g}mm"
    with locked(cache / "lock", f"process {os.getpid()} on {platform.node()}", wait=True):
        maps, lengths = _read(folder, cache, patients, spacing_mm, say)
    imaging = read_imaging(folder)
    return Bodies(
        patients=patients,
        lengths_mm=tuple(float(value) for value in lengths),
        spacing_mm=spacing_mm,
        about=read_about(folder),
        fwhm_mm=imaging["fwhm_mm"],
        noise_cov=imaging["noise_cov"],
        **maps,
    )


def _read(
    folder: Path, cache: Path, patients: Sequence[Patient], spacing_mm: float, say: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The mapped volumes by name, and scan lengths in mm."""
    maps = {name: _map(cache / f"{name}.npy", len(patients), spacing_mm, dtype) for name, dtype in _STORED.items()}
    lengths = _map_lengths(cache / "lengths.npy", len(patients))
    for index, patient in enumerate(patients):
        if lengths[index] > 0.0:
            continue
        for name in _STORED:
            volume = read_volume(folder, patient.id, name)
            maps[name][index] = _stored(on_model_grid(volume, spacing_mm), name)
            extent = volume.grid.shape[2] * volume.grid.spacing_mm[2]
        lengths[index] = extent
        say(f"read {index + 1} of {len(patients)}")
    return maps, lengths


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
