"""`Walk`: from a patient's enrolment to readings, the same in every process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from vct.bodies import Bodies
from vct.engine.base import Engine
from vct.errors import PatientError, VctError
from vct.files import write_aside
from vct.plausibility import Screened
from vct.protocol import Protocol
from vct.records import Failure, Patient, Reading, Scan, Snapshot, Visit
from vct.report.images import mip_png
from vct.report.packed import packed
from vct.store import RunFolder

ATTEMPTS = 3
"""How often a patient is tried before it is set aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One patient's visits to be walked; `keep` leaves the scans in the run folder, `picture` their thumbnails."""

    patient: Patient
    visits: tuple[Visit, ...]
    keep: bool = False
    picture: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What became of a task: a `failure`, or `readings` and what was seen of the scans' plausibility, which stay out
    when a run folder has them."""

    patient: Patient
    readings: tuple[Reading, ...] = ()
    failure: Failure | None = None
    screened: Screened = field(default_factory=Screened)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Scans and reads every visit of a batch; an engine with `generate_many` makes `together` scans at once."""

    protocol: Protocol
    engine: Engine
    seed: int
    folder: RunFolder | None = None
    together: int = 1

    def __call__(self, batch: Sequence[Task]) -> tuple[Walked, ...]:
        """Walk a batch. Where it fails, its patients are tried one by one; one that fails again and again is set aside.

        Raises a VctError that is no patient's fault, such as a full disk.
        """
        with self.folder.journal.at_work([task.patient for task in batch]) if self.folder else nullcontext():
            return self._walked(batch)

    def set_aside(self, patient: Patient, error: str) -> Walked:
        """Give a patient up, and note why."""
        failure = Failure(patient=patient.id, arm=patient.arm, error=error)
        if self.folder:
            self.folder.save_failure(failure, patient)
        return Walked(patient=patient, failure=failure)

    def _walked(self, batch: Sequence[Task]) -> tuple[Walked, ...]:
        try:
            found = self._tried(batch)
        except PatientError as error:
            if len(batch) > 1 or self.together > 1:
                alone = replace(self, together=1)
                return tuple(walked for task in batch for walked in alone._walked((task,)))
            return (self.set_aside(batch[0].patient, str(error)),)
        if self.folder is None:
            return found
        for walked in found:
            self.folder.save_screened(walked.patient, walked.screened)
            self.folder.save_readings(walked.patient, walked.readings)
        return tuple(Walked(patient=task.patient) for task in batch)

    def _tried(self, batch: Sequence[Task]) -> tuple[Walked, ...]:
        for _ in range(ATTEMPTS - 1):
            with suppress(PatientError):
                return self._once(batch)
        return self._once(batch)

    def _once(self, batch: Sequence[Task]) -> tuple[Walked, ...]:
        readings: dict[str, list[Reading]] = {task.patient.key: [] for task in batch}
        desks = {task.patient.key: self.protocol.reading.desk(self.seed) for task in batch}
        first: dict[str, Snapshot] = {}
        bodies = Bodies(engine=self.engine, rule=self.protocol.plausibility, seed=self.seed, together=self.together)
        steps = iter([(task, visit) for task in batch for visit in task.visits])
        while group := list(islice(steps, self.together)):
            with _blamed(group):
                for (task, _), scan in zip(group, self._scans(group, bodies), strict=True):
                    self._keep(task, scan, first.setdefault(task.patient.key, scan.snapshot))
                    readings[task.patient.key] += desks[task.patient.key](scan, self.protocol.readouts)
        return tuple(
            Walked(
                patient=task.patient,
                readings=tuple(readings[task.patient.key]),
                screened=bodies.screened.get(task.patient.key, Screened()),
            )
            for task in batch
        )

    def _scans(self, group: Sequence[tuple[Task, Visit]], bodies: Bodies) -> Iterator[Scan]:
        snapshots = [self.protocol.course.at(task.patient, visit, self.seed) for task, visit in group]
        for scan in bodies.scans(snapshots):
            yield self.protocol.segmenter.labelled(self.protocol.acquisition.acquire(scan, self.seed))

    def _keep(self, task: Task, scan: Scan, first: Snapshot) -> None:
        if self.folder and task.keep:
            self.folder.save_scan(scan)
        if self.folder and task.picture:
            picture = self.folder.picture_file(task.patient, scan.snapshot.visit.name)
            write_aside(picture, mip_png(scan, first))
            write_aside(picture.with_name(f"{picture.stem}.json"), packed(scan))


@contextmanager
def _blamed(group: Sequence[tuple[Task, Visit]]) -> Iterator[None]:
    """Turn what goes wrong inside into a PatientError that names the visits; a VctError passes."""
    try:
        yield
    except VctError:
        raise
    except Exception as error:
        visits = ", ".join(dict.fromkeys(visit.name for _, visit in group))
        raise PatientError(f"visit {visits}: {type(error).__name__}: {error}") from error


def scan_bytes(walk: Walk, task: Task) -> int:
    """What the scans of one patient take on disk; they are made, written to a temporary folder, and dropped."""
    with TemporaryDirectory() as folder:
        replace(walk, folder=RunFolder(Path(folder)))((replace(task, keep=True),))
        return sum(path.stat().st_size for path in (Path(folder) / "scans").rglob("*") if path.is_file())
