"""What changes from one day to the next: uptake, tissue by tissue."""

from __future__ import annotations

import numpy as np

from vct.engine.cascade.tissues import tissue_table
from vct.rng import stream

COMMON_SD = 0.06
OWN_SD = 0.05
OWN_SDS = {
    "myocardium": 0.3,
    "colon": 0.25,
    "small_bowel": 0.25,
    "stomach": 0.15,
    "renal_pelvis": 0.4,
    "urinary_bladder": 0.4,
}
"""Standard deviations of ln SUV between days. Liver 6.7 % 13 days apart, 10.8 to 13.4 % 271 days apart (Paquet 2004,
J Nucl Med 45:784); the split into a common and an own part, and the larger values of heart, gut and urine, are
assumed."""


def day_factors(patient_id: str, visit: str, seed: int) -> np.ndarray:
    """(256,) factor on the SUV of every label on the day of a visit, from the stream named "day"; 1 for air."""
    rng = stream(seed, patient_id, visit, "day")
    table, names = tissue_table()
    own = np.array([OWN_SDS.get(name, OWN_SD) for name in names]) * rng.standard_normal(len(names))
    factors = np.exp(COMMON_SD * rng.standard_normal() + own)
    factors[0] = 1.0
    return np.asarray(factors[table], dtype=np.float32)
