"""Do organs of painted bodies measure as they were planned? SUVmean in the labels over the uptake drawn for the scan.

python benchmarks/atlas_uptake.py ATLAS [PATIENTS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from hardware import hardware

from vct import stream
from vct.engine.atlas.engine import Atlas
from vct.records import Patient, Snapshot, Visit
from vct.structures import voxels_of

ORGANS = ("liver", "kidneys", "heart", "spleen", "aorta", "lungs")
HEIGHT_CM = {"F": 163.0, "M": 177.0}
SEED = 3


def main(folder: Path, patients: int) -> None:
    """Print a row for each organ and sex."""
    engine = Atlas(folder=folder, spacing_mm=4.0, noise_cov=0.0)
    rng = stream(SEED, "people")
    print(f"{patients} patients of each sex, 30 to 80 years, BMI 18 to 45, 4 mm, seed {SEED}; {hardware()}\n")
    print("| organ | sex | measured / planned | SE | 5th to 95th percentile |\n|---|---|---|---|---|")
    for sex, height in HEIGHT_CM.items():
        ratios: dict[str, list[float]] = {organ: [] for organ in ORGANS}
        for number in range(patients):
            height_cm = height + 7.0 * rng.standard_normal()
            bmi = float(np.clip(27.0 + 5.0 * rng.standard_normal(), 18.0, 45.0))
            age = float(rng.uniform(30.0, 80.0))
            weight = bmi * (height_cm / 100.0) ** 2
            who = Patient(id=f"{sex}{number}", sex=sex, age_years=age, height_cm=height_cm, weight_kg=weight)
            scan = engine.generate(Snapshot(patient=who, visit=Visit(name="baseline", day=0.0)), SEED)
            for organ, found in ratios.items():
                inside = voxels_of(scan.labels.data, organ)
                found.append(float(scan.pet.data[inside].mean()) / scan.planted_suv[organ])
        for organ, found in ratios.items():
            low, high = np.percentile(found, [5, 95])
            error = np.std(found) / np.sqrt(patients)
            print(f"| {organ} | {sex} | {np.mean(found):.3f} | {error:.3f} | {low:.3f} to {high:.3f} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 50)
