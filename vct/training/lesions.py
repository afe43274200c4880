"""Lesion masks as lesions: components, each with its organ, size and uptake."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.course.treatment import BACKGROUND_SUV
from vct.errors import InputError
from vct.shapes import FWHM_PER_SIGMA
from vct.structures import GROUPS, STRUCTURES
from vct.training.folder import read_table, read_volume
from vct.volume import Triple, Volume, load

MASK = "lesions.nii.gz"
LEAST_ML = 0.1
"""Components below this are specks of a mask (assumed; a lesion of 5.8 mm)."""
NEAR_MM = 60.0
INSIDE_SHARE = 0.5

INSIDE: tuple[tuple[str, str], ...] = (
    (r"lung_.*", "lung"),
    (r"liver", "liver"),
    (r"spleen", "spleen"),
    (r"adrenal_.*", "adrenal"),
    ("|".join((*GROUPS["bone"], "skull", "costal_cartilages")), "bone"),
    (r"gluteus_.*|autochthon_.*|iliopsoas_.*|skeletal_muscle", "soft_tissue"),
    (r"subcutaneous_fat|skin|breast", "subcutaneous"),
)
"""The site of a lesion that lies in a structure."""
BESIDE: tuple[tuple[str, str], ...] = (
    (r"humerus_.*|scapula_.*", "axilla"),
    (r"clavicula_.*|thyroid_gland|common_carotid_.*|subclavian_.*|vertebrae_C.", "supraclavicular"),
    (r"iliac_.*|urinary_bladder|prostate|uterus|hip_.*|femur_.*|sacrum|vertebrae_S1", "pelvis_node"),
    (r"heart.*|trachea|esophagus|pulmonary_.*|superior_vena_cava|brachiocephalic_.*|atrial_.*", "mediastinum"),
    (r"lung_.*|vertebrae_T([1-9]|10)|sternum|rib_.*|costal_cartilages", "mediastinum"),
    (r"gluteus_.*|autochthon_.*|skeletal_muscle", "soft_tissue"),
    (r"subcutaneous_fat|skin|breast", "subcutaneous"),
    (r"aorta|.*", "retroperitoneum"),
)
"""The node station beside a structure, for lesions in no structure of the first table; rules assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenLesion:
    """A lesion of a real scan. `diameter_mm` is that of the sphere of equal volume; SUVs are those in the mask."""

    scan: str
    patient: str
    site: str
    volume_ml: float
    diameter_mm: float
    suv_mean: float
    suv_max: float
    log_axis_ratios: Triple

    def true_suv(self, fwhm_mm: float) -> float:
        """The uptake before blur, if the lesion is a sphere in its site's usual background and the mask its outline."""
        background = BACKGROUND_SUV[self.site]
        if self.suv_mean <= background:
            return self.suv_mean
        return background + (self.suv_mean - background) / mean_recovery(self.diameter_mm / 2.0, fwhm_mm)


def mean_recovery(radius_mm: float, fwhm_mm: float) -> float:
    """Mean of a blurred unit sphere over the sphere itself.

    The integral of the Gaussian over the distance of two points of the sphere, whose density follows from the overlap
    of two spheres, 1 - 3 r / (4 R) + r^3 / (16 R^3).
    """
    if fwhm_mm <= 0.0:
        return 1.0
    sigma = fwhm_mm / FWHM_PER_SIGMA
    r = np.linspace(0.0, min(2.0 * radius_mm, 8.0 * sigma), 4001)
    overlap = 1.0 - 3.0 * r / (4.0 * radius_mm) + r**3 / (16.0 * radius_mm**3)
    gauss = 4.0 * np.pi * r**2 * np.exp(-(r**2) / (2.0 * sigma**2)) / (2.0 * np.pi * sigma**2) ** 1.5
    return float(np.trapezoid(overlap * gauss, r))


def seen_in_folder(folder: Path) -> tuple[list[SeenLesion], int]:
    """The lesions of every scan of a folder with a mask and labels, and the number of such scans.

    Raises InputError when there is none.
    """
    patients = _patients(folder)
    found: list[SeenLesion] = []
    scans = 0
    for person in read_table(folder):
        if not (folder / person.id / MASK).is_file() or not (folder / person.id / "labels.nii.gz").is_file():
            continue
        scans += 1
        pet, labels = (read_volume(folder, person.id, name) for name in ("pet", "labels"))
        mask = load(folder / person.id / MASK, "label")
        found += lesions_of(person.id, patients.get(person.id, person.id), pet, labels, mask)
    if not scans:
        raise InputError(f"{folder}: no scan has both {MASK} and labels.nii.gz")
    return found, scans


def lesions_of(scan: str, patient: str, pet: Volume, labels: Volume, mask: Volume) -> Iterator[SeenLesion]:
    """The components (26 neighbours) of a mask. Raises InputError when the three do not lie on one grid."""
    from scipy import ndimage

    if not pet.data.shape == labels.data.shape == mask.data.shape:
        raise InputError(f"{scan}: PET, labels and lesions must lie on one grid")
    numbers, _ = ndimage.label(mask.data > 0, structure=np.ones((3, 3, 3)))
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        inside = numbers[box] == number
        volume_ml = float(inside.sum()) * pet.grid.voxel_ml
        if volume_ml < LEAST_ML:
            continue
        values = pet.data[box][inside].astype(np.float64)
        yield SeenLesion(
            scan=scan,
            patient=patient,
            site=_site(labels, box, inside),
            volume_ml=volume_ml,
            diameter_mm=float((6000.0 * volume_ml / np.pi) ** (1.0 / 3.0)),
            suv_mean=float(values.mean()),
            suv_max=float(values.max()),
            log_axis_ratios=_log_axis_ratios(inside, pet.grid.spacing_mm),
        )


def _site(labels: Volume, box: Any, inside: NDArray[np.bool_]) -> str:
    """The site that most of the lesion lies in, else the node station of the structures nearest to its voxels."""
    within = Counter(_matched(name, INSIDE) for name in _names(labels.data[box][inside]))
    site, count = max(((name, n) for name, n in within.items() if name), key=lambda item: item[1], default=("", 0))
    if count >= INSIDE_SHARE * inside.sum():
        return site
    from scipy import ndimage

    pads = [round(NEAR_MM / step) for step in labels.grid.spacing_mm]
    wide = tuple(
        slice(max(0, p.start - pad), min(n, p.stop + pad))
        for p, pad, n in zip(box, pads, labels.grid.shape, strict=True)
    )
    around = labels.data[wide]
    usable = around > 0
    usable[np.isin(around, [STRUCTURES["body"], STRUCTURES["torso_fat"], STRUCTURES["lymph_node"]])] = False
    if not usable.any():
        return "soft_tissue"
    nearest = ndimage.distance_transform_edt(
        ~usable, labels.grid.spacing_mm, return_distances=False, return_indices=True
    )
    own = tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(box, wide, strict=True))
    at = tuple(axis[own][inside] for axis in nearest)
    sites = Counter(_matched(name, BESIDE) or "retroperitoneum" for name in _names(around[at]))
    return sites.most_common(1)[0][0]


_NAMES = {number: name for name, number in STRUCTURES.items()}


def _names(numbers: NDArray[Any]) -> Iterator[str]:
    return (_NAMES.get(int(number), "") for number in numbers)


def _matched(name: str, table: tuple[tuple[str, str], ...]) -> str:
    return next((site for pattern, site in table if name and re.fullmatch(pattern, name)), "")


def _log_axis_ratios(inside: NDArray[np.bool_], spacing_mm: Triple) -> Triple:
    """Logarithms of the extents along x, y, z over their geometric mean, from second moments."""
    spread = [
        np.sqrt(np.var(index * step) + step**2 / 12.0)
        for index, step in zip(np.nonzero(inside), spacing_mm, strict=True)
    ]
    x, y, z = (float(value) for value in np.log(spread) - np.mean(np.log(spread)))
    return x, y, z


def _patients(folder: Path) -> dict[str, str]:
    """Scan to patient, where the table tells them apart."""
    import pandas as pd

    from vct.training.folder import TABLE

    frame = pd.read_csv(folder / TABLE, dtype=str)
    return dict(zip(frame["id"], frame["patient"], strict=True)) if "patient" in frame else {}
