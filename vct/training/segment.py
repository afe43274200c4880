"""Organ labels from outside: TotalSegmentator's command, or a folder of finished segmentations in its numbers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np

from vct.errors import InputError
from vct.formats.nifti import read
from vct.structures import STRUCTURES
from vct.training.demographics import Refused
from vct.training.studies import Study
from vct.volume import Volume

COMMAND = "TotalSegmentator"
LONGEST_S = 3600.0


def find_command(wanted: str) -> str | None:
    """The segmenter's program: `auto` takes TotalSegmentator where it is installed, `none` never one.

    Raises InputError where a named program is not there.
    """
    if wanted == "none":
        return None
    found = shutil.which(COMMAND if wanted == "auto" else wanted)
    if found is None and wanted != "auto":
        raise InputError(f"--segmenter: {wanted!r} is not installed (auto, none, or a program like {COMMAND})")
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


def segment(command: str, ct: Volume, scratch: Path) -> Volume:
    """Labels of a CT by TotalSegmentator's command line (`-i CT -o LABELS --ml`), run in `scratch`.

    Raises Refused where the command fails, takes over an hour, or gives no labels.
    """
    source, result = scratch / "ct.nii.gz", scratch / "labels.nii.gz"
    ct.save(source, note="")
    try:
        done = subprocess.run(  # noqa: S603
            [command, "-i", str(source), "-o", str(result), "--ml"],
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
            cwd=scratch,
        )
    except subprocess.TimeoutExpired:
        raise Refused("segmentation failed", f"the segmenter took over {LONGEST_S:.0f} s") from None
    if done.returncode or not result.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Refused("segmentation failed", f"exit code {done.returncode}: {last[:200]}")
    return checked(read(result, "label"))


def checked(labels: Volume) -> Volume:
    """The labels. Raises Refused where a number is none of `vct.structures`, which TotalSegmentator's are."""
    unknown = set(np.unique(labels.data).tolist()) - {0, *STRUCTURES.values()}
    if unknown:
        raise Refused("segmentation failed", f"label {max(unknown)} is none of TotalSegmentator's, nor of vct's")
    return labels
