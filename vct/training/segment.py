"""Organ labels from outside: a segmenter's program, the shipped network, or a folder of finished segmentations."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from vct.errors import InputError
from vct.segmenter import Network
from vct.segmenter.command import PROGRAM, run
from vct.training.demographics import Refused
from vct.training.studies import Study
from vct.volume import Volume

NETWORK = "network"


def find_segmenter(wanted: str) -> str | None:
    """A program's path, or "network": `auto` takes TotalSegmentator where it is installed, else the shipped network
    where torch and MONAI are; `none` takes none.

    Raises InputError where a named program is not there.
    """
    if wanted in ("none", NETWORK):
        return None if wanted == "none" else NETWORK
    found = shutil.which(PROGRAM if wanted == "auto" else wanted)
    if found is None and wanted != "auto":
        raise InputError(f"--segmenter: {wanted!r} is not installed (auto, network, none, or a program like {PROGRAM})")
    if found is None and all(find_spec(name) for name in ("torch", "monai", "safetensors")):
        return NETWORK
    return found


def given(folder: Path, study: Study) -> Path | None:
    """A finished segmentation of a study: FOLDER/PATIENT/STUDY.nii.gz, PATIENT_STUDY.nii.gz or STUDY.nii.gz."""
    own, name = (Path(part).name for part in (study.patient, study.study))
    if ".." in (own, name):
        return None
    for path in (folder / own / f"{name}.nii.gz", folder / f"{own}_{name}.nii.gz", folder / f"{name}.nii.gz"):
        if path.is_file():
            return path
    return None


def segment(segmenter: str, ct: Volume, pet: Volume, scratch: Path) -> Volume:
    """Labels of a CT by what `find_segmenter` found; a program, which reads no PET, is run in `scratch`.

    Raises Refused where it fails.
    """
    try:
        return Network().segment(ct, pet) if segmenter == NETWORK else run(segmenter, ct, scratch)
    except InputError as error:
        raise Refused("segmentation failed", str(error)) from None
