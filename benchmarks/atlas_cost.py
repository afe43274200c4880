"""Processor seconds and memory of one virtual patient painted from an atlas, body and scan, by voxel size.

python benchmarks/atlas_cost.py ATLAS [PATIENTS]
"""

from __future__ import annotations

import resource
import sys
import time
from itertools import product
from pathlib import Path
from statistics import median

from hardware import hardware

from vct.engine.atlas.engine import Atlas
from vct.records import Patient, Snapshot, Visit

SPACINGS_MM = (8.0, 4.0, 2.0)
"""From small to large, so that the peak of each is its own."""
WARM = 2
"""Scans before the clock counts: the first of each sex makes its frame ready."""


def main(folder: Path, patients: int) -> None:
    """Print a row for each voxel size."""
    print(f"{patients} patients each; {hardware()}\n")
    print("| voxel, mm | CPU-s a patient, median | slowest | peak memory, GB |\n|---|---|---|---|")
    bodies = list(product("FM", (160.0, 175.0), (60.0, 75.0, 95.0)))
    for spacing in SPACINGS_MM:
        engine, took = Atlas(folder=folder, spacing_mm=spacing), []
        for number in range(WARM + patients):
            sex, height, weight = bodies[(number * 7) % len(bodies)]  # sexes in turn
            who = Patient(id=f"C{number}", sex=sex, age_years=60.0, height_cm=height, weight_kg=weight)
            begun = time.process_time()
            engine.generate(Snapshot(patient=who, visit=Visit(name="baseline", day=0.0)), 1)
            took.append(time.process_time() - begun)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"| {spacing:g} | {median(took[WARM:]):.2f} | {max(took[WARM:]):.2f} | {peak:.2f} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 12)
