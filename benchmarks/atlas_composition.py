"""Fat under the skin and inside against their targets from BMI 17 to 45, and what a scan costs.

python benchmarks/atlas_composition.py ATLAS
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
from hardware import hardware

from vct.engine.atlas import Atlas
from vct.records import Patient, Sex, Snapshot, Visit
from vct.structures import STRUCTURES

HEIGHT_CM: dict[Sex, float] = {"F": 163.0, "M": 177.0}
BMIS = (17.0, 20.0, 25.0, 30.0, 37.0, 45.0)
VISIT = Visit(name="baseline", day=0.0)


def main() -> None:
    """Print the table of deviations and the costs at 4 and 2 mm."""
    engine = Atlas(folder=Path(sys.argv[1]), spacing_mm=4.0)
    print(hardware())
    print("| sex | BMI | subcutaneous ml | target | dev % | visceral ml | target | dev % |")
    print("|---|---|---|---|---|---|---|---|")
    seconds = []
    for sex, height in HEIGHT_CM.items():
        for bmi in BMIS:
            weight = bmi * (height / 100.0) ** 2
            person = Patient(id=f"{sex}{bmi:g}", sex=sex, age_years=58.0, height_cm=height, weight_kg=weight)
            start = time.process_time()
            scan = engine.generate(Snapshot(patient=person, visit=VISIT), 7)
            seconds.append(time.process_time() - start)
            labels = scan.labels
            if labels is None:
                continue
            ml = {name: float((labels.data == STRUCTURES[name]).sum()) * labels.grid.voxel_ml for name in STRUCTURES}
            target = engine.body(person, 7).target
            under, inside = ml["subcutaneous_fat"] + ml["breast"], ml["torso_fat"]
            print(
                f"| {sex} | {bmi:g} | {under:.0f} | {target.subcutaneous_ml:.0f} "
                f"| {100 * (under / target.subcutaneous_ml - 1):+.0f} | {inside:.0f} | {target.visceral_ml:.0f} "
                f"| {100 * (inside / target.visceral_ml - 1):+.0f} |"
            )
    print(f"\n4 mm: {np.median(seconds):.1f} CPU-s a scan (median), {max(seconds):.1f} at most")
    fine = Atlas(folder=Path(sys.argv[1]), spacing_mm=2.0)
    person = Patient(id="fine", sex="M", age_years=60.0, height_cm=177.0, weight_kg=85.0)
    start = time.process_time()
    fine.generate(Snapshot(patient=person, visit=VISIT), 7)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
    print(f"2 mm: {time.process_time() - start:.1f} CPU-s, peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()
