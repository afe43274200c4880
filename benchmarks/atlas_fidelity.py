"""The virtual population against AutoPET's and hedyPET's numbers: the table of `docs/atlas.md`'s promises.

    python benchmarks/atlas_fidelity.py POPULATION AUTOPET_ORGANS.csv AUTOPET_SUV_QUANTILES.csv

POPULATION is a folder made by `vct atlas sample ATLAS --no-keep-scans` (or one that is still being made);
the two tables are the user's: organ volumes by case, and SUVmean quantiles by organ and sex (Yoon 2025).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vct.engine.atlas.uptake import predicted
from vct.records import Patient
from vct.training.organs import read_numbers

HEDYPET = {
    "spleen": "spleen",
    "aorta": "aorta",
    "lungs": "lungs",
    "skeletal_muscle": "skeletal_muscle_all",
    "vertebrae_lumbar": "vertebrae_lumbar",
}
SLOPES = {"liver": 0.11126, "aorta": 0.10074, "spleen": 0.08453, "kidneys": 0.06961, "lungs": 0.19378}


def wide(population: Path, quantity: str) -> pd.DataFrame:
    """One row a patient, one column an organ."""
    numbers = [item for path in sorted((population / "numbers").glob("*.csv")) for item in read_numbers(path)]
    rows = [
        {
            "scan": item.scan,
            "sex": item.sex,
            "age": item.age_years,
            "height": item.height_cm,
            "weight": item.weight_kg,
            "organ": item.organ,
            "value": item.value,
        }
        for item in numbers
        if item.quantity == quantity
    ]
    index = ["scan", "sex", "age", "height", "weight"]
    return pd.DataFrame(rows).pivot(index=index, columns="organ", values="value").reset_index()


def percent(value: Any, reference: float) -> Any:
    """Deviation in percent."""
    return 100.0 * (value / reference - 1.0)


def boot(values: np.ndarray, reference: float) -> tuple[float, float]:
    """95 % bootstrap interval of the mean's deviation in percent."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(values.size, size=(2000, values.size))].mean(axis=1)
    low, high = np.percentile(100.0 * (means / reference - 1.0), [2.5, 97.5])
    return float(low), float(high)


def volumes(table: pd.DataFrame, autopet: pd.DataFrame) -> None:
    """Organ volumes by sex, and their trend with age."""
    print("\n| volume | sex | n | mean ml | AutoPET | dev % (95 % CI) | SD ratio | ml/year | AutoPET |")
    print("|---|---|---|---|---|---|---|---|---|")
    for organ in ("liver", "spleen", "kidneys", "heart", "lungs"):
        for sex in ("F", "M"):
            mine = table[table["sex"] == sex]
            other = autopet[(autopet["sex"] == sex) & (autopet["age_years"] >= 18)]
            a, b = mine[organ].dropna().to_numpy(), other[f"{organ}_ml"].to_numpy()
            low, high = boot(a, b.mean())
            trend = np.polyfit(mine["age"], mine[organ], 1)[0]
            known = np.polyfit(other["age_years"], other[f"{organ}_ml"], 1)[0]
            print(
                f"| {organ} | {sex} | {a.size} | {a.mean():.0f} | {b.mean():.0f} | {percent(a.mean(), b.mean()):+.1f} "
                f"({low:+.1f} to {high:+.1f}) | {a.std(ddof=1) / b.std(ddof=1):.2f} | {trend:+.2f} | {known:+.2f} |"
            )


def uptake(table: pd.DataFrame, quantiles: pd.DataFrame) -> None:
    """SUVmean by sex, and slopes on BMI."""
    print("\n| SUVmean | sex | n | mean | AutoPET | dev % (95 % CI) | p5 dev % | p95 dev % |")
    print("|---|---|---|---|---|---|---|---|")
    for organ in ("liver", "kidneys", "heart"):
        for sex, name in (("F", "female"), ("M", "male")):
            row = quantiles[(quantiles["organ"] == organ) & (quantiles["sex"] == name)].iloc[0]
            a = table[table["sex"] == sex][organ].to_numpy()
            low, high = boot(a, row["mean"])
            print(
                f"| {organ} | {sex} | {a.size} | {a.mean():.2f} | {row['mean']:.2f} "
                f"| {percent(a.mean(), row['mean']):+.1f} "
                f"({low:+.1f} to {high:+.1f}) | {percent(np.percentile(a, 5), row['p5']):+.0f} "
                f"| {percent(np.percentile(a, 95), row['p95']):+.0f} |"
            )
    print("\n| SUVmean | mean | hedyPET at the same sex, age, BMI | dev % |\n|---|---|---|---|")
    people = [
        Patient(id="x", sex=r.sex, age_years=r.age, height_cm=r.height, weight_kg=r.weight) for r in table.itertuples()
    ]
    for organ, name in HEDYPET.items():
        known = float(np.mean([predicted(name, person) for person in people]))
        print(f"| {organ} | {table[organ].mean():.2f} | {known:.2f} | {percent(table[organ].mean(), known):+.1f} |")
    bmi = table["weight"] / (table["height"] / 100.0) ** 2
    for low, high in ((16.0, 60.0), (18.0, 38.0)):
        keep = (bmi > low) & (bmi < high)
        print(f"\n| slope of ln SUVmean per 5 kg/m2, BMI {low:g} to {high:g} | fitted | hedyPET |\n|---|---|---|")
        for organ, known in SLOPES.items():
            columns = [np.ones(keep.sum()), bmi[keep] / 5, table["age"][keep] / 10, table["sex"][keep] == "M"]
            fit = np.linalg.lstsq(np.stack(columns, axis=1).astype(float), np.log(table[organ][keep]), rcond=None)[0]
            print(f"| {organ} | {fit[1]:.3f} | {known:.3f} |")


def main() -> None:
    """Print every table."""
    population, organs, suv = (Path(item) for item in sys.argv[1:4])
    table = wide(population, "volume_ml")
    print(f"{len(table)} virtual patients")
    print(f"body volume against weight: r = {np.corrcoef(table['whole_body'], table['weight'])[0, 1]:.3f}")
    volumes(table, pd.read_csv(organs))
    uptake(wide(population, "suv_mean"), pd.read_csv(suv))
    highest = wide(population, "suv_max")
    print("\n| SUVmax | sex | median | p5 | p95 |\n|---|---|---|---|---|")
    for organ in ("liver", "kidneys", "heart", "spleen", "aorta"):
        for sex in ("F", "M"):
            p5, p50, p95 = np.percentile(highest[highest["sex"] == sex][organ], [5, 50, 95])
            print(f"| {organ} | {sex} | {p50:.1f} | {p5:.1f} | {p95:.1f} |")


if __name__ == "__main__":
    main()
