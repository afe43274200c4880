"""Where the power of the demo's trial goes: its SUVpeak change by source, read by one reader who errs as experts do.

python benchmarks/decompose.py [PATIENTS] [RESOLUTION_MM] [OUT]
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from hardware import hardware

from vct import load, make_engine
from vct.decompose import decompose
from vct.readout import Panel
from vct.readout.reader import Reader

ENDPOINT, EFFECT = "SUVpeak change", 15.0
EXPERT = Reader(name="R1", choice_sd=0.17, placement_sd_mm=2.0)
"""Choice as in `benchmarks/readers.md`, placement assumed."""


def main(patients: int, resolution_mm: float, out: Path | None) -> None:
    """Print the table, and write it as `vct decompose --out` does."""
    protocol = load("nsclc_metabolic_response")
    read = tuple(readout for readout in protocol.readouts if readout.label == "suv_peak")
    protocol = protocol.model_copy(update={"reading": Panel(readers=(EXPERT,)), "readouts": read})
    engine = make_engine("phantom", resolution_mm)
    parts = decompose(protocol, engine, ENDPOINT, patients=patients, effect=EFFECT)
    print(f"{ENDPOINT} of {protocol.title!r}, {patients} patients, {engine.name}, seed {protocol.seed}; {hardware()}")
    print("| source | variance | Monte Carlo SE | share, % | patients |\n|---|---|---|---|---|")
    for part in parts:
        share, cost = f"{100.0 * part.share:.0f}", f"{part.patients_cost or 0.0:.0f}"
        print(f"| {part.source} | {part.variance:.0f} | {part.mc_se:.0f} | {share} | {cost} |")
    if out:
        pd.DataFrame([asdict(part) for part in parts]).to_csv(out, index=False, lineterminator="\n")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 60,
        float(given[1]) if len(given) > 1 else 8.0,
        Path(given[2]) if len(given) > 2 else None,
    )
