"""The draws behind the virtual population, many thousand of them, unpainted: organ volumes and uptake against AutoPET.

    python benchmarks/atlas_draw.py ATLAS AUTOPET_ORGANS.csv AUTOPET_SUV_QUANTILES.csv [N [POPULATION SEED]]

With 20,000 draws a mean's own error is below 0.5 %. What painting makes of a draw is told from POPULATION, painted
under SEED: its mean over the mean of its own patients' draws (a ratio estimator, Cochran 1977, Sampling Techniques,
chapter 6). That ratio times the mean of all draws is the mean of the painted population without the chance of who is
in it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from atlas_fidelity import percent, uptake, volumes, wide

from vct.records import Patient
from vct.training.planned import planned
from vct.training.population import draw_patients

ORGANS = ("liver", "spleen", "kidneys", "heart", "lungs")
UPTAKES = ("liver", "kidneys", "heart")
NAMES = {"skeletal_muscle": "skeletal_muscle_all"}
SEED = 2026


def drawn(atlas: Path, n: int, seed: int, patients: list[Patient] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Planned organ volumes and SUVmeans at baseline of the `n` patients of a seed, or of others, one row each."""
    rows: dict[str, list[dict[str, Any]]] = {"volume_ml": [], "suv_mean": []}
    for item in planned(atlas, patients or draw_patients(atlas, n, seed), seed):
        own = rows[item.quantity]
        if not own or own[-1]["scan"] != item.scan:
            who = {"sex": item.sex, "age": item.age_years, "height": item.height_cm, "weight": item.weight_kg}
            own.append({"scan": item.scan} | who)
        own[-1][item.organ] = item.value
    sizes, uptakes = (pd.DataFrame(rows[quantity]) for quantity in ("volume_ml", "suv_mean"))
    for name, source in NAMES.items():
        uptakes[name] = uptakes[source]
    return sizes, uptakes


def painted(
    what: str, found: pd.DataFrame, own: pd.DataFrame, every: pd.DataFrame, known: dict[tuple[str, str], float]
) -> None:
    """Painted over drawn of the same patients, and what follows for the mean of all draws; 95 % bootstrap intervals."""
    print(f"\n| {what} | sex | n | painted / drawn | mean of all draws | AutoPET | dev % (95 % CI) |")
    print("|---|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    both = found.merge(own, on="scan", suffixes=("", "_drawn"))
    for (organ, sex), reference in known.items():
        a, b = (both.loc[both["sex"] == sex, name].to_numpy() for name in (organ, f"{organ}_drawn"))
        whole = every.loc[every["sex"] == sex, organ].to_numpy()
        pick = rng.integers(a.size, size=(2000, a.size))
        ratios = a[pick].mean(axis=1) / b[pick].mean(axis=1)
        means = whole[rng.integers(whole.size, size=(2000, whole.size))].mean(axis=1)
        low, high = np.percentile(percent(ratios * means, reference), [2.5, 97.5])
        ratio = a.mean() / b.mean()
        print(
            f"| {organ} | {sex} | {a.size} | {ratio:.3f} | {ratio * whole.mean():.4g} | {reference:.4g} "
            f"| {percent(ratio * whole.mean(), reference):+.1f} ({low:+.1f} to {high:+.1f}) |"
        )


def main() -> None:
    """Print the tables of `atlas_fidelity` for draws; with a painted population, what painting makes of them."""
    atlas, organs, suv = (Path(item) for item in sys.argv[1:4])
    n = int(sys.argv[4]) if len(sys.argv) > 4 else 20_000
    autopet, quantiles = pd.read_csv(organs), pd.read_csv(suv)
    sizes, uptakes = drawn(atlas, n, SEED)
    print(f"{n} draws, seed {SEED}")
    volumes(sizes, autopet)
    uptake(uptakes, quantiles)
    if len(sys.argv) > 5:
        population, seed = Path(sys.argv[5]), int(sys.argv[6])
        found = wide(population, "volume_ml"), wide(population, "suv_mean")
        own = drawn(atlas, len(found[0]), seed)
        adults = autopet[autopet["age_years"] >= 18]
        ml = {(o, s): float(adults.loc[adults["sex"] == s, f"{o}_ml"].mean()) for o in ORGANS for s in "FM"}
        means = quantiles.set_index(["organ", "sex"])["mean"]
        value = {(o, s): float(means[o, name]) for o in UPTAKES for s, name in (("F", "female"), ("M", "male"))}
        painted("volume", found[0], own[0], sizes, ml)
        painted("SUVmean", found[1], own[1], uptakes, value)


if __name__ == "__main__":
    main()
