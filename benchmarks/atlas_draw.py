"""The draws behind the virtual population, many thousand of them, unpainted: organ volumes and uptake against AutoPET.

    python benchmarks/atlas_draw.py ATLAS AUTOPET_ORGANS.csv AUTOPET_SUV_QUANTILES.csv [N]

A painted organ measures as drawn to within a few percent (`benchmarks/atlas.md`), so what is wrong here is wrong there;
with 20,000 draws a mean's own error is below 0.5 %.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from atlas_fidelity import uptake, volumes

from vct.engine.atlas.build import read_index
from vct.engine.atlas.fit import scale_of
from vct.engine.atlas.matching import choose_case
from vct.engine.atlas.uptake import draw_uptake
from vct.rng import stream
from vct.training.population import draw_patients

ORGANS = ("liver", "spleen", "kidneys", "heart", "lungs")
NAMES = {"skeletal_muscle": "skeletal_muscle_all"}
SEED = 2026


def main() -> None:
    """Print the tables of `atlas_fidelity` for draws."""
    atlas, organs, suv = (Path(item) for item in sys.argv[1:4])
    n = int(sys.argv[4]) if len(sys.argv) > 4 else 20_000
    rows = read_index(atlas)
    sizes, uptakes = [], []
    for patient in draw_patients(atlas, n, SEED):
        case = choose_case(rows, patient, stream(SEED, patient.id, "body"))
        grown = float(np.prod(scale_of(case, patient)))
        who = {
            "sex": patient.sex,
            "age": patient.age_years,
            "height": patient.height_cm,
            "weight": patient.weight_kg,
        }
        sizes.append(who | {organ: grown * getattr(case, f"{organ}_ml") for organ in ORGANS})
        drawn = draw_uptake(
            patient, stream(SEED, patient.id, "uptake"), stream(SEED, patient.id, "baseline", "day")
        ).suv
        uptakes.append(who | dict(drawn) | {name: drawn[source] for name, source in NAMES.items()})
    print(f"{n} draws, seed {SEED}")
    volumes(pd.DataFrame(sizes), pd.read_csv(organs))
    uptake(pd.DataFrame(uptakes), pd.read_csv(suv))


if __name__ == "__main__":
    main()
