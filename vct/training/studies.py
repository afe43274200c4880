"""Where real PET/CT studies lie: the layouts in which AutoPET and hospitals keep them.

dicom      any DICOM files: a folder a series (TCIA's FDG-PET-CT-Lesions), a folder a study, or all in one
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
from vct.formats.tags import read_names

Layout = Literal["dicom", "challenge", "nnunet", "bids"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One study: what tells it and its patient apart (never written out), and its files.

    `images` has "ct", "pet" and perhaps "lesions" and "labels" as NIfTI. `folders` hold DICOM files of this study
    alone, `files` lie in folders that mix studies.
    """

    layout: Layout
    patient: str
    study: str
    images: dict[str, Path] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def place(self) -> Path:
        """Where it lies, for those who look for it."""
        return next(iter((*self.folders, *self.files, *self.images.values())))

    def dicom_files(self) -> Iterator[Path]:
        """Every file that may belong to it."""
        for folder in self.folders:
            yield from (path for path in sorted(folder.iterdir()) if path.is_file())
        yield from self.files


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
    """Every file is opened for its patient and study, so that a folder that mixes them is sorted.

    Only folders are kept in mind, and files of mixed ones. There, a file too damaged to tell where it belongs makes a
    study of its own, which is refused by name.
    """
    folders: dict[tuple[str, str], list[Path]] = {}
    files: dict[tuple[str, str], list[Path]] = {}
    for here, below, names in os.walk(source):
        below.sort()
        folder, damaged = Path(here), []
        found: dict[tuple[str, str], list[Path]] = {}
        for path in (folder / name for name in sorted(names)):
            try:
                who = read_names(path) if path.is_file() else None
            except InputError:
                damaged.append(path)
                continue
            if who:
                patient, study = who
                found.setdefault((patient or folder.as_posix(), study), []).append(path)
        if len(found) == 1:
            folders.setdefault(next(iter(found)), []).append(folder)
        for key, paths in found.items() if len(found) > 1 else ():
            files.setdefault(key, []).extend(paths)
        for path in damaged if len(found) > 1 else ():
            files[path.as_posix(), ""] = [path]
    for key in {**folders, **files}:
        yield Study(
            layout="dicom",
            patient=key[0],
            study=key[1],
            folders=tuple(folders.get(key, ())),
            files=tuple(files.get(key, ())),
        )
