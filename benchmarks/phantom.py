"""What a scan of the phantom costs: CPU seconds and peak memory by voxel size, for a fresh process each.

"first" settles the body and, with lesions, finds their places; "again" is the next visit of the same patient.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

from hardware import hardware

from vct import make_engine
from vct.records import Lesion, Patient, Scan, Snapshot, Visit

SPACINGS_MM = (8.0, 4.0, 2.0)
PATIENT = Patient(id="P1", sex="M", age_years=60.0, height_cm=176.0, weight_kg=80.0)
LESIONS = tuple(
    Lesion(id=f"L{number}", organ=organ, diameter_mm=20.0, suv=8.0, room_mm=22.0)
    for number, organ in enumerate(("lung", "mediastinum", "liver", "bone") * 2)
)


def one(spacing_mm: float) -> None:
    """Print the row of one voxel size, from within a fresh process."""
    engine = make_engine("phantom", spacing_mm)

    def seconds(visit: str, lesions: tuple[Lesion, ...]) -> tuple[float, Scan]:
        begun = time.process_time()
        scan = engine.generate(Snapshot(patient=PATIENT, visit=Visit(name=visit, day=0.0), lesions=lesions), seed=1)
        return time.process_time() - begun, scan

    first, scan = seconds("baseline", ())
    again, _ = seconds("week8", ())
    with_lesions, _ = seconds("week16", LESIONS)
    lesions_again, _ = seconds("week24", LESIONS)
    shape = " x ".join(str(n) for n in scan.pet.data.shape)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    print(
        f"| {spacing_mm:g} mm | {shape} | {first:.2f} | {again:.2f} | {with_lesions:.2f} | {lesions_again:.2f} "
        f"| {peak_mb:.0f} |"
    )


def main() -> None:
    """Print the table."""
    if len(sys.argv) > 1:
        one(float(sys.argv[1]))
        return
    print(hardware())
    print("| voxel | shape | first, s | again, s | + 8 lesions first, s | + 8 lesions again, s | peak MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for spacing_mm in SPACINGS_MM:
        subprocess.run([sys.executable, __file__, str(spacing_mm)], check=True)


if __name__ == "__main__":
    main()
