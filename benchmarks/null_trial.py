"""Are p-values uniform when there is no effect? The shipped null trial over many seeds, through scans and readings.

python benchmarks/null_trial.py [SEEDS] [PATIENTS]
"""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import partial
from multiprocessing import get_context

from hardware import hardware
from scipy import stats

from vct import load, make_engine, run

RESOLUTION_MM = 8.0


def p_values(patients: int, seed: int) -> dict[str, float]:
    """The p-value of every two-arm statement of one null trial."""
    protocol = load("null_trial").model_copy(update={"sample_size": patients})
    result = run(protocol, make_engine("phantom", RESOLUTION_MM), seed=seed)
    return {
        f"{item.endpoint} {item.method} {item.source}": item.p_value
        for item in result.comparisons
        if item.reference and item.p_value is not None and item.subgroup == "all" and item.analysis_set == "ITT"
    }


def main() -> None:
    """Print one line a method: share below .05 and the Kolmogorov-Smirnov p of uniformity."""
    seeds, patients = (int(text) for text in (*sys.argv[1:], "200", "24")[:2])
    found: dict[str, list[float]] = defaultdict(list)
    with get_context("spawn").Pool() as pool:
        for values in pool.imap_unordered(partial(p_values, patients), range(seeds)):
            for name, value in values.items():
                found[name].append(value)
    print(f"{hardware()}; {seeds} seeds, {patients} patients, phantom {RESOLUTION_MM:g} mm")
    print("| endpoint, method, source | n | share p < .05 | KS p of uniformity |\n|---|---|---|---|")
    for name, values in sorted(found.items()):
        share = sum(value < 0.05 for value in values) / len(values)
        print(f"| {name} | {len(values)} | {share:.3f} | {stats.kstest(values, 'uniform').pvalue:.3f} |")


if __name__ == "__main__":
    main()
