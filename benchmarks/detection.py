"""How well are lesions found on the image? Sensitivity by size and contrast, and false marks a patient.

python benchmarks/detection.py [PATIENTS] [RESOLUTION_MM] [PROTOCOL] [OUT.csv] [ENGINE]
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from pathlib import Path

from hardware import hardware

from vct import load, make_engine
from vct.readout.detection import detection
from vct.records import Visit

SIZES_MM, CONTRASTS = (0, 10, 15, 20, 30, 50, 1000), (0, 1.5, 2, 3, 5, 1000)
SEED = 20


def band(value: float, edges: tuple[float, ...]) -> str:
    """The interval that holds a value."""
    low, high = next(pair for pair in itertools.pairwise(edges) if value < pair[1])
    return f"{low:g}-{high:g}" if high < 1000 else f">= {low:g}"


def main(patients: int, resolution_mm: float, name: str, out: Path | None, engine_name: str) -> None:
    """Scan the first visit of a protocol's patients and print the curve."""
    protocol = load(name)
    engine = make_engine(engine_name, resolution_mm)
    first = protocol.visits[0]
    found: Counter[tuple[str, str]] = Counter()
    planted: Counter[tuple[str, str]] = Counter()
    by_site: Counter[tuple[str, bool]] = Counter()
    false: Counter[str] = Counter()
    for patient in protocol.enrol(SEED).patients[:patients]:
        snapshot = protocol.course.at(patient, Visit(name=first.name, day=first.day), SEED)
        scan = protocol.acquisition.acquire(engine.generate(snapshot, SEED), SEED)
        result = detection(scan)
        false.update(mark.organ for mark in result.false)
        for lesion, hit in [(lesion, True) for lesion, _ in result.hits] + [(one, False) for one in result.missed]:
            contrast = lesion.suv / max(scan.background_suv.get(lesion.id, 1.0), 0.05)
            key = band(lesion.diameter_mm, SIZES_MM), band(contrast, CONTRASTS)
            planted[key] += 1
            found[key] += hit
            by_site[lesion.organ, hit] += 1
    rows = ["diameter_mm,contrast,n,found,sensitivity"]
    for size in [band(edge, SIZES_MM) for edge in SIZES_MM[:-1]]:
        for contrast in [band(edge, CONTRASTS) for edge in CONTRASTS[:-1]]:
            n = planted[size, contrast]
            if n:
                hits = found[size, contrast]
                rows.append(f"{size},{contrast},{n},{hits},{hits / n:.3f}")
    if out:
        out.write_text("\n".join(rows) + "\n")
    total, hits, marks = sum(planted.values()), sum(found.values()), sum(false.values())
    print(f"{name}, {patients} patients, {engine_name} {resolution_mm:g} mm, seed {SEED}; {hardware()}")
    print(f"{hits} of {total} lesions found; {marks / patients:.2f} false marks a patient {dict(false)}")
    print(
        "by site: "
        + ", ".join(
            f"{s} {by_site[s, True]}/{by_site[s, True] + by_site[s, False]}"
            for s in sorted({site for site, _ in by_site})
        )
    )
    print("\n".join(rows))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 40,
        float(given[1]) if len(given) > 1 else 4.0,
        given[2] if len(given) > 2 else "nsclc_metabolic_response",
        Path(given[3]) if len(given) > 3 else None,
        given[4] if len(given) > 4 else "phantom",
    )
