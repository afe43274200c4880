"""Do images and measurement model agree? The shipped designs, each with a pilot and trials of other patients.

python benchmarks/tiers.py [PILOT] [TRIALS] [PATIENTS]
"""

from __future__ import annotations

import os
import sys

from hardware import hardware

from vct import load, make_engine
from vct.replicate.measurement import fit_model
from vct.replicate.pilot import Agreement, check, pilot_of, scanned

PROTOCOLS = ("nsclc_group_sequential_pfs", "nsclc_randomised_phase2", "multi_site_scanners")
RESOLUTION_MM = 8.0
PILOT_SEED, CHECK_SEED = 11, 1_000_011


def agreement(name: str, pilot: int, trials: int, patients: int) -> tuple[Agreement, ...]:
    """Fit the model to `pilot` patients of a shipped protocol and hold `trials` of `patients` others against it."""
    protocol, engine, workers = load(name), make_engine("phantom", RESOLUTION_MM), len(os.sched_getaffinity(0))
    scans = scanned(protocol, engine, patients=pilot, seed=PILOT_SEED, out=None, workers=workers)
    model = fit_model(protocol.readouts, pilot_of(protocol, scans, PILOT_SEED))
    return check(protocol, model, engine, trials=trials, patients=patients, seed=CHECK_SEED, out=None, workers=workers)


def main() -> None:
    """Print one line a statement."""
    pilot, trials, patients = (int(text) for text in (*sys.argv[1:], *("24", "2", "12")[len(sys.argv) - 1 :]))
    print(f"{hardware()}; phantom {RESOLUTION_MM:g} mm, pilot {pilot}, {trials} trials of {patients} patients")
    print("| protocol | statement | trial | images | model | SD | p | agree |\n|---|---|---|---|---|---|---|---|")
    for name in PROTOCOLS:
        for row in agreement(name, pilot, trials, patients):
            numbers = f"{row.images:.4g} | {row.model:.4g} | {row.model_sd:.3g} | {row.p:.3f}"
            print(f"| {name} | {row.level} {row.name} | {row.trial} | {numbers} | {'yes' if row.agrees else 'NO'} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
