"""The conductor: the whole simulator on one page."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vct import __version__
from vct.cluster import Cluster, Local
from vct.conclude import conclude
from vct.engine import make as make_engine
from vct.engine.base import Engine
from vct.errors import PatientError, RunError, StoppedError, nearest
from vct.fanout import Stop, map_patients, never
from vct.journal import Shard
from vct.keeping import NONE, KeepScans
from vct.plausibility import alike
from vct.protocol import Protocol
from vct.records import Enrolment, Failure, Reading, TrialResult, Visit
from vct.shipped import DEFAULT_ENGINE
from vct.store import MANIFEST, RunFolder, digest
from vct.walk import Task, Walk, Walked, scan_bytes
from vct.yamlfile import Tree, check

PICTURED_PATIENTS = 4
HOPELESS = 10
"""Patients that may fail before any succeeds; then it is not the patients' fault, and the run ends."""
LIBRARIES = ("numpy", "scipy", "pandas", "pydantic", "statsmodels")

Watch = Callable[[int, int], None]


def nobody(done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What makes a run this run. `keep_scans` says whose scans stay; `together`, how many scans are made at once."""

    protocol: Protocol
    engine: Engine
    seed: int
    keep_scans: KeepScans = NONE
    together: int = 1

    @cached_property
    def enrolment(self) -> Enrolment:
        """Who enters the trial, on which arm, and which visits they attend."""
        return self.protocol.enrol(self.seed)

    def manifest(self) -> dict[str, Any]:
        """The plan as it stands in the run folder; nothing in it depends on when or by what means it was run."""
        resolved = self.protocol.resolved()
        known = getattr(self.engine, "fidelity", None)
        return {
            **({"fidelity": dict(known)} if known else {}),
            "protocol": resolved,
            "protocol_sha256": digest(resolved),
            "seed": self.seed,
            "engine": self.engine.name,
            "keep_scans": self.keep_scans.policy,
            "together": self.together,
            "vct": __version__,
            "python": platform.python_version(),
            "libraries": {name: version(name) for name in LIBRARIES},
        }

    def walk(self, folder: RunFolder | None = None) -> Walk:
        """What is done with each patient; without a folder it leaves nothing behind."""
        return Walk(protocol=self.protocol, engine=self.engine, seed=self.seed, folder=folder, together=self.together)

    def tasks(self) -> tuple[Task, ...]:
        """One task a patient, in the order of enrolment."""
        visits: dict[tuple[str, str], tuple[Visit, ...]] = {(item.id, item.arm): () for item in self.enrolment.patients}
        for item in self.enrolment.attendance:
            if item.status == "done":
                visits[item.patient, item.arm] += (item.visit,)
        tasks = [Task(patient=item, visits=visits[item.id, item.arm]) for item in self.enrolment.patients]
        kept = self.keep_scans.chosen(self.enrolment.patients, lambda: scan_bytes(self.walk(), tasks[0]))
        return tuple(
            replace(task, keep=task.patient.key in kept, picture=number < PICTURED_PATIENTS)
            for number, task in enumerate(tasks)
        )

    def batches(self, shard: Shard | None = None) -> list[tuple[Task, ...]]:
        """The tasks in batches that fill the device, always the same ones; of a shard, every so-manieth batch."""
        size = max(1, self.together // len(self.protocol.visits))
        tasks = self.tasks()
        batches = [tasks[start : start + size] for start in range(0, len(tasks), size)]
        return batches if shard is None else batches[shard.number - 1 :: shard.of]


def run(
    protocol: Protocol,
    engine: Engine | None = None,
    *,
    seed: int | None = None,
    out: Path | None = None,
    resume: bool = False,
    keep_scans: str = "none",
    together: int = 1,
    workers: int = 1,
    cluster: Cluster | None = None,
    watch: Watch = nobody,
    stop: Stop = never,
) -> TrialResult:
    """Run a trial: enrol, scan, read, judge, compare. The same seed gives the same result wherever it is run.

    `engine` defaults to the shipped one at 4 mm; `seed` to the protocol's; `out` is a run folder (without one nothing
    is written); `keep_scans` says whose scans stay there (see `KeepScans`). There are `workers` processes here, or
    those of `cluster`; engines that can make `together` scans at once. `watch(done, total)` hears of each patient;
    once `stop()` is true, what is under way is finished and kept, and StoppedError raised. A patient that fails again
    and again is missing from the result, and named in its provenance. Raises RunError when `out` cannot be used,
    PatientError when no patient can be simulated.
    """
    plan = plan_of(protocol, engine, seed=seed, keep_scans=keep_scans, together=together)
    folder = RunFolder(out) if out else None
    place = cluster or (Local(workers) if workers > 1 else None)
    walked = _simulate(plan, folder, None, resume, place, watch, stop)
    readings, told = _collected(folder, plan.enrolment) if folder else _sorted(plan.enrolment, walked)
    return conclude(protocol, plan.enrolment, readings, {**plan.manifest(), **told})


def run_shard(
    shard: Shard,
    protocol: Protocol,
    engine: Engine | None = None,
    *,
    out: Path,
    seed: int | None = None,
    keep_scans: str = "none",
    together: int = 1,
    workers: int = 1,
    cluster: Cluster | None = None,
    watch: Watch = nobody,
    stop: Stop = never,
) -> int:
    """Walk one shard's patients only; see `run`. Returns how many there are. `reopen` concludes once all are done.

    Shards may share the folder `out`, or have one each, which `RunFolder.take_in` brings together.
    """
    plan = plan_of(protocol, engine, seed=seed, keep_scans=keep_scans, together=together)
    place = cluster or (Local(workers) if workers > 1 else None)
    return len(_simulate(plan, RunFolder(out), shard, True, place, watch, stop))


def plan_of(
    protocol: Protocol,
    engine: Engine | None = None,
    *,
    seed: int | None = None,
    keep_scans: str = "none",
    together: int = 1,
) -> Plan:
    """The plan of a run; see `run`. Raises InputError when `keep_scans` is no policy."""
    return Plan(
        protocol=protocol,
        engine=engine or make_engine(DEFAULT_ENGINE),
        seed=protocol.seed if seed is None else seed,
        keep_scans=KeepScans(keep_scans),
        together=together,
    )


def _simulate(
    plan: Plan,
    folder: RunFolder | None,
    shard: Shard | None,
    resume: bool,
    place: Cluster | None,
    watch: Watch,
    stop: Stop,
) -> dict[str, Walked]:
    """Walk every patient that is not done, by key; those that `folder` already has are there without readings."""
    with folder.held(plan.manifest(), resume=resume, shard=shard) if folder else nullcontext():
        batches = plan.batches(shard)
        patients = [task.patient for batch in batches for task in batch]
        walked = {
            item.key: Walked(patient=item) for item in patients if folder and folder.load_readings(item) is not None
        }
        fresh = [batch for batch in batches if any(task.patient.key not in walked for task in batch)]
        failures: list[Failure] = []
        if folder:
            folder.journal.open_session(sum(map(len, fresh)), len(plan.enrolment.patients), shard)
        for found in _walked(plan.walk(folder), fresh, place, stop):
            walked |= {item.patient.key: item for item in found}
            failures += [item.failure for item in found if item.failure]
            watch(len(walked), len(patients))
            if len(failures) == len(walked) and len(failures) >= min(HOPELESS, len(patients)):
                first = failures[0]
                raise PatientError(f"the first {len(failures)} patients failed; {first.patient}: {first.error}")
        if len(walked) < len(patients):
            raise StoppedError(f"stopped: {len(walked)} of {len(patients)} patients are done; go on with --resume")
        return walked


def _walked(
    walk: Walk, batches: Sequence[tuple[Task, ...]], place: Cluster | None, stop: Stop
) -> Iterator[tuple[Walked, ...]]:
    """What became of each batch. Where all processes that tried a batch died, its patients are tried one by one."""
    alone: list[tuple[Task, ...]] = []
    for batch, found in map_patients(walk, batches, place, stop):
        if found is not None:
            yield found
        elif len(batch) > 1:
            alone += [(task,) for task in batch]
        else:
            yield (walk.set_aside(batch[0].patient, "every process that tried it died (out of memory?)"),)
    if alone:
        yield from _walked(walk, alone, place, stop)


def reopen(path: Path) -> TrialResult:
    """The result of a finished run, rebuilt from its folder. Raises RunError when it is missing or unfinished."""
    folder = RunFolder(path)
    recorded = folder.manifest()
    protocol = check(Protocol, Tree(recorded["protocol"], str(path / MANIFEST)), path)
    enrolment = protocol.enrol(recorded["seed"])
    readings, told = _collected(folder, enrolment)
    return conclude(protocol, enrolment, readings, {**recorded, **told})


def picture(path: Path, ids: Sequence[str], engine: Engine) -> TrialResult:
    """Simulate chosen patients of a finished run again, leave their pictures in its folder, and return its result.

    Raises RunError for a patient that the run does not have, and for another engine than the run's.
    """
    result, folder = reopen(path), RunFolder(path)
    recorded = folder.manifest()
    if recorded["engine"] != engine.name:
        raise RunError(f"{path}: was made by the engine {recorded['engine']!r}, not by {engine.name!r}")
    protocol = check(Protocol, Tree(recorded["protocol"], str(path / MANIFEST)), path)
    plan = plan_of(protocol, engine, seed=recorded["seed"])
    known = sorted({patient.id for patient in plan.enrolment.patients})
    for name in ids:
        if name not in known:
            near = nearest(name, known)
            raise RunError(f"{path}: has no patient {name!r}" + (f"; did you mean {near!r}?" if near else ""))
    walk = plan.walk(folder)
    for task in plan.tasks():
        if task.patient.id in ids:
            walk((replace(task, picture=True),))
    return result


Collected = tuple[list[Reading], dict[str, Any]]


def _collected(folder: RunFolder, enrolment: Enrolment) -> Collected:
    """Every reading in the folder in the order of enrolment; who was set aside, and whose scans are implausible.

    Raises RunError when a patient is neither there nor set aside.
    """
    walked: dict[str, Walked] = {}
    for patient in enrolment.patients:
        readings, failure = folder.load_readings(patient), folder.load_failure(patient)
        if readings is not None:
            walked[patient.key] = Walked(patient=patient, readings=readings, screened=folder.load_screened(patient))
        elif failure is not None:
            walked[patient.key] = Walked(patient=patient, failure=failure)
    missing = len(enrolment.patients) - len(walked)
    if missing:
        raise RunError(
            f"{folder.path}: {missing} of {len(enrolment.patients)} patients are not done; finish the run with --resume"
        )
    return _sorted(enrolment, walked)


def _sorted(enrolment: Enrolment, walked: Mapping[str, Walked]) -> Collected:
    found = [walked[patient.key] for patient in enrolment.patients]
    return [reading for item in found for reading in item.readings], {
        "failed": [asdict(item.failure) for item in found if item.failure],
        "findings": [asdict(wrong) for item in found for wrong in item.screened.findings],
        "redrawn": {item.patient.key: item.screened.redrawn for item in found if item.screened.redrawn},
        "alike": alike({item.patient.id: item.screened.look for item in found}),
    }
