"""The conductor: the whole simulator on one page."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vct import __version__
from vct.conclude import conclude
from vct.engine import make as make_engine
from vct.engine.base import Engine
from vct.errors import PatientError, RunError, VctError
from vct.fanout import map_patients
from vct.files import write_aside
from vct.protocol import Protocol
from vct.records import Enrolment, Patient, Reading, Scan, TrialResult, Visit
from vct.report.images import mip_png
from vct.report.packed import packed
from vct.shipped import DEFAULT_ENGINE
from vct.store import MANIFEST, RunFolder, digest
from vct.yamlfile import Tree, check

PICTURED_PATIENTS = 4
LIBRARIES = ("numpy", "scipy", "pandas", "pydantic", "statsmodels")

Watch = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """One patient's way from enrolment to readings, the same in every process. `kept` patients leave their scans."""

    protocol: Protocol
    engine: Engine
    seed: int
    visits: Mapping[tuple[str, str], tuple[Visit, ...]]
    folder: RunFolder | None = None
    kept: frozenset[tuple[str, str]] = frozenset()
    pictured: frozenset[tuple[str, str]] = frozenset()

    def __call__(self, patient: Patient) -> tuple[Reading, ...]:
        """Scan and read every visit that the patient attends. Raises PatientError, which names the patient."""
        readings: list[Reading] = []
        for visit in self.visits[patient.id, patient.arm]:
            try:
                snapshot = self.protocol.course.at(patient, visit, self.seed)
                scan = self.engine.generate(snapshot, self.seed)
                scan = self.protocol.acquisition.acquire(scan, self.seed)
                self._keep(scan)
                readings += [readout.measure(scan) for readout in self.protocol.readouts]
            except VctError:
                raise
            except Exception as error:
                raise PatientError(
                    f"patient {patient.id}, visit {visit.name}: {type(error).__name__}: {error}"
                ) from error
        if self.folder:
            self.folder.save_readings(patient, readings)
        return tuple(readings)

    def _keep(self, scan: Scan) -> None:
        patient, visit = scan.snapshot.patient, scan.snapshot.visit
        if self.folder and (patient.id, patient.arm) in self.kept:
            self.folder.save_scan(scan)
        if self.folder and (patient.id, patient.arm) in self.pictured:
            picture = self.folder.picture_file(patient, visit.name)
            write_aside(picture, mip_png(scan))
            write_aside(picture.with_name(f"{picture.stem}.json"), packed(scan))


def run(
    protocol: Protocol,
    engine: Engine | None = None,
    *,
    seed: int | None = None,
    out: Path | None = None,
    resume: bool = False,
    keep_scans: int = 0,
    workers: int = 1,
    watch: Watch | None = None,
) -> TrialResult:
    """Run a trial: enrol, scan, read, judge, compare. The same seed gives the same result whatever `workers`.

    `engine` defaults to the phantom at 4 mm; `seed` to the protocol's; `out` is a run folder (without one nothing is
    written); `keep_scans` says of how many patients the scans stay there; `watch(done, total)` hears of each patient.
    Raises RunError when `out` cannot be used, PatientError when a patient cannot be simulated.
    """
    engine = engine or make_engine(DEFAULT_ENGINE)
    seed = protocol.seed if seed is None else seed
    enrolment = enrol_patients(protocol, seed)
    folder = RunFolder(out) if out else None
    if folder:
        folder.begin(manifest(protocol, engine, seed, keep_scans), resume=resume)
    walk = walk_of(protocol, engine, seed, enrolment, folder, keep_scans)
    found = {patient: folder.load_readings(patient) if folder else None for patient in enrolment.patients}
    done = {patient: readings for patient, readings in found.items() if readings is not None}
    fresh = [patient for patient in enrolment.patients if patient not in done]
    for patient, readings in map_patients(walk, fresh, workers):
        done[patient] = readings
        if watch:
            watch(len(done), len(enrolment.patients))
    readings = tuple(reading for patient in enrolment.patients for reading in done[patient])
    return conclude(protocol, enrolment, readings, manifest(protocol, engine, seed, keep_scans))


def walk_of(
    protocol: Protocol,
    engine: Engine,
    seed: int,
    enrolment: Enrolment,
    folder: RunFolder | None = None,
    keep_scans: int = 0,
) -> Walk:
    """The walk of this trial's patients; without a folder it leaves nothing behind."""
    visits: dict[tuple[str, str], tuple[Visit, ...]] = {(item.id, item.arm): () for item in enrolment.patients}
    for item in enrolment.attendance:
        if item.status == "done":
            visits[item.patient, item.arm] += (item.visit,)
    order = list(visits)
    return Walk(
        protocol=protocol,
        engine=engine,
        seed=seed,
        visits=visits,
        folder=folder,
        kept=frozenset(order[:keep_scans]),
        pictured=frozenset(order[:PICTURED_PATIENTS]),
    )


def enrol_patients(protocol: Protocol, seed: int) -> Enrolment:
    """Who enters the trial, on which arm, and which visits they attend."""
    return protocol.enrol(seed)


def reopen(path: Path) -> TrialResult:
    """The result of a finished run, rebuilt from its folder. Raises RunError when it is missing or unfinished."""
    folder = RunFolder(path)
    recorded = folder.manifest()
    protocol = check(Protocol, Tree(recorded["protocol"], str(path / MANIFEST)), path)
    enrolment = enrol_patients(protocol, recorded["seed"])
    found = {patient: folder.load_readings(patient) for patient in enrolment.patients}
    missing = sum(readings is None for readings in found.values())
    if missing:
        raise RunError(f"{path}: {missing} of {len(found)} patients are not done; finish the run with --resume")
    readings = tuple(reading for patient in enrolment.patients for reading in found[patient] or ())
    return conclude(protocol, enrolment, readings, recorded)


def manifest(protocol: Protocol, engine: Engine, seed: int, keep_scans: int) -> dict[str, Any]:
    """What makes this run this run; nothing in it depends on when or by how many workers it was run."""
    resolved = protocol.resolved()
    known = getattr(engine, "fidelity", None)
    return {
        **({"fidelity": dict(known)} if known else {}),
        "protocol": resolved,
        "protocol_sha256": digest(resolved),
        "seed": seed,
        "engine": engine.name,
        "keep_scans": keep_scans,
        "vct": __version__,
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
