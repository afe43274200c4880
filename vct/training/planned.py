"""What virtual patients are planned with before they are painted: a millisecond each, where painting costs a
second. Painted organs measure as planned within a percent (`benchmarks/atlas.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vct.engine.atlas.build import read_index
from vct.engine.atlas.fit import scale_of
from vct.engine.atlas.matching import choose_case
from vct.engine.atlas.uptake import uptake_at
from vct.records import Patient
from vct.rng import stream
from vct.training.organs import OrganNumber
from vct.training.population import DAY0

VOLUMES = ("liver", "spleen", "kidneys", "heart", "lungs")


def planned(atlas: Path, patients: Iterable[Patient], seed: int) -> Iterator[OrganNumber]:
    """Volumes (ml) of `VOLUMES`, and SUVmean of every organ with an uptake of its own, at baseline.

    The same patients under the same seed are painted with these. Raises InputError where there is no atlas.
    """
    rows = read_index(atlas)
    for patient in patients:
        common: dict[str, Any] = {
            "scan": patient.id,
            "sex": patient.sex,
            "age_years": patient.age_years,
            "height_cm": patient.height_cm,
            "weight_kg": patient.weight_kg,
        }
        case = choose_case(rows, patient, stream(seed, patient.id, "body"))
        grown = float(np.prod(scale_of(case, patient)))
        for organ in VOLUMES:
            yield OrganNumber(
                **common, organ=organ, quantity="volume_ml", value=grown * float(getattr(case, f"{organ}_ml"))
            )
        for organ, suv in uptake_at(patient, DAY0.name, seed).suv.items():
            yield OrganNumber(**common, organ=organ, quantity="suv_mean", value=suv)
