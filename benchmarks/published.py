"""Do the shipped protocols, through scans and readings, find what the trials that they are modelled on found?

python benchmarks/published.py [RESOLUTION_MM] [WORKERS] [PROTOCOL] [PATIENTS]
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
    return lambda result: of(list(of_record(result, readout, visit).values()))


def of_record(result: TrialResult, readout: str, visit: str) -> dict[str, float]:
    """Each patient's reading of record."""
    return {
        r.patient: r.value
        for r in result.readings
        if (r.readout, r.visit, r.reader) == (readout, visit, "") and r.value is not None
    }


def fall_percent(readout: str, before: str, after: str) -> Found:
    """The median fall of a readout between two visits, in %."""

    def find(result: TrialResult) -> float:
        first, later = (of_record(result, readout, visit) for visit in (before, after))
        return median(100.0 * (1.0 - later[name] / first[name]) for name in first.keys() & later.keys())

    return find


def rest(found: Found) -> Found:
    """One less a share."""
    return lambda result: 1.0 - found(result)


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
    (
        "lymphoma_interim_pet",
        "MTV at baseline, median, ml (Mikhaeel 2022)",
        "307.9",
        baseline("mtv_4", "baseline", median),
    ),
    (
        "lymphoma_interim_pet",
        "SUVmax falls by, median, % (CALGB 50303)",
        "86.2",
        fall_percent("suv_max", "baseline", "interim"),
    ),
    (
        "lymphoma_interim_pet",
        "SUVmax falls by more than 66 % (PETAL)",
        "0.875",
        comparison("delta SUVmax", "response rate", "R-CHOP", "interim"),
    ),
    (
        "lymphoma_interim_pet",
        "Deauville 4 or 5 (CALGB 50303)",
        "0.35",
        rest(comparison("Deauville", "response rate", "R-CHOP", "interim")),
    ),
)


def main() -> None:
    """Print one line for each published number."""
    resolution_mm = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count() or 1
    engine = make_engine("phantom", resolution_mm)
    rows = [row for row in PUBLISHED if len(sys.argv) < 4 or row[0] == sys.argv[3]]
    size = {"sample_size": int(sys.argv[4])} if len(sys.argv) > 4 else {}
    results = {
        name: run(load(name).model_copy(update=size), engine, workers=workers)
        for name in dict.fromkeys(name for name, *_ in rows)
    }
    print(f"{hardware()}; {engine.name}; seeds as shipped; {size or 'patients as shipped'}")
    print("| protocol | number | published | simulated |\n|---|---|---|---|")
    for name, what, published, find in rows:
        print(f"| {name} | {what} | {published} | {find(results[name]):.2f} |")


if __name__ == "__main__":
    main()
