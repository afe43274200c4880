"""What the conductor itself costs: patients whose simulation costs nothing, by number of patients and of workers.

conductor.py PATIENTS WORKERS. All Dask workers live in this process and do nothing, so that what is measured is the
seam and the scheduler with the workers' own bookkeeping: an upper bound of the conductor's cost.
"""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hardware import hardware

from vct.fanout import map_patients


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


def nothing(batch: tuple[int, ...]) -> int:
    """A walk that costs nothing."""
    return batch[0]


def main() -> None:
    """Print one row."""
    patients, workers = int(sys.argv[1]), int(sys.argv[2])
    logging.disable(logging.CRITICAL)
    batches = [(number,) for number in range(patients)]
    with Simulated(workers).connect() as client:

        class There:
            @contextmanager
            def connect(self) -> Iterator[Any]:
                yield client

        begun, cpu = time.perf_counter(), time.process_time()
        done = sum(found is not None for _, found in map_patients(nothing, batches, There()))
        wall, used = time.perf_counter() - begun, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if done != patients:
        raise SystemExit(f"{done} of {patients} came back")
    print(hardware())
    print(f"| {patients} | {workers} | {1e3 * used / patients:.2f} | {1e3 * wall / patients:.2f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
