"""Two processes against one: how much of twice the speed is reached? efficiency.py [PATIENTS [ROUNDS]]

The tests' quick trial with the phantom at 8 mm, PATIENTS of it (default 20), walked by one worker and by two, each with
one numerical thread; ROUNDS times in turn (default 2), the best of each counts. Workers are started and warm before the
clock runs. Only a computer that does nothing else gives numbers that mean something, so the load before is printed too.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from conductor import PROTOCOL, Ready
from hardware import hardware

from vct import trial
from vct.cluster import Local
from vct.engine import make
from vct.fanout import map_patients
from vct.protocol import load
from vct.walk import Task, Walk

WORKERS = (1, 2)
WARM = 2
"""Patients before the clock runs, one a worker."""


def seconds(walk: Walk, batches: Sequence[tuple[Task, ...]], workers: int) -> float:
    """Wall time of the batches on workers that are warm."""
    with Local(workers).connect() as client:
        list(map_patients(walk, batches[:WARM], Ready(client)))
        begun = time.perf_counter()
        done = sum(found is not None for _, found in map_patients(walk, batches[WARM:], Ready(client)))
        took = time.perf_counter() - begun
    if done != len(batches) - WARM:
        raise SystemExit(f"{done} of {len(batches) - WARM} came back")
    return took


def main() -> None:
    """Print rows."""
    patients, rounds = (int(text) for text in (*sys.argv[1:], *("20", "2")[len(sys.argv) - 1 :]))
    print(f"{hardware()}; load {os.getloadavg()[0]:.1f}")
    protocol = load(PROTOCOL).model_copy(update={"sample_size": patients + WARM})
    plan = trial.plan_of(protocol, make("phantom", 8.0))
    took: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    for _ in range(rounds):
        for workers, found in took.items():
            found.append(seconds(plan.walk(), plan.batches(), workers))
    print("| workers | seconds of each round |\n|---|---|")
    for workers, found in took.items():
        print(f"| {workers} | {', '.join(f'{each:.2f}' for each in found)} |")
    print(f"efficiency of 2 workers against two times 1: {min(took[1]) / min(took[2]) / 2:.3f}")


if __name__ == "__main__":
    main()
