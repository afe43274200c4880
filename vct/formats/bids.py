"""BIDS with the PET extension (BIDS 1.10, Noergaard 2022, doi 10.1038/s41597-022-01164-1): exams out.

Raw: PET in Bq/mL with its sidecar; CT in HU under `ct/`, a datatype that BIDS does not have yet (BEP024 is a draft), so
that it stands in `.bidsignore`. Derivatives: SUVbw, organs and lesions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vct import __version__
from vct.errors import InputError
from vct.files import aside, write_aside
from vct.formats.exam import HALF_LIFE_S, Exam
from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

BIDS_VERSION = "1.10.0"
PIPELINE = "vct"
TRACER_GRAM_PER_MOLE = 181.15

README = """# {title}

Synthetic FDG PET/CT of virtual patients, made by vct {version}: no real person is in it. Not for clinical use.

PET is in Bq/mL, decay corrected to the scan's start; SUVbw = Bq/mL x weight [g] / injected Bq, decayed from
InjectionStart to ImageDecayCorrectionTime. CT (HU) stands under `ct/`, which BIDS does not know yet and `.bidsignore`
names. Organs and lesions are the planted truth on the PET's grid, under `derivatives/vct`.
"""

PARTICIPANTS: dict[str, dict[str, Any]] = {
    "age": {"Description": "age at randomisation", "Units": "year"},
    "sex": {"Description": "sex", "Levels": {"F": "female", "M": "male"}},
    "height": {"Description": "body height", "Units": "cm"},
    "weight": {"Description": "body weight", "Units": "kg"},
    "group": {"Description": "arm of the virtual trial"},
    "site": {"Description": "virtual site"},
    "trial_id": {"Description": "identifier within the virtual trial"},
}


def write_bids(exams: Iterable[Exam], folder: Path, title: str) -> list[Path]:
    """Write a BIDS dataset, one exam at a time; the files' paths. All of it is synthetic, and says so.

    Raises InputError where two patients or visits give one label.
    """
    written: list[Path] = []
    people: dict[str, Exam] = {}
    sessions: dict[str, dict[str, Exam]] = {}
    for exam in exams:
        subject, session = label(exam.key), label(exam.visit.name)
        if people.setdefault(subject, exam).key != exam.key or session in sessions.setdefault(subject, {}):
            raise InputError(
                f"{exam.key}, {exam.visit.name}: another patient or visit has the BIDS label {subject}/{session}"
            )
        sessions[subject][session] = replace(exam, pet=_EMPTY, ct=_EMPTY, labels=None)
        people[subject] = sessions[subject][session] if people[subject] is exam else people[subject]
        written += _exam(exam, folder, subject, session)
    written += _top(folder, title, people)
    for subject, found in sessions.items():
        rows = [("session_id", "day"), *((f"ses-{name}", f"{item.visit.day:g}") for name, item in found.items())]
        written.append(_tsv(folder / f"sub-{subject}" / f"sub-{subject}_sessions.tsv", rows))
    meaning = {"day": {"Description": "days since randomisation", "Units": "day"}}
    written.append(_json(folder / "sessions.json", meaning))
    return written


_EMPTY = Volume(
    data=np.zeros((1, 1, 1), dtype=np.float32),
    grid=Grid(shape=(1, 1, 1), spacing_mm=(1.0, 1.0, 1.0), origin_mm=(0.0, 0.0, 0.0)),
    unit="HU",
)


def label(name: str) -> str:
    """A name as a BIDS label, letters and digits only. Raises InputError where nothing is left."""
    plain = re.sub(r"[^0-9A-Za-z]", "", name)
    if not plain:
        raise InputError(f"{name!r} has no letter or digit to make a BIDS label of")
    return plain


def sidecar(exam: Exam) -> dict[str, Any]:
    """The PET sidecar: every required field, and what else is known. Times are s from TimeZero, the injection."""
    waited = (exam.scan_start - exam.injected_at).total_seconds()
    return {
        "Manufacturer": "vct (virtual)",
        "ManufacturersModelName": exam.scanner,
        "Units": "Bq/mL",
        "BodyPart": "torso",
        "TracerName": "FDG",
        "TracerRadionuclide": "F18",
        "TracerMolecularWeight": TRACER_GRAM_PER_MOLE,
        "TracerMolecularWeightUnits": "g/mol",
        "InjectedRadioactivity": exam.dose_bq / 1e6,
        "InjectedRadioactivityUnits": "MBq",
        "InjectedMass": "n/a",
        "InjectedMassUnits": "n/a",
        "SpecificRadioactivity": "n/a",
        "SpecificRadioactivityUnits": "n/a",
        "ModeOfAdministration": "bolus",
        "TimeZero": f"{exam.injected_at:%H:%M:%S}",
        "InjectionStart": 0,
        "ScanStart": waited,
        "FrameTimesStart": [0],
        "FrameDuration": [60.0 * exam.bed_minutes],
        "ImageDecayCorrected": True,
        "ImageDecayCorrectionTime": waited,
        "DecayCorrectionFactor": [1],
        "AcquisitionMode": "3D",
        "ReconMethodName": f"synthetic: {exam.made_by}",
        "ReconMethodParameterLabels": ["none"],
        "ReconMethodParameterUnits": ["none"],
        "ReconMethodParameterValues": [0],
        "ReconFilterType": "Gaussian, total resolution" if exam.fwhm_mm > 0.0 else "none",
        "ReconFilterSize": round(exam.fwhm_mm, 4),
        "AttenuationCorrection": "synthetic: uptake painted, nothing attenuated",
        "InstitutionName": "virtual site " + (exam.patient.site or "1"),
        "RadionuclideHalfLife": HALF_LIFE_S,
        "Synthetic": True,
    }


def _exam(exam: Exam, folder: Path, subject: str, session: str) -> Iterator[Path]:
    stem, where = f"sub-{subject}_ses-{session}", f"sub-{subject}/ses-{session}"
    pet = folder / where / "pet" / f"{stem}_trc-FDG_pet.nii.gz"
    yield _activity(exam, pet)
    yield _json(pet.with_name(f"{stem}_trc-FDG_pet.json"), sidecar(exam))
    ct = folder / where / "ct" / f"{stem}_ct.nii.gz"
    yield _image(exam.ct, ct)
    yield _json(ct.with_name(f"{stem}_ct.json"), {"Modality": "CT", "Units": "HU", "Synthetic": True})
    derived = folder / "derivatives" / PIPELINE / where
    suv = derived / "pet" / f"{stem}_trc-FDG_desc-SUVbw_pet.nii.gz"
    yield _image(exam.pet, suv)
    source = f"bids:raw:{where}/pet/{pet.name}"
    yield _json(
        suv.with_name(f"{stem}_trc-FDG_desc-SUVbw_pet.json"),
        {"Units": "g/mL", "Sources": [source], "SkullStripped": False},
    )
    numbered = {name: STRUCTURES[name] for name in exam.organ_names.values()}
    if exam.labels is not None:
        yield from _dseg(exam.labels, numbered, derived / "anat", stem, "organs", source)
    if exam.lesion_numbers:
        masks = Volume(data=exam.lesion_labels, grid=exam.pet.grid, unit="label")
        yield from _dseg(masks, exam.lesion_numbers, derived / "anat", stem, "lesions", source)


def _dseg(labels: Volume, names: dict[str, int], folder: Path, stem: str, what: str, source: str) -> Iterator[Path]:
    path = folder / f"{stem}_space-PET_desc-{what}_dseg.nii.gz"
    yield _image(labels, path)
    yield _json(
        path.with_name(f"{stem}_space-PET_desc-{what}_dseg.json"),
        {"Sources": [source], "SpatialReference": source, "Manual": False},
    )
    rows = [("index", "name"), *((str(number), name) for name, number in names.items())]
    yield _tsv(path.with_name(f"{stem}_space-PET_desc-{what}_dseg.tsv"), rows)


def _top(folder: Path, title: str, people: dict[str, Exam]) -> Iterator[Path]:
    made = [{"Name": "vct", "Version": __version__}]
    about: dict[str, Any] = {"Name": title, "BIDSVersion": BIDS_VERSION, "License": "CC0", "GeneratedBy": made}
    yield _json(folder / "dataset_description.json", {**about, "DatasetType": "raw"})
    derived = {**about, "Name": f"{title}: SUVbw and segmentations", "DatasetType": "derivative"}
    derived |= {"DatasetLinks": {"raw": "../.."}}
    yield _json(folder / "derivatives" / PIPELINE / "dataset_description.json", derived)
    yield _write(folder / "README.md", README.format(title=title, version=__version__))
    yield _write(folder / ".bidsignore", "**/ct\n")
    rows: list[Sequence[str]] = [("participant_id", *PARTICIPANTS)]
    for subject, exam in people.items():
        who = exam.patient
        numbers = (f"{who.age_years:.1f}", who.sex, f"{who.height_cm:.1f}", f"{exam.weight_kg:.3f}")
        rows.append((f"sub-{subject}", *numbers, who.arm or "n/a", who.site or "n/a", exam.key))
    yield _tsv(folder / "participants.tsv", rows)
    yield _json(folder / "participants.json", PARTICIPANTS)


def _image(volume: Volume, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    volume.save(path)
    return path


def _activity(exam: Exam, path: Path) -> Path:
    """The PET in Bq/mL, float32."""
    import nibabel as nib

    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image((exam.pet.data * np.float32(exam.bqml_per_suv)).astype(np.float32), exam.pet.grid.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"Bq/mL SYNTHETIC"
    with aside(path) as written:
        nib.save(image, written)
    return path


def _json(path: Path, content: dict[str, Any]) -> Path:
    return _write(path, json.dumps(content, indent=2) + "\n")


def _tsv(path: Path, rows: Iterable[Sequence[str]]) -> Path:
    return _write(path, "".join("\t".join(re.sub(r"[\t\r\n]", " ", cell) for cell in row) + "\n" for row in rows))


def _write(path: Path, text: str) -> Path:
    write_aside(path, text.encode())
    return path
