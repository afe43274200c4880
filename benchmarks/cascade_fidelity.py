"""The cascade against held-out virtual patients, beside two baselines; writes a page.

    python benchmarks/cascade_fidelity.py WEIGHTS ATLAS WORK [-n 200] [--workers 2] [--out PAGE.md]

Everybody has the same demographics, drawn from the atlas under a seed that training did not use: `held-out` are painted
by the atlas, `engine` generated from sex, age, height and weight, `mean` are the mean of these demographics without
diffusion, and `fresh` are painted by the atlas again, with other organs and uptake. A killed call goes on in WORK,
which holds the populations' organ numbers and the tables that `vct card` reads.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from hardware import hardware

from vct.engine.atlas import Atlas
from vct.engine.base import Engine
from vct.engine.cascade.engine import Cascade
from vct.records import Patient
from vct.training.card import lacking, read_rows
from vct.training.fidelity import as_table, compare
from vct.training.organs import read_numbers
from vct.training.population import Order, draw_patients, sample

SEED = 40_000
"""Of the demographics and of the held-out bodies; one more for the others."""
NAMES = ("engine", "mean", "fresh")


def population(engine: Engine, patients: list[Patient], out: Path, seed: int, workers: int) -> None:
    """Organ numbers of everybody in `out`."""
    order = Order(engine=engine, out=out, seed=seed, about="a benchmark", keep_scans=False)
    for done, name in enumerate(sample(order, patients, workers), start=1):
        print(out.name, done, name, flush=True)


def main() -> None:
    """Make the populations, compare, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("atlas", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--resolution", type=float, default=4.0)
    parser.add_argument("--noise-cov", type=float, default=0.0, help="of the atlas's PETs, as in the training")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/cascade_fidelity.md"))
    options = parser.parse_args()
    patients = draw_patients(options.atlas, options.n, SEED)
    atlas = Atlas(folder=options.atlas, spacing_mm=options.resolution, noise_cov=options.noise_cov)
    made = {
        "held-out": (atlas, SEED),
        "engine": (Cascade.load(options.weights, options.resolution), SEED + 1),
        "mean": (Cascade.load(options.weights, options.resolution, mean=True), SEED + 1),
        "fresh": (atlas, SEED + 1),
    }
    for name, (engine, seed) in made.items():
        population(engine, patients, options.work / name, seed, options.workers)
    reference = read_numbers(options.work / "held-out" / "organs.csv")
    for name in NAMES:
        own = options.work / name
        table = as_table(compare(read_numbers(own / "organs.csv"), reference))
        table.to_csv(own / "fidelity.csv", index=False, float_format="%.5g")
    rows = {name: read_rows(options.work / name) for name in NAMES}
    frame = pd.DataFrame(
        {
            "organ": row.organ,
            "quantity": row.quantity,
            "sex": row.sex,
            **{
                f"{name} {what}": value
                for name in NAMES
                for other in [next(item for item in rows[name] if item.label == row.label)]
                for what, value in (
                    ("mean, %", f"{other.deviation_percent:+.1f}"),
                    ("95 % interval", f"{other.low_percent:+.1f} to {other.high_percent:+.1f}"),
                    ("spread", f"{other.spread_ratio:.2f}"),
                )
            },
        }
        for row in rows["engine"]
    )
    missed = [text for row in rows["engine"] for text in row.failures()]
    without = lacking(options.work / "engine")
    text = [
        "# Fidelity of the cascade, beside two baselines", "",
        f"{options.n} patients at {options.resolution:g} mm, {made['engine'][0].name}, seed {SEED}; {hardware()}. "
        "Deviation of the mean from that of the held-out patients in percent; standard deviation over theirs. "
        "Written by `benchmarks/cascade_fidelity.py`, which says who they are.", "",
        _markdown(frame), "",
        f"Outside 10 % or a spread ratio of .7 to 1.3: {len(missed)} of {len(rows['engine'])} rows.",
        *[f"- {line}" for line in missed],
        f"Patients that lack one of the organs: {len(without)}.",
    ]  # fmt: skip
    options.out.write_text("\n".join(text) + "\n")
    print("\n".join(text))


def _markdown(frame: pd.DataFrame) -> str:
    lines = [list(frame.columns), ["---"] * len(frame.columns), *frame.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
