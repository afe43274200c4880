"""The run folder: manifest, one Parquet a patient, scans and pictures, each written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vct.errors import RunError
from vct.files import write_aside
from vct.records import Patient, Reading, Scan

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run below `path`. Every write is atomic, so a killed run leaves whole files only."""

    path: Path

    def begin(self, manifest: Mapping[str, Any], *, resume: bool) -> None:
        """Make the folder and write its manifest, or check that it holds the same run when resuming.

        Raises RunError when the folder holds something else.
        """
        if (self.path / MANIFEST).exists():
            if not resume:
                raise RunError(f"{self.path}: already holds a run; continue it with --resume, or choose another --out")
            self._same(manifest)
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise RunError(f"{self.path}: exists and holds no run of vct; choose an empty or new --out")
        write_aside(self.path / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n")

    def manifest(self) -> dict[str, Any]:
        """The manifest of the run in this folder. Raises RunError when there is none or it is damaged."""
        try:
            found = json.loads((self.path / MANIFEST).read_text())
        except OSError as error:
            raise RunError(f"{self.path}: holds no run ({MANIFEST}: {error.strerror or error})") from None
        except ValueError as error:
            raise RunError(f"{self.path / MANIFEST}: is damaged ({error})") from None
        if not isinstance(found, dict) or not {"protocol", "seed", "engine"} <= found.keys():
            raise RunError(f"{self.path / MANIFEST}: is not a manifest of vct")
        return found

    def _same(self, manifest: Mapping[str, Any]) -> None:
        old = self.manifest()
        new = json.loads(json.dumps(manifest))
        differing = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        if differing:
            shown = "; ".join(f"{key}: {_short(old.get(key))} there, {_short(new.get(key))} now" for key in differing)
            raise RunError(f"{self.path}: holds another run and cannot be resumed ({shown})")

    def readings_file(self, patient: Patient) -> Path:
        """Where the readings of one patient lie."""
        return self.path / "readings" / f"{key_of(patient)}.parquet"

    def save_readings(self, patient: Patient, readings: Sequence[Reading]) -> None:
        """Write one patient's readings; the file's presence says that the patient is done."""
        import io

        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pylist([asdict(reading) for reading in readings], schema=_reading_schema())
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        write_aside(self.readings_file(patient), buffer.getvalue())

    def load_readings(self, patient: Patient) -> tuple[Reading, ...] | None:
        """One patient's readings, or None when they are not (or not wholly) there."""
        import pyarrow.parquet as pq

        path = self.readings_file(patient)
        if not path.exists():
            return None
        try:
            rows = pq.read_table(path).to_pylist()
            return tuple(Reading(**row) for row in rows)
        except (OSError, TypeError, ValueError):
            return None

    def save_scan(self, scan: Scan) -> None:
        """Write a scan as NIfTI (float32 SUV, int16 HU, uint8 labels) with its planted truth as JSON beside it."""
        snapshot = scan.snapshot
        folder = self.path / "scans" / key_of(snapshot.patient)
        stem = snapshot.visit.name
        scan.pet.save(folder / f"{stem}_pet.nii.gz")
        scan.ct.save(folder / f"{stem}_ct.nii.gz")
        if scan.labels is not None:
            scan.labels.save(folder / f"{stem}_labels.nii.gz")
        truth = {
            "patient": asdict(snapshot.patient),
            "visit": asdict(snapshot.visit),
            "lesions": [asdict(lesion) for lesion in snapshot.lesions],
            "planted_suv": dict(scan.planted_suv),
            "made_by": scan.made_by,
            "fwhm_mm": scan.fwhm_mm,
            "noise_cov": scan.noise_cov,
        }
        write_aside(folder / f"{stem}_truth.json", json.dumps(truth, indent=1, sort_keys=True).encode() + b"\n")

    def picture_file(self, patient: Patient, visit: str) -> Path:
        """Where the thumbnail of one scan lies."""
        return self.path / "pictures" / f"{key_of(patient)}_{visit}.png"


def key_of(patient: Patient) -> str:
    """What the files of a patient are called: id and arm, since counterfactual twins share the id."""
    return f"{patient.id}-{patient.arm.replace(' ', '_')}" if patient.arm else patient.id


def digest(data: Mapping[str, Any]) -> str:
    """SHA-256 of plain data in canonical JSON."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _reading_schema() -> Any:
    import pyarrow as pa

    numbers = {"day", "value", "truth"}
    return pa.schema([(item.name, pa.float64() if item.name in numbers else pa.string()) for item in fields(Reading)])


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
