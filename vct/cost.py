"""What a run will cost in time, memory and disk, from one of its patients simulated here."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from vct.store import RunFolder
from vct.trial import Plan

SLOW_S = 30.0
"""A patient that takes longer is simulated once: beside that, what only the first time costs is little (assumed)."""
START_UP_S = 3.0
"""Seconds that a worker process needs before its first patient: imports (measured, 2 cores)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Measured with the first patient who attends a visit: seconds a scan, bytes of tables and of scans a patient."""

    seconds: float
    table_bytes: int
    scan_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a whole run will take with `processes` at work."""

    processes: int
    scans: int
    kept_patients: int
    seconds: float
    memory_bytes: int
    disk_bytes: int


def measured(plan: Plan) -> Rates:
    """Simulate one patient into a temporary folder, and again for the time, since the first time makes what stays; not
    again where that takes longer than `SLOW_S`."""
    task = next((task for task in plan.tasks() if task.visits), None)
    if task is None:
        return Rates(seconds=0.0, table_bytes=0, scan_bytes=0, memory_bytes=peak_memory_bytes())
    with TemporaryDirectory() as place:
        folder = RunFolder(Path(place))
        seconds = _seconds(lambda: plan.walk(folder)((replace(task, keep=True, picture=False),)))
        if seconds < SLOW_S:
            seconds = _seconds(lambda: plan.walk()((task,)))
        return Rates(
            seconds=seconds / len(task.visits),
            table_bytes=_size(folder.path / "readings"),
            scan_bytes=_size(folder.path / "scans"),
            memory_bytes=peak_memory_bytes(),
        )


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def predicted(plan: Plan, rates: Rates, workers: int) -> Cost:
    """The cost of a plan at measured rates. A patient is walked by one process; more processes than that are idle."""
    tasks = plan.tasks()
    scans, kept = sum(len(task.visits) for task in tasks), sum(task.keep for task in tasks)
    processes = max(1, min(workers, len(tasks)))
    return Cost(
        processes=processes,
        scans=scans,
        kept_patients=kept,
        seconds=scans * rates.seconds / processes + START_UP_S,
        memory_bytes=(processes + (processes > 1)) * rates.memory_bytes,
        disk_bytes=len(tasks) * rates.table_bytes + kept * rates.scan_bytes,
    )


def peak_memory_bytes() -> int:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
