"""One exam as DICOM files in a folder: PET, CT, segmentations, measurements."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vct.files import aside
from vct.formats.dicom_images import ct_slices, pet_slices
from vct.formats.dicom_objects import lesion_segmentation, measurements, organ_segmentation
from vct.formats.exam import Exam

if TYPE_CHECKING:
    from pydicom import Dataset


def write_dicom(exam: Exam, folder: Path) -> list[Path]:
    """Write `PT/0001.dcm`, `CT/0001.dcm`, `SEG/organs.dcm`, `SEG/lesions.dcm` and `SR/measurements.dcm`; the files.

    Whole files only: each is written aside and renamed.
    """
    pet = list(pet_slices(exam))
    written = [_save(header, folder / "PT" / f"{index:04d}.dcm") for index, header in enumerate(pet, start=1)]
    written += _numbered(ct_slices(exam), folder / "CT")
    made = {"organs": organ_segmentation(exam, pet), "lesions": lesion_segmentation(exam, pet)}
    segmentations = {name: found for name, found in made.items() if found is not None}
    written += [_save(found, folder / "SEG" / f"{name}.dcm") for name, found in segmentations.items()]
    report = measurements(exam, pet, segmentations)
    if report is not None:
        written.append(_save(report, folder / "SR" / "measurements.dcm"))
    return written


def _numbered(headers: Iterable[Dataset], folder: Path) -> list[Path]:
    return [_save(header, folder / f"{index:04d}.dcm") for index, header in enumerate(headers, start=1)]


def _save(header: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with aside(path) as written:
        header.save_as(written, enforce_file_format=True)
    return path
