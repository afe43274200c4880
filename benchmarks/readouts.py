"""What does every readout of a torso cost? Processor seconds on one core, alone on a fresh scan and after others.

python benchmarks/readouts.py [RESOLUTION_MM]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

from hardware import hardware

from vct import load, make_engine
from vct.readout import READOUTS
from vct.readout.reader import study_of
from vct.records import Scan, Visit

SEED = 20


def seconds(work: Callable[[], object]) -> float:
    """Processor time of all threads of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main(resolution_mm: float) -> None:
    """The first patient of the demo's trial: each readout finds the lesions itself, then reads them found."""
    protocol = load("nsclc_metabolic_response")
    patient, visit = protocol.enrol(SEED).patients[0], protocol.visits[0]
    snapshot = protocol.course.at(patient, Visit(name=visit.name, day=visit.day), SEED)
    scan: Scan = protocol.acquisition.acquire(make_engine("phantom", resolution_mm).generate(snapshot, SEED), SEED)
    shape, marks = " x ".join(map(str, scan.pet.grid.shape)), len(study_of(scan).marks)
    print(f"{shape} voxels of {resolution_mm:g} mm, {marks} lesions found; {hardware()}")
    print("| readout | alone, s | lesions found already, s |\n|---|---|---|")
    for member in READOUTS:
        readout = member.model_validate({"organ": "liver"} if "organ" in member.model_fields else {})
        fresh = replace(scan)
        alone = seconds(lambda readout=readout, fresh=fresh: readout.measure(fresh))
        known = replace(scan, study=study_of(scan))
        after = seconds(lambda readout=readout, known=known: readout.measure(known))
        print(f"| {readout.label} | {alone:.2f} | {after:.2f} |", flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0)
