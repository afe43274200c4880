"""The run folder: manifest, one Parquet a patient, scans and pictures, each written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vct.errors import RunError
from vct.files import ASIDE, write_aside
from vct.journal import HIDDEN, Journal, Shard
from vct.plausibility import Finding, Screened
from vct.records import Failure, Patient, Reading, Scan

MANIFEST = "manifest.json"
FOLDERS = ("readings", "scans", "pictures", "failed", "screened")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run below `path`. Every write is atomic, so a killed run leaves whole files only."""

    path: Path

    @property
    def journal(self) -> Journal:
        """What happens here while patients are walked."""
        return Journal(self.path)

    @contextmanager
    def held(self, manifest: Mapping[str, Any], *, resume: bool, shard: Shard | None = None) -> Iterator[None]:
        """Make the folder and write its manifest, or check that it holds the same run; keep other runs out.

        Raises RunError when the folder holds something else, holds a run that is not to be resumed, or is in use.
        """
        self._check(manifest, resume=resume)
        with self.journal.held(shard):
            with self.journal.alone():
                self._check(manifest, resume=resume)
                if not (self.path / MANIFEST).exists():
                    write_aside(self.path / MANIFEST, _json(manifest))
            yield

    def _check(self, manifest: Mapping[str, Any], *, resume: bool) -> None:
        foreign = self.path.exists() and (not self.path.is_dir() or any(map(_is_foreign, self.path.iterdir())))
        if (self.path / MANIFEST).exists():  # looked for last: another run may be writing it and what follows
            if not resume:
                raise RunError(f"{self.path}: already holds a run; continue it with --resume, or choose another --out")
            self._same(manifest)
        elif foreign:
            raise RunError(f"{self.path}: exists and holds no run of vct; choose an empty or new --out")

    def manifest(self) -> dict[str, Any]:
        """The manifest of the run in this folder. Raises RunError when there is none or it is damaged."""
        try:
            found = json.loads((self.path / MANIFEST).read_text())
        except OSError as error:
            raise RunError(f"{self.path}: holds no run ({MANIFEST}: {error.strerror or error})") from None
        except (ValueError, RecursionError) as error:
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
        return self.path / "readings" / f"{patient.key}.parquet"

    def save_readings(self, patient: Patient, readings: Sequence[Reading]) -> None:
        """Write one patient's readings; the file's presence says that the patient is done."""
        import io

        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pylist([asdict(reading) for reading in readings], schema=_reading_schema())
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        write_aside(self.readings_file(patient), buffer.getvalue())
        self._failure_file(patient.key).unlink(missing_ok=True)

    def load_readings(self, patient: Patient) -> tuple[Reading, ...] | None:
        """One patient's readings, or None when they are not (or not wholly) there."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            content = pa.BufferReader(self.readings_file(patient).read_bytes())
            rows = pq.ParquetFile(content, pre_buffer=False).read(use_threads=False).to_pylist()
            return tuple(Reading(**row) for row in rows)
        except (OSError, TypeError, ValueError):
            return None

    def _failure_file(self, key: str) -> Path:
        return self.path / "failed" / f"{key}.json"

    def save_failure(self, failure: Failure, patient: Patient) -> None:
        """Set a patient aside, with the error; readings that are saved later take the note away."""
        write_aside(self._failure_file(patient.key), _json(asdict(failure)))

    def _screened_file(self, patient: Patient) -> Path:
        return self.path / "screened" / f"{patient.key}.json"

    def save_screened(self, patient: Patient, screened: Screened) -> None:
        """Write what was seen of the plausibility of a patient's scans."""
        write_aside(self._screened_file(patient), _json(asdict(screened)))

    def load_screened(self, patient: Patient) -> Screened:
        """What `save_screened` wrote. Raises RunError where it is missing or damaged."""
        path = self._screened_file(patient)
        try:
            found = json.loads(path.read_bytes())
            return Screened(
                findings=tuple(Finding(**item) for item in found["findings"]),
                redrawn=int(found["redrawn"]),
                look=tuple(map(float, found["look"])),
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path}: is missing or damaged ({error})") from None

    def finished(self) -> dict[str, float]:
        """When each finished patient's readings were written, in seconds since 1970, by the patient's key."""
        return {path.stem: path.stat().st_mtime for path in (self.path / "readings").glob("[!.]*.parquet")}

    def failures(self) -> Iterator[tuple[str, Failure]]:
        """Who was set aside, by the patient's key. Damaged notes are left out."""
        for path in sorted((self.path / "failed").glob("[!.]*.json")):
            with suppress(OSError, TypeError, ValueError):
                yield path.stem, Failure(**json.loads(path.read_bytes()))

    def load_failure(self, patient: Patient) -> Failure | None:
        """Why a patient was set aside, or None. A damaged note counts as none: the patient is tried again."""
        try:
            return Failure(**json.loads(self._failure_file(patient.key).read_bytes()))
        except (OSError, TypeError, ValueError):
            return None

    def take_in(self, other: RunFolder) -> int:
        """Copy what `other`, a folder of the same run, has and this one lacks; returns the number of files.

        Links that lead out of `other` are left alone. Raises RunError when it is another run.
        """
        other._same(self.manifest())
        inside, count = other.path.resolve(), 0
        for name in FOLDERS:
            for path in sorted(item for item in (other.path / name).rglob("*") if item.is_file()):
                target = self.path / path.relative_to(other.path)
                wanted = not path.name.startswith(ASIDE) and path.resolve().is_relative_to(inside)
                if wanted and not target.exists():
                    write_aside(target, path.read_bytes())
                    count += 1
        return count

    def save_scan(self, scan: Scan) -> None:
        """Write a scan as NIfTI, as `Volume.save` quantises it, with its planted truth as JSON beside it."""
        snapshot = scan.snapshot
        folder = self.path / "scans" / snapshot.patient.key
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
            "pet_step_suv": scan.pet.step,
        }
        write_aside(folder / f"{stem}_truth.json", _json(truth))

    def picture_file(self, patient: Patient, visit: str) -> Path:
        """Where the thumbnail of one scan lies."""
        return self.path / "pictures" / f"{patient.key}_{visit}.png"


def _is_foreign(item: Path) -> bool:
    """Whether a run that has no manifest yet cannot have made this."""
    return item.name != HIDDEN and not item.name.startswith(ASIDE)


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"


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
