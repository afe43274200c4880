"""Where real PET/CT studies lie: the layouts in which AutoPET and hospitals keep them.

dicom      any folders of DICOM files, one study a folder or a folder of series (TCIA's FDG-PET-CT-Lesions among them)
challenge  PATIENT/STUDY/ with SUV.nii.gz, CTres.nii.gz (or CT.nii.gz) and SEG.nii.gz
nnunet     imagesTr/CASE_0000.nii.gz (CT) and _0001.nii.gz (SUV), labelsTr/CASE.nii.gz; psma cases are left out
bids       sub-*/[ses-*/]pet/*_pet.nii.gz with a sidecar, ct/*_ct.nii.gz, participants.tsv
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vct.errors import InputError
from vct.formats.tags import read_header, text

Layout = Literal["dicom", "challenge", "nnunet", "bids"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One study: what tells it and its patient apart (never written out), and its files.

    `images` has "ct", "pet" and perhaps "lesions" and "labels" as NIfTI; `folders` hold the DICOM files.
    """

    layout: Layout
    patient: str
    study: str
    images: dict[str, Path] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()


def find_studies(source: Path) -> list[Study]:
    """The studies below `source`, in a fixed order. Raises InputError where there is none."""
    if not source.is_dir():
        raise InputError(f"{source}: is not a folder")
    if (source / "imagesTr").is_dir():
        found = list(_nnunet(source))
    elif (source / "dataset_description.json").is_file():
        found = list(_bids(source))
    else:
        found = [*_challenge(source), *_dicom(source)]
    if not found:
        raise InputError(
            f"{source}: holds no PET/CT study in a layout that is known (DICOM, SUV.nii.gz, imagesTr, BIDS)"
        )
    return sorted(found, key=lambda study: (study.patient, study.study))


def _challenge(source: Path) -> Iterator[Study]:
    for suv in sorted(source.rglob("SUV.nii.gz")):
        folder = suv.parent
        ct = next((folder / name for name in ("CTres.nii.gz", "CT.nii.gz") if (folder / name).is_file()), None)
        images = {"pet": suv} | ({"ct": ct} if ct else {})
        if (folder / "SEG.nii.gz").is_file():
            images["lesions"] = folder / "SEG.nii.gz"
        yield Study(layout="challenge", patient=folder.parent.name, study=folder.name, images=images)


def _nnunet(source: Path) -> Iterator[Study]:
    for ct in sorted((source / "imagesTr").glob("*_0000.nii.gz")):
        case = ct.name.removesuffix("_0000.nii.gz")
        if case.lower().startswith("psma"):
            continue
        images = {"ct": ct, "pet": ct.with_name(f"{case}_0001.nii.gz")}
        lesions = source / "labelsTr" / f"{case}.nii.gz"
        if lesions.is_file():
            images["lesions"] = lesions
        parts = case.split("_")
        patient = parts[1] if len(parts) > 2 and parts[0].lower() == "fdg" else parts[0]
        yield Study(layout="nnunet", patient=patient, study=case, images=images)


def _bids(source: Path) -> Iterator[Study]:
    for pet in sorted(source.glob("sub-*/**/pet/*_pet.nii.gz")):
        above = pet.parent.parent
        own = above.relative_to(source)
        derived = source / "derivatives" / "vct" / own / "anat"
        wanted = {
            "ct": (above / "ct", "*_ct"),
            "labels": (derived, "*organs_dseg"),
            "lesions": (derived, "*lesions_dseg"),
        }
        found = {name: sorted(folder.glob(f"{ending}.nii.gz")) for name, (folder, ending) in wanted.items()}
        images = {"pet": pet} | {name: paths[0] for name, paths in found.items() if paths}
        yield Study(layout="bids", patient=own.parts[0], study=own.as_posix() + "/" + pet.name, images=images)


def _dicom(source: Path) -> Iterator[Study]:
    """Folders grouped by the study of their first DICOM file; a file is opened, not a whole study."""
    found: dict[tuple[str, str], list[Path]] = {}
    for here, below, names in os.walk(source):
        below.sort()
        first = _first_header(Path(here), sorted(names))
        if first is not None:
            found.setdefault(first, []).append(Path(here))
    for (patient, study), folders in found.items():
        yield Study(layout="dicom", patient=patient, study=study, folders=tuple(folders))


def _first_header(folder: Path, names: list[str]) -> tuple[str, str] | None:
    for name in names:
        try:
            header = read_header(folder / name)
        except InputError:
            continue
        if header is not None and text(header, "StudyInstanceUID"):
            return text(header, "PatientID") or folder.as_posix(), text(header, "StudyInstanceUID")
    return None
