"""What everything costs that is not the simulation of patients, by number of patients: is it linear?

conductor.py schedule PATIENTS WORKERS   a walk that does nothing, on so many simulated Dask workers
conductor.py local PATIENTS WORKERS      the same on real processes over TLS; CPU time of this process only
conductor.py conclude PATIENTS           a finished run: enrolled, looked through, merged, concluded, reported

Each prints rows of a table: milliseconds of CPU time a patient (of an idle cluster, a second), and the peak memory of
the process until then. Simulated workers do nothing in one other process, which is not counted: `schedule` is the seam
and Dask's scheduler. `conclude` makes its readings up; what is judged and reported is as in any run.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from hardware import hardware

from vct import stream, trial
from vct.cluster import CONFIG, Cluster, Local
from vct.engine import make
from vct.fanout import map_patients
from vct.plausibility import SPREAD, Screened
from vct.protocol import load
from vct.records import Reading
from vct.report import write
from vct.store import RunFolder
from vct.walk import Task, Walked

IDLE = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "60s",
    "distributed.admin.system-monitor.interval": "60s",
}
"""What each worker does by the clock, many times a second, on a computer of its own; here it would be done for all."""
SERVE = [sys.executable, __file__, "serve"]
BEATING = 100
"""Simulated workers up to which each sends its heartbeats; of more, what the clock costs is not measured."""
IDLE_S = 10.0
PROTOCOL = Path(__file__).resolve().parent.parent / "tests" / "doubles" / "quick.yaml"


class Inline(Executor):
    """Calls at once, in the thread that asks: handing work to threads is the workers' cost, not the conductor's."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """The finished call."""
        done: Future[Any] = Future()
        done.set_result(call(*arguments, **named))
        return done


async def serve(address: str, workers: int) -> None:
    """So many workers of Dask on one event loop, until their scheduler is gone."""
    import dask
    from distributed import Worker

    class Silent(Worker):
        async def heartbeat(self) -> None:
            """One process cannot keep up with the clocks of a thousand."""

    made = Worker if workers <= BEATING else Silent
    options = {"nthreads": 1, "memory_limit": 0, "heartbeat_interval": "60s", "dashboard": False, "executor": Inline()}
    with dask.config.set(CONFIG | IDLE), tempfile.TemporaryDirectory() as place:
        async with AsyncExitStack() as stack:
            places = [f"{place}/{number}" for number in range(workers)]  # in one, each would look through all others
            there = [await stack.enter_async_context(made(address, local_directory=own, **options)) for own in places]
            await asyncio.gather(*(worker.finished() for worker in there))


class Simulated:
    """A cluster whose scheduler is here, and whose workers share one other process."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """A client of the scheduler, once all workers are there."""
        import dask
        from distributed import Client, Scheduler, SpecCluster

        here = {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"}
        scheduler = {"cls": Scheduler, "options": here}
        with (
            dask.config.set(CONFIG | {"distributed.scheduler.worker-ttl": None}),
            SpecCluster(workers={}, scheduler=scheduler) as cluster,
            Client(cluster) as client,
            subprocess.Popen(
                [sys.executable, __file__, "serve", cluster.scheduler_address, str(self.workers)]
            ) as child,
        ):
            while len(client.nthreads()) < self.workers:
                time.sleep(1.0)
            yield client
            child.kill()


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
    with cluster.connect() as client:
        with row("a second without work", int(IDLE_S)):
            time.sleep(IDLE_S)
        with row(what, patients):
            done = sum(found is not None for _, found in map_patients(nothing, batches, Ready(client)))
    if done != patients:
        raise SystemExit(f"{done} of {patients} came back")


def fill(folder: RunFolder, plan: trial.Plan, tasks: Sequence[Task]) -> None:
    """What workers leave behind: readings of every patient, and what was seen of their scans."""
    with folder.held(plan.manifest(), resume=True):
        for task in tasks:
            values = 2.0 + 0.1 * stream(plan.seed, task.patient.id, "made up").standard_normal(len(task.visits))
            who = {"patient": task.patient.id, "arm": task.patient.arm, "readout": "liver", "unit": "SUVbw"}
            readings = [
                Reading(**who, visit=visit.name, day=visit.day, value=float(value), truth=2.0)
                for visit, value in zip(task.visits, values, strict=True)
            ]
            look = stream(plan.seed, task.patient.id, "look").standard_normal(4 * len(SPREAD))
            folder.save_screened(task.patient, Screened(look=tuple(map(float, look))))
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
    if sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2], int(sys.argv[3])))
        return
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
