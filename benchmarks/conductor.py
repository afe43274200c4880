"""What everything costs that is not the simulation of patients, by number of patients: is it linear?

conductor.py schedule PATIENTS WORKERS   a walk that does nothing, on so many simulated Dask workers
conductor.py local PATIENTS WORKERS      the same on real processes over TLS; CPU time of this process only
conductor.py conclude PATIENTS           a finished run: enrolled, looked through, merged, concluded, reported

Each prints rows of a table: milliseconds of CPU time a patient, and the peak memory of the process until then.
Simulated workers live in this process and do nothing, so that `schedule` is the seam, the scheduler and the workers'
own bookkeeping: an upper bound. `conclude` makes its readings up; what is judged and reported is as in any run.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hardware import hardware

from vct import stream, trial
from vct.cluster import Cluster, Local
from vct.engine import make
from vct.fanout import map_patients
from vct.protocol import load
from vct.records import Reading
from vct.report import write
from vct.store import RunFolder
from vct.walk import Task, Walked

PROTOCOL = Path(__file__).resolve().parent.parent / "tests" / "doubles" / "quick.yaml"


class Simulated:
    """A cluster of workers that are threads' worth of nothing, in this process."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """A client of a scheduler and many workers on one event loop."""
        from distributed import Client, Scheduler, SpecCluster, Worker

        inside = {"protocol": "inproc", "dashboard": False}
        options = {"nthreads": 1, "memory_limit": 0, "heartbeat_interval": "60s", **inside}
        workers = {number: {"cls": Worker, "options": options} for number in range(self.workers)}
        scheduler = {"cls": Scheduler, "options": inside}
        with SpecCluster(workers=workers, scheduler=scheduler) as cluster, Client(cluster) as client:
            client.wait_for_workers(self.workers)
            yield client


class Ready:
    """A cluster that is connected already: its start-up is not what is measured."""

    def __init__(self, client: Any) -> None:
        self.client = client

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """The client."""
        yield self.client


def nothing(batch: Sequence[Task]) -> tuple[Walked, ...]:
    """A walk that costs nothing."""
    return tuple(Walked(patient=task.patient) for task in batch)


def plan_of(patients: int) -> trial.Plan:
    """The tests' quick trial with so many patients."""
    return trial.plan_of(load(PROTOCOL).model_copy(update={"sample_size": patients}), make("phantom", 16.0))


@contextmanager
def row(what: str, patients: int) -> Iterator[None]:
    """Print what the block cost."""
    begun, cpu = time.perf_counter(), time.process_time()
    yield
    wall, used = time.perf_counter() - begun, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each, wall = 1e3 * used / patients, 1e3 * wall / patients
    print(f"| {what} | {patients:,} | {each:.3f} | {wall:.3f} | {peak:.0f} |", flush=True)


def schedule(patients: int, cluster: Cluster, what: str) -> None:
    """Plan, and send every patient through the seam."""
    with row("enrolment and tasks", patients):
        batches = plan_of(patients).batches()
    with cluster.connect() as client, row(what, patients):
        done = sum(found is not None for _, found in map_patients(nothing, batches, Ready(client)))
    if done != patients:
        raise SystemExit(f"{done} of {patients} came back")


def fill(folder: RunFolder, plan: trial.Plan, tasks: Sequence[Task]) -> None:
    """What workers leave behind: readings of every patient."""
    with folder.held(plan.manifest(), resume=True):
        for task in tasks:
            values = 2.0 + 0.1 * stream(plan.seed, task.patient.id, "made up").standard_normal(len(task.visits))
            who = {"patient": task.patient.id, "arm": task.patient.arm, "readout": "liver", "unit": "SUVbw"}
            readings = [
                Reading(**who, visit=visit.name, day=visit.day, value=float(value), truth=2.0)
                for visit, value in zip(task.visits, values, strict=True)
            ]
            folder.save_readings(task.patient, readings)


def conclude(patients: int) -> None:
    """What `vct merge` and a resumed `vct run` do."""
    plan = plan_of(patients)
    os.fsync = lambda _: None  # what workers write is not measured, and need not outlive a power cut
    with tempfile.TemporaryDirectory() as place:
        first, second = RunFolder(Path(place) / "first"), RunFolder(Path(place) / "second")
        tasks = plan.tasks()
        fill(first, plan, tasks[::2])
        fill(second, plan, tasks[1::2])
        with row("merge: the other half taken in", patients):
            first.take_in(second)
        with row("resume: what is done already", patients):
            trial.run(plan.protocol, plan.engine, out=first.path, resume=True)
        with row("readings collected, outcomes, analyses", patients):
            result = trial.reopen(first.path)
        with row("report", patients):
            write(result, first.path)
        print(f"report.html: {(first.path / 'report.html').stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """Print rows."""
    logging.disable(logging.CRITICAL)
    what, patients = sys.argv[1], int(sys.argv[2])
    print(hardware())
    print("| what | patients | CPU ms a patient | wall ms a patient | peak MB |\n|---|---|---|---|---|")
    if what == "conclude":
        conclude(patients)
    else:
        workers = int(sys.argv[3])
        cluster = Local(workers) if what == "local" else Simulated(workers)
        schedule(patients, cluster, f"{what}, {workers} workers")


if __name__ == "__main__":
    main()
