"""Two days of the same bodies, from the shipped weights: what the gate says, how uptake repeats, how organs agree.

    python benchmarks/visits.py [PATIENTS] [RESOLUTION_MM] [STILL] [--out PAGE.md]

Patients and lesions are those of `test_retest`, before the scanner: what repeats is the body, which documented
parameters set. Everybody is scanned without a change of position and breath, too; the first STILL of these pairs are
segmented.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from hardware import hardware
from scipy import ndimage

from vct import load, make_engine
from vct.engine.cascade.day import OWN_SDS, DayToDay
from vct.engine.cascade.engine import Cascade
from vct.engine.cascade.tissues import tissue_table
from vct.forms import filling
from vct.plausibility import TWIN, Learned, findings, look
from vct.readout.segmenter import labels_on_pet
from vct.records import Scan, Snapshot, Visit
from vct.segmenter import Network
from vct.structures import labels_of
from vct.volume import Volume

ORGANS = ("liver", "spleen", "lungs", "kidneys", "heart", "skeletal_muscle", "vertebrae", "aorta", "urinary_bladder")
EVERY = 5
FEWEST = 50
DRAWN = 100
VISITS = (Visit(name="test", day=0.0), Visit(name="retest", day=3.0))


@dataclass
class Seen:
    """What the pairs of scans gave: natural logarithms of retest over test, Dice, broken rules."""

    organs: dict[str, list[float]] = field(default_factory=lambda: {organ: [] for organ in ORGANS})
    drawn: dict[str, list[float]] = field(default_factory=lambda: {organ: [] for organ in ORGANS})
    lesions: list[list[tuple[float, float, float]]] = field(default_factory=list)
    dice: dict[str, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))
    said: list[str] = field(default_factory=list)
    scans: int = 0
    failed: int = 0
    caught: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)


def faults(scan: Scan, learned: Learned) -> Iterator[tuple[str, Scan, Learned]]:
    """A good scan with one fault each: a missing liver, shifted HU, doubled SUV, a mirrored body, a training body."""
    labels = scan.labels
    if labels is None:
        return
    without = np.where(np.isin(labels.data, labels_of("liver")), 0, labels.data).astype(np.uint8)
    yield "missing liver", replace(scan, labels=replace(labels, data=without)), learned
    for hu in (-80.0, 80.0):
        shifted = replace(scan.ct, data=scan.ct.data + np.float32(hu))
        yield f"HU shifted by {hu:+.0f}", replace(scan, ct=shifted), learned
    yield "SUV doubled", replace(scan, pet=replace(scan.pet, data=2.0 * scan.pet.data)), learned
    mirrored = {
        name: replace(volume, data=np.ascontiguousarray(volume.data[::-1]))
        for name, volume in (("ct", scan.ct), ("pet", scan.pet), ("labels", labels))
    }
    yield "mirrored body", replace(scan, **mirrored), learned
    own = np.array([look(labels)])
    if own.size:
        near = own + np.random.default_rng(1).normal(0.0, TWIN / 4.0, own.shape)
        yield "copied training scan", scan, replace(learned, looks=near)


def numbered(labels: Volume | np.ndarray) -> np.ndarray:
    """(X, Y, Z) the place in `ORGANS`, from 1, of every voxel; 0 elsewhere."""
    table = np.zeros(256, dtype=np.uint8)
    for number, organ in enumerate(ORGANS, start=1):
        table[list(labels_of(organ))] = number
    return np.asarray(table[labels.data if isinstance(labels, Volume) else labels])


def on_pet(scan: Scan) -> np.ndarray:
    """(X, Y, Z) `numbered` where the PET shows the organs, two voxels inside their borders, or one where that leaves
    fewer than `FEWEST`: volumes of interest, as test-retest studies draw them."""
    labels = labels_on_pet(scan)
    organs = numbered(labels) if labels else np.zeros(scan.pet.data.shape, np.uint8)
    found = np.zeros_like(organs)
    for width in (3, 5):
        inner = ndimage.minimum_filter(organs, width) == ndimage.maximum_filter(organs, width)
        counts = np.bincount(organs[inner], minlength=len(ORGANS) + 1)
        kept = inner & (counts[organs] >= FEWEST)
        found = np.where(np.isin(organs, np.unique(organs[kept])), np.where(kept, organs, 0), found)
    return found.astype(np.uint8)


def organ_suv(scan: Scan, organs: np.ndarray) -> np.ndarray:
    """Mean SUV of the voxels of every organ, lesions and their spill left out; NaN without any."""
    free = organs.copy()
    for lesion in scan.snapshot.lesions:
        filled = filling(scan.pet.grid, lesion, margin_mm=2.0 * scan.fwhm_mm)
        if filled is not None:
            free[filled.box] = 0
    sums = np.bincount(free.ravel(), weights=scan.pet.data.ravel(), minlength=len(ORGANS) + 1)
    counts = np.bincount(free.ravel(), minlength=len(ORGANS) + 1)
    return sums[1:] / np.where(counts[1:], counts[1:], np.nan)


def lesion_suv(scan: Scan) -> dict[str, tuple[float, float, float]]:
    """Of every lesion in view: planted SUV, mean and maximum over the voxels of which it fills more than half."""
    found = {}
    for lesion in scan.snapshot.lesions:
        filled = filling(scan.pet.grid, lesion)
        if filled is not None and (filled.whole > 0.5).any():
            values = scan.pet.data[filled.box][filled.whole > 0.5]
            found[lesion.id] = lesion.suv, float(values.mean()), float(values.max())
    return found


def dices(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Dice of every organ that either map of organs shows."""
    sizes = np.bincount(one.ravel(), minlength=len(ORGANS) + 1) + np.bincount(other.ravel(), minlength=len(ORGANS) + 1)
    shared = np.bincount(one[one == other], minlength=len(ORGANS) + 1)
    return {organ: 2.0 * float(shared[k] / sizes[k]) for k, organ in enumerate(ORGANS, 1) if sizes[k]}


def walk(engine: Cascade, patients: int, still_patients: int) -> Iterator[tuple[int, Seen]]:
    """Scan everybody twice and look; now and then how many were done and what was seen so far."""
    protocol, seen, network = load("test_retest"), Seen(), Network()
    still = replace(engine, daily=DayToDay(position_mm=(0.0, 0.0, 0.0), breath_mm=0.0, mismatch_mm=0.0))
    seed = protocol.seed
    for number, patient in enumerate(protocol.enrol(seed, patients).patients):
        scans = [engine.generate(protocol.course.at(patient, visit, seed), seed) for visit in VISITS]
        for scan in scans:
            broken = findings(scan, engine.learned)
            seen.scans, seen.failed = seen.scans + 1, seen.failed + bool(broken)
            seen.said += [f"{item.patient} {item.visit}: {item.rule}, {item.said}" for item in broken]
        if number % EVERY == 0 and not findings(scans[0], engine.learned):
            for name, bad, learned in faults(scans[0], engine.learned):
                seen.planted[name] += 1
                seen.caught[name] += bool(findings(bad, learned))
        before, after = (lesion_suv(scan) for scan in scans)
        both = sorted(before.keys() & after.keys())
        seen.lesions.append([tuple(np.log(np.divide(after[name], before[name])).tolist()) for name in both])
        maps = [numbered(scan.labels) for scan in scans if scan.labels is not None]
        inside = [on_pet(scan) for scan in scans]
        suv = [organ_suv(scan, organs) for scan, organs in zip(scans, inside, strict=True)]
        seen.dice["engine, as it lies"].append(dices(*maps))
        scans = [still.generate(Snapshot(patient=patient, visit=visit), seed) for visit in VISITS]
        due = [organ_suv(scan, on_pet(scan)) for scan in scans]
        for organ, ratio, drawn in zip(ORGANS, np.log(suv[1] / suv[0]), np.log(due[1] / due[0]), strict=True):
            seen.organs[organ].append(float(ratio))
            seen.drawn[organ].append(float(drawn))
        seen.dice["engine"].append(dices(*(numbered(scan.labels) for scan in scans if scan.labels)))
        if number < still_patients:
            seen.dice["segmenter"].append(dices(*(numbered(network.segment(scan.ct, scan.pet)) for scan in scans)))
        if number % EVERY == EVERY - 1 or number == patients - 1:
            yield number + 1, seen


def asked(daily: DayToDay, patients: int) -> tuple[float, float]:
    """CV, %, of the drawn factors of all tissues without a spread of their own, and of planted lesions; no scans."""
    protocol = load("test_retest")
    seed, names = protocol.seed, tissue_table()[1]
    usual = [place for place, name in enumerate(names) if name not in OWN_SDS and place]
    tissues, lesions = [], []
    for patient in protocol.enrol(seed, patients).patients:
        days = [daily.draw(patient.id, visit.name, seed).factors[usual] for visit in VISITS]
        tissues.append(np.log(days[1] / days[0]))
        two = [{x.id: x.suv for x in protocol.course.at(patient, visit, seed).lesions} for visit in VISITS]
        lesions.append(np.log([two[1][name] / two[0][name] for name in two[0]]))
    return cv(np.concatenate(tissues)), cv(np.concatenate(lesions))


def cv(values: np.ndarray) -> float:
    """Within-patient CV in % from log ratios of two days."""
    return 100.0 * math.sqrt(math.expm1(float(np.mean(values**2)) / 2.0))


def against(read: list[float], drawn: list[float]) -> str:
    """CV of what was drawn, and how far what was read is off, as table cells."""
    off = 100.0 * np.subtract(read, drawn)
    off = off[np.isfinite(off)]
    return f"{cv(np.array(drawn)[np.isfinite(drawn)]):.1f} | {off.mean():+.1f} ± {off.std():.1f}"


def repeatability(groups: list[list[float]]) -> str:
    """Of log ratios: how many, within-patient CV in %, its SE over patients (bootstrap), drift in %, as table cells."""
    rng = np.random.default_rng(1)
    kept = [np.array([value for value in group if math.isfinite(value)]) for group in groups]
    kept = [values for values in kept if values.size]
    drawn = [np.concatenate([kept[i] for i in rng.integers(0, len(kept), len(kept))]) for _ in range(400)]
    every = np.concatenate(kept)
    drifts = 100.0 * np.expm1([values.mean() for values in drawn])
    drift = 100.0 * math.expm1(float(every.mean()))
    return f"{every.size} | {cv(every):.1f} | {np.std([cv(v) for v in drawn]):.1f} | {drift:+.1f} ± {drifts.std():.1f}"


def page(seen: Seen, engine: Cascade, patients: int, seconds: float) -> str:
    """The page that is committed."""
    daily, course = engine.daily, load("test_retest").course
    text = [
        "# Two days of the same bodies",
        "",
        f"`python benchmarks/visits.py`; {hardware()}; {engine.name}; {patients} patients of `test_retest` (seed",
        f"{load('test_retest').seed}), each with two scans, before the scanner; {seconds:.0f} CPU seconds.",
        "",
        "## The gate",
        "",
        f"{seen.scans - seen.failed} of {seen.scans} scans pass every rule of `vct.plausibility`",
        f"({1.0 - seen.failed / seen.scans:.1%}; wanted 95 %).",
        *(f"- {said}" for said in seen.said[:20]),
        "",
        f"Faults planted in a scan that passes, of every {EVERY}th patient:",
        "",
        "| fault | planted | caught |",
        "|---|---|---|",
        *(f"| {name} | {count} | {seen.caught[name]} |" for name, count in seen.planted.items()),
        "",
        "## Test and retest",
        "",
        "Within-patient coefficient of variation, %, from log ratios of two days; SE and drift by bootstrap over",
        f"patients. Asked for: organs {100.0 * daily.wcv:.1f} (`DayToDay`), but for tissues with a spread of ln SUV of",
        f"their own ({', '.join(f'{name} {sd:g}' for name, sd in OWN_SDS.items())});",
        f"lesions {100.0 * course.history.day_to_day_cv:.1f} (`day_to_day_cv`). Drawn for {DRAWN} patients",
        "without scans: {:.1f} and {:.1f}.".format(*asked(daily, DRAWN)),
        "",
        "Organs are read two voxels inside their borders where the PET shows them, since PET and CT breathe apart.",
        "Drawn: the same of scans of these days whose bodies lie and breathe alike, so that nothing but the factors",
        "drawn for every tissue, and the bladder's filling, is another; what spills over from hotter neighbours is in",
        "it. Off: the scans' log ratio less the drawn one, mean ± SD, %.",
        "",
        "| what | n | CV, % | SE | drift, % | drawn CV, % | off, % |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {organ}, SUVmean | {repeatability([[v] for v in seen.organs[organ]])} | "
            f"{against(seen.organs[organ], seen.drawn[organ])} |"
            for organ in ORGANS
        ),
        *(
            f"| lesions, {name} | {repeatability([[row[place] for row in rows] for rows in seen.lesions])} | "
            f"{against(*([row[k] for rows in seen.lesions for row in rows] for k in (place, 0)))} |"
            for place, name in enumerate(("planted", "mean", "SUVmax"))
        ),
        "",
        "## Organs on another day",
        "",
        "Mean Dice of two days, and the least of any patient (wanted 0.95): as the body lies, with each day's own",
        "position and breath, by the engine's labels; and on days that differ only in uptake and the bladder's",
        "filling, by the engine's labels and by the shipped segmenter on both PET/CTs (of the first "
        f"{len(seen.dice['segmenter'])}).",
        "",
        f"| organ | {' | '.join(seen.dice)} |",
        f"|---|{'---|' * len(seen.dice)}",
    ]
    for organ in ORGANS:
        columns = [[pair[organ] for pair in pairs if organ in pair] for pairs in seen.dice.values()]
        cells = (f"{np.mean(column):.3f}, {min(column):.3f}" if column else "" for column in columns)
        text.append(f"| {organ} | {' | '.join(cells)} |")
    return "\n".join(text) + "\n"


def main() -> None:
    """Scan, look, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patients", type=int, nargs="?", default=100)
    parser.add_argument("resolution_mm", type=float, nargs="?", default=4.0)
    parser.add_argument("still", type=int, nargs="?", default=10)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/visits.md"))
    options = parser.parse_args()
    engine: Any = make_engine("cascade", options.resolution_mm)
    for done, seen in walk(engine, options.patients, options.still):
        options.out.write_text(page(seen, engine, done, time.process_time()))
        print(done, flush=True)


if __name__ == "__main__":
    main()
