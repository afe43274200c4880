"""The kept scans of a run folder as exams, ready for DICOM and BIDS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vct.errors import RunError
from vct.formats.exam import Exam
from vct.protocol import Protocol
from vct.records import Lesion, Patient, Visit
from vct.rng import stream
from vct.store import MANIFEST, RunFolder
from vct.volume import load
from vct.yamlfile import Tree, check

TRUTH = "_truth.json"


def exams(run: Path) -> Iterator[Exam]:
    """Every kept scan of a run, one at a time, in the order of their names.

    Dose and uptake time are those that the acquisition drew, from the same named stream. Raises RunError when the
    folder is no run, kept no scan, or a scan's file is missing or damaged.
    """
    recorded = RunFolder(run).manifest()
    protocol = check(Protocol, Tree(recorded["protocol"], str(run / MANIFEST)), run)
    found = sorted((run / "scans").glob(f"*/*{TRUTH}"))
    if not found:
        raise RunError(f"{run}: kept no scans; run the trial with --keep-scans")
    for path in found:
        yield _exam(path, protocol, recorded)


def _exam(path: Path, protocol: Protocol, recorded: dict[str, Any]) -> Exam:
    try:
        truth = json.loads(path.read_text())
        patient, visit = Patient(**truth["patient"]), Visit(**truth["visit"])
        lesions = tuple(
            Lesion(**{**item, "axis_ratios": tuple(item["axis_ratios"]), "center_mm": tuple(item["center_mm"])})
            for item in truth["lesions"]
            if item["center_mm"]
        )
        made_by, fwhm_mm = str(truth["made_by"]), float(truth["fwhm_mm"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path}: is missing or damaged ({error})") from None
    stem, seed = path.name.removesuffix(TRUTH), recorded["seed"]
    if visit.name != stem or patient.key != path.parent.name:
        raise RunError(f"{path}: names another patient or visit ({patient.key!r}, {visit.name!r})")
    labels = path.with_name(f"{stem}_labels.nii.gz")
    scanner = protocol.acquisition.scanner_for(patient, visit)
    session = protocol.acquisition.session(patient, visit, scanner, seed, stream(seed, patient.id, visit.name, "scan"))
    return Exam(
        key=patient.key,
        origin=f"{recorded['protocol_sha256']}/{seed}/{recorded['engine']}",
        trial=protocol.title,
        patient=patient,
        visit=visit,
        pet=load(path.with_name(f"{stem}_pet.nii.gz"), "SUVbw"),
        ct=load(path.with_name(f"{stem}_ct.nii.gz"), "HU"),
        labels=load(labels, "label") if labels.exists() else None,
        lesions=lesions,
        dose_mbq=session.recorded_dose_mbq,
        uptake_minutes=session.uptake_minutes,
        bed_minutes=scanner.bed_minutes,
        scanner=scanner.kind,
        made_by=made_by,
        fwhm_mm=fwhm_mm,
    )
