"""How uptake and density vary within organs: radial power spectra of PET and CT, and the liver's CoV.

The variation about an organ's mean, a voxel and more inside its border, is set into zeros and Fourier transformed; the
power is averaged over shells of wavelength. The organ's shape smears the spectrum alike in every population.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from vct.engine.base import Engine
from vct.records import Patient, Snapshot
from vct.structures import voxels_of
from vct.training.population import DAY0

BANDS_MM = ((10.0, 13.0), (13.0, 17.0), (17.0, 22.0), (22.0, 29.0), (29.0, 38.0), (38.0, 50.0))
ORGANS = ("liver", "lungs")


@dataclass(frozen=True, slots=True)
class Spectra:
    """The median patient's power by organ and image, (bands,), and the median CoV of the liver's SUV."""

    power: dict[tuple[str, str], np.ndarray]
    liver_cov: float


def spectra(engine: Engine, patients: Sequence[Patient], seed: int) -> Spectra:
    """Of the patients' scans at baseline."""
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    covs = []
    for patient in patients:
        scan = engine.generate(Snapshot(patient=patient, visit=DAY0), seed)
        if scan.labels is None:
            raise ValueError("spectra need labels")
        for organ in ORGANS:
            inside = ndimage.binary_erosion(voxels_of(scan.labels.data, organ), iterations=2)
            box = ndimage.find_objects(inside.astype(np.uint8))[0]
            for image, volume in (("PET", scan.pet), ("CT", scan.ct)):
                values, here = volume.data[box].astype(float), inside[box]
                mean = values[here].mean()
                left = np.where(here, values - mean, 0.0) / (mean if image == "PET" else 1.0)
                found.setdefault((organ, image), []).append(radial(left, volume.grid.spacing_mm, int(here.sum())))
                if (organ, image) == ("liver", "PET"):
                    covs.append(values[here].std() / mean)
    return Spectra(
        power={key: np.median(values, axis=0) for key, values in found.items()}, liver_cov=float(np.median(covs))
    )


def radial(left: np.ndarray, spacing_mm: tuple[float, float, float], voxels: int) -> np.ndarray:
    """(bands,) mean power per voxel of deviations (X, Y, Z) over wavelengths of `BANDS_MM`."""
    shape = [2 * n for n in left.shape]
    power = np.abs(np.fft.rfftn(left, shape)) ** 2 / voxels
    axes = [np.fft.fftfreq(n, mm) for n, mm in zip(shape[:2], spacing_mm, strict=False)]
    last = np.fft.rfftfreq(shape[2], spacing_mm[2])
    wave = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + last[None, None, :] ** 2)
    return np.array([power[(wave <= 1.0 / low) & (wave > 1.0 / high)].mean() for low, high in BANDS_MM])
