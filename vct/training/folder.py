"""A folder of scans: what `vct atlas sample` writes, and training and fidelity read.

DIR/participants.csv   one row a body: id, sex (F or M), age_years, height_cm, weight_kg
DIR/about.txt          what the scans are and their licence: stands in every checkpoint made from them
DIR/imaging.json       what made the scans, and the blur and noise that the PET carries; sharp and quiet without it
DIR/<id>/ct.nii.gz     HU
DIR/<id>/pet.nii.gz    SUVbw
DIR/<id>/labels.nii.gz numbers of `vct.structures`
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vct.errors import InputError
from vct.files import write_aside
from vct.records import Patient, Scan
from vct.volume import Unit, Volume, load

TABLE = "participants.csv"
ABOUT = "about.txt"
IMAGING = "imaging.json"
COLUMNS = ("id", "sex", "age_years", "height_cm", "weight_kg")
UNITS: dict[str, Unit] = {"ct": "HU", "pet": "SUVbw", "labels": "label"}


def read_table(folder: Path) -> tuple[Patient, ...]:
    """The bodies of `folder`. Raises InputError when the table is missing, lacks a column, or holds a bad row.

    An id becomes a folder's name, and must be no path.
    """
    import pandas as pd

    path = folder / TABLE
    try:
        frame = pd.read_csv(path, dtype={"id": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable table ({error})") from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(f"{path}: lacks the column {missing[0]!r}")
    bad = frame[frame[list(COLUMNS)].isna().any(axis=1) | ~frame["sex"].isin(["F", "M"])]
    if len(bad):
        raise InputError(f"{path}: row {int(bad.index[0]) + 2} is incomplete, or its sex is neither F nor M")
    if not len(frame) or frame["id"].duplicated().any():
        raise InputError(f"{path}: needs at least one body, each `id` once")
    for name in map(str, frame["id"]):
        if name in (".", "..") or Path(name).name != name:
            raise InputError(f"{path}: the id {name[:40]!r} is no plain name")
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


def write_table(folder: Path, patients: Sequence[Patient], about: str) -> None:
    """Write who is in `folder` and what its scans are."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(patient, name) for name in COLUMNS] for patient in patients)
    write_aside(folder / TABLE, text.getvalue().encode())
    write_aside(folder / ABOUT, about.strip().encode() + b"\n")


def read_about(folder: Path) -> str:
    """What the scans of `folder` are; says so where nobody wrote it down."""
    path = folder / ABOUT
    return path.read_text(encoding="utf-8").strip() if path.exists() else f"scans of a folder without {ABOUT}"


def read_imaging(folder: Path) -> dict[str, Any]:
    """`made_by`, `seed`, `fwhm_mm` and `noise_cov` (liver) of the scans in `folder`.

    Raises InputError when the file is damaged.
    """
    path = folder / IMAGING
    if not path.exists():
        return {"made_by": "", "seed": None, "fwhm_mm": 0.0, "noise_cov": 0.0}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        known = {"made_by": str(found["made_by"]), "seed": found["seed"]}
        return known | {name: float(found[name]) for name in ("fwhm_mm", "noise_cov")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: needs made_by, seed, fwhm_mm and noise_cov ({error!r})") from error


def write_imaging(folder: Path, scan: Scan, seed: int) -> None:
    """Note once what the scans of `folder` carry, as `scan` does."""
    if not (folder / IMAGING).exists():
        known = {"made_by": scan.made_by, "seed": seed, "fwhm_mm": scan.fwhm_mm, "noise_cov": scan.noise_cov}
        write_aside(folder / IMAGING, json.dumps(known, indent=1).encode() + b"\n")


def refuse_others(folder: Path, made_by: str, seed: int) -> None:
    """Raises InputError when `folder` holds scans of another engine or seed."""
    found = read_imaging(folder)
    there, wanted = (found["made_by"], found["seed"]), (made_by, seed)
    if (folder / IMAGING).exists() and there != wanted:
        raise InputError(
            f"{folder}: holds scans of {there[0]}, seed {there[1]} (asked for {made_by}, seed {seed}); "
            "choose another --out"
        )


def read_volume(folder: Path, patient_id: str, name: str) -> Volume:
    """`name` ("ct", "pet", "labels") of one body. Raises InputError when it is missing or unreadable."""
    return load(folder / patient_id / f"{name}.nii.gz", UNITS[name])


def write_scan(folder: Path, scan: Scan) -> None:
    """Write CT, PET and, where there are any, labels of one body."""
    own = folder / scan.snapshot.patient.id
    own.mkdir(parents=True, exist_ok=True)
    scan.ct.save(own / "ct.nii.gz")
    scan.pet.save(own / "pet.nii.gz")
    if scan.labels is not None:
        scan.labels.save(own / "labels.nii.gz")
