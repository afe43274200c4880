"""Do the shipped protocols, through scans and readings, find what the trials that they are modelled on found?

python benchmarks/published.py [RESOLUTION_MM] [WORKERS]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from statistics import mean, median, stdev

from hardware import hardware

from vct import TrialResult, load, make_engine, run

Found = Callable[[TrialResult], float]


def comparison(endpoint: str, quantity: str, arm: str, visit: str) -> Found:
    """The measured estimate of one statement about one arm, among those with a value."""

    def find(result: TrialResult) -> float:
        rows = [
            item.estimate
            for item in result.comparisons
            if (item.endpoint, item.quantity, item.arm, item.visit) == (endpoint, quantity, arm, visit)
            and (item.source, item.subgroup, item.reference) == ("measured", "all", "")
        ]
        return float(rows[0] or 0.0)

    return find


def baseline(readout: str, visit: str, of: Callable[[list[float]], float]) -> Found:
    """A statistic of what a readout measured at the first visit."""
    return lambda result: of(
        [r.value for r in result.readings if (r.readout, r.visit) == (readout, visit) and r.value is not None]
    )


PUBLISHED: tuple[tuple[str, str, str, Found], ...] = (
    (
        "nsclc_metabolic_response",
        "PCB: SUVpeak -30 % (de Jong 2017)",
        "0.73",
        comparison("SUVpeak response", "response rate", "PCB", "week3"),
    ),
    (
        "nsclc_metabolic_response",
        "SUVpeak at baseline, mean (Weber 2015, two trials)",
        "11.6, 6.9",
        baseline("suv_peak", "baseline", mean),
    ),
    (
        "nsclc_metabolic_response",
        "SUVpeak at baseline, SD (Weber 2015, two trials)",
        "7.9, 3.0",
        baseline("suv_peak", "baseline", stdev),
    ),
    (
        "single_arm_phase2",
        "SUVpeak change at week 7, median, % (REPOSIT)",
        "-64",
        comparison("SUVpeak change", "median", "vem+cobi", "week7"),
    ),
    ("single_arm_phase2", "SUVpeak at baseline, median (REPOSIT)", "12.6", baseline("suv_peak", "baseline", median)),
    ("single_arm_phase2", "MTV at baseline, median, ml (REPOSIT)", "159", baseline("mtv_4", "baseline", median)),
)


def main() -> None:
    """Print one line for each published number."""
    resolution_mm = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count() or 1
    engine = make_engine("phantom", resolution_mm)
    names = dict.fromkeys(name for name, *_ in PUBLISHED)
    results = {name: run(load(name), engine, workers=workers) for name in names}
    print(f"{hardware()}; {engine.name}; patients and seeds as shipped")
    print("| protocol | number | published | simulated |\n|---|---|---|---|")
    for name, what, published, find in PUBLISHED:
        print(f"| {name} | {what} | {published} | {find(results[name]):.2f} |")


if __name__ == "__main__":
    main()
