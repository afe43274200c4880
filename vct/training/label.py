"""Organ labels for a folder of scans that has none: prepared studies, or what a voxel blueprint drew."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from vct.errors import InputError
from vct.formats.nifti import read
from vct.segmenter.command import checked
from vct.training.flesh import with_flesh
from vct.training.folder import read_imaging, read_table, read_volume
from vct.training.organs import OrganNumber, measure, write_numbers
from vct.training.segment import find_segmenter, given, segment
from vct.training.studies import Study

LABELS = "labels.nii.gz"


def label_folder(folder: Path, segmenter: str = "auto", segmentations: Path | None = None) -> Iterator[str]:
    """Label every scan that is not labelled yet, by a segmenter; finished segmentations (ID.nii.gz) come first.

    Yields names as they are done, then writes `organs.csv` anew. Raises InputError where there is neither segmenter nor
    segmentation for a scan.
    """
    chosen = find_segmenter(segmenter)
    note = "SYNTHETIC" if read_imaging(folder)["made_by"] else ""
    numbers: list[OrganNumber] = []
    for patient in read_table(folder):
        path = folder / patient.id / LABELS
        own = Study(layout="challenge", patient=patient.id, study=patient.id)
        finished = given(segmentations, own) if segmentations else None
        if finished or not path.is_file():
            ct, pet = (read_volume(folder, patient.id, name) for name in ("ct", "pet"))
            if finished:
                found = checked(read(finished, "label"))
            elif chosen:
                with tempfile.TemporaryDirectory() as scratch:
                    found = segment(chosen, ct, pet, Path(scratch))
            else:
                raise InputError(
                    f"{folder / patient.id}: no segmentation, and no segmenter is installed; give --segmentations or "
                    "--segmenter"
                )
            with_flesh(ct, found.resampled(ct.grid)).save(path, note=note)
        pet, labels = (read_volume(folder, patient.id, name) for name in ("pet", "labels"))
        numbers += measure(patient.id, patient, pet, labels)
        yield patient.id
    write_numbers(folder / "organs.csv", numbers)
