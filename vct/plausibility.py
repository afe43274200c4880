"""Is a generated scan one of a person? Organs, volumes, densities, uptake and sides, and whom the weights know.

All thresholds stand here. They are wide: they catch what cannot be, not what is rare.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vct.part import Part
from vct.records import Scan
from vct.structures import STRUCTURES, labels_of, voxels_of
from vct.volume import Volume

Range = tuple[float, float]

VOLUME_ML: dict[str, Range] = {
    "liver": (500.0, 5000.0),
    "spleen": (20.0, 2500.0),
    "kidneys": (80.0, 1000.0),
    "heart": (200.0, 2000.0),
    "lungs": (900.0, 9500.0),
    "urinary_bladder": (0.0, 1100.0),
}
"""Two thirds of the least and four thirds of the most of 763 adults of AutoPET (FDG-PET-CT-Lesions, doi
10.7937/gkr0-xv29; organ volumes of MIC-DKFZ's masks): liver 757 to 3,810 ml, spleen 34 to 1,385, kidneys 111 to 651,
heart 326 to 1,486, lungs 1,406 to 7,054; wider for spleen, heart and kidneys, whose patients can be sicker (assumed).
Bladder: more than twice the usual capacity of 300 to 500 ml (assumed). An organ that is not there has no volume."""
MEAN_HU: dict[str, Range] = {
    "liver": (-20.0, 170.0),
    "spleen": (0.0, 190.0),
    "lungs": (-920.0, -550.0),
    "skeletal_muscle": (5.0, 95.0),
    "subcutaneous_fat": (-170.0, -75.0),
    "bone": (70.0, 600.0),
}
"""Fat -190 to -30 and muscle -29 to 150 HU voxel by voxel (Mourtzakis 2008, doi 10.1139/H07-075), far narrower in the
mean, but for voxels that mix with air; parenchyma from steatosis to a late arterial phase; all limits assumed."""
AIR_HU: Range = (-1024.0, -950.0)
SUV_OF_MASS: Range = (0.6, 1.3)
"""Mean SUVbw per gram in view, the bladder left out: what is injected and not voided is spread over the body, so that
it is near 1. Of 150 generated and 200 painted patients 0.70 to 1.19; doubled, each of them is above 1.3."""
SUV_MAX = 200.0
"""Hotter than urine ever is (assumed)."""
SPREAD: dict[str, float] = {"liver": 0.27, "spleen": 0.59, "kidneys": 0.25, "heart": 0.25, "lungs": 0.30}
"""Coefficient of variation of organ volumes in the same 763 adults."""
LOOK_SIZE = 4 * len(SPREAD)
NARROW = 1.0 / 3.0
"""Bodies that spread less than this share of `SPREAD` do not stand for patients (assumed)."""
FEWEST = 10
TWIN = 0.02
"""Bodies whose `look`s differ by less, root mean square, are one body: 2 % of a volume, 2 mm of a place (assumed)."""
DENSITY_AT_0_HU = 1.0
"""In g/ml: that of water, by the definition of HU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with one scan: the rule, and the numbers that broke it. `redrawn`: how often the body was drawn
    anew before."""

    patient: str
    arm: str
    visit: str
    rule: str
    said: str
    redrawn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What was seen of one patient's scans: findings, how often the body was drawn anew, and its `look`."""

    findings: tuple[Finding, ...] = ()
    redrawn: int = 0
    look: tuple[float, ...] = ()


class Plausibility(Part):
    """What happens to bodies that fail the rules of plausibility; they are marked in the report in any case."""

    redraw: int = Field(
        default=0, ge=0, le=20, description="how often a body whose first scan fails is drawn anew before it stays"
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned:
    """What an engine's weights learned from: the range of each demographic by sex, and the training bodies' looks
    (N, D) where the weights carry them."""

    covered: Mapping[str, Mapping[str, Range]]
    looks: NDArray[np.float64] | None = None


def findings(scan: Scan, learned: Learned | None = None, redrawn: int = 0) -> list[Finding]:
    """Every rule that an engine's scan breaks; without labels only uptake and demographics can be told."""
    patient, visit = scan.snapshot.patient, scan.snapshot.visit
    broken = [*_strangers(scan, learned), *_images(scan)] if learned else list(_images(scan))
    return [
        Finding(patient=patient.id, arm=patient.arm, visit=visit.name, rule=rule, said=said, redrawn=redrawn)
        for rule, said in broken
    ]


def look(labels: Volume | None) -> tuple[float, ...]:
    """A body in a few numbers: of every organ of `VOLUME_ML` but the bladder ln ml, and where it lies in dm from the
    volume's middle; () where one is missing or there are no labels."""
    if labels is None:
        return ()
    numbers: list[float] = []
    for organ in SPREAD:
        inside = voxels_of(labels.data, organ)
        count = int(inside.sum())
        if not count:
            return ()
        numbers.append(float(np.log(count * labels.grid.voxel_ml)))
        for axis, step in enumerate(labels.grid.spacing_mm):
            profile = inside.sum(axis=tuple(other for other in range(3) if other != axis))
            middle = (profile @ np.arange(profile.size)) / count - (profile.size - 1) / 2.0
            numbers.append(float(middle * step / 100.0))
    return tuple(round(number, 5) for number in numbers)


def alike(looks: Mapping[str, tuple[float, ...]]) -> list[str]:
    """What is wrong with bodies taken together, in words: twins, and too little spread. `looks` are by patient's id."""
    known = {name: look for name, look in looks.items() if look}
    if not known:
        return []
    names, table = list(known), np.array(list(known.values()))
    told = [f"{names[i]} and {names[j]} have the same body" for i, j in _close(table, table) if i < j]
    if len(names) >= FEWEST:
        for place, (organ, usual) in enumerate(SPREAD.items()):
            spread = float(table[:, 4 * place].std(ddof=1))
            if spread < NARROW * usual:
                told.append(f"{organ} volumes vary by {spread:.0%} only (in patients {usual:.0%})")
    return told


def _close(these: NDArray[Any], those: NDArray[Any]) -> list[tuple[int, int]]:
    """Pairs of rows that differ by less than `TWIN`, root mean square."""
    from scipy.spatial import KDTree

    reach = TWIN * np.sqrt(these.shape[1])
    near = KDTree(those).query_ball_point(these, reach)
    return [(row, other) for row, others in enumerate(near) for other in sorted(others)]


def _strangers(scan: Scan, learned: Learned) -> Iterator[tuple[str, str]]:
    patient: Any = scan.snapshot.patient
    if learned.looks is not None:
        own = look(scan.labels)
        if own and _close(np.array([own]), learned.looks):
            yield "copied", "the body of a training scan"
    for name, (low, high) in learned.covered.get(patient.sex, {}).items():
        value = getattr(patient, name)
        if not low <= value <= high:
            yield "outside the training", f"{name} {value:.1f}, trained on {low:.1f} to {high:.1f}"


def _images(scan: Scan) -> Iterator[tuple[str, str]]:
    hottest = float(scan.pet.data.max())
    if not np.isfinite(hottest) or hottest > SUV_MAX or float(scan.pet.data.min()) < 0.0:
        yield "uptake", f"SUVs from {float(scan.pet.data.min()):.1f} to {hottest:.1f}"
    if scan.labels is None or scan.labels.grid != scan.ct.grid:
        return
    numbers: NDArray[np.uint8] = scan.labels.data
    counts = np.bincount(numbers.ravel(), minlength=256)
    totals = np.bincount(numbers.ravel(), weights=scan.ct.data.ravel(), minlength=256)
    ml = scan.labels.grid.voxel_ml
    for organ, (low, high) in VOLUME_ML.items():
        volume = float(counts[list(labels_of(organ))].sum()) * ml
        if volume == 0.0:
            yield "organ missing", organ
        elif not low <= volume <= high:
            yield "volume", f"{organ} {volume:.0f} ml, expected {low:.0f} to {high:.0f}"
    for organ, (low, high) in MEAN_HU.items():
        own = list(labels_of(organ))
        if counts[own].any():
            mean = float(totals[own].sum() / counts[own].sum())
            if not low <= mean <= high:
                yield "density", f"{organ} {mean:.0f} HU, expected {low:.0f} to {high:.0f}"
    air = float(totals[0] / max(int(counts[0]), 1))
    if counts[0] and not AIR_HU[0] <= air <= AIR_HU[1]:
        yield "density", f"air {air:.0f} HU, expected {AIR_HU[0]:.0f} to {AIR_HU[1]:.0f}"
    yield from _uptake(scan, counts, totals)
    yield from _sides(scan)


def _uptake(scan: Scan, counts: NDArray[Any], totals: NDArray[Any]) -> Iterator[tuple[str, str]]:
    """Against what the body can hold: activity over mass, without air, bladder and planted lesions."""
    labels = scan.labels
    if labels is None or scan.pet.grid != labels.grid:
        return
    activity = np.bincount(labels.data.ravel(), weights=scan.pet.data.ravel(), minlength=256)
    body = np.ones(256, dtype=np.bool_)
    body[[0, *labels_of("urinary_bladder")]] = False
    ml = labels.grid.voxel_ml
    mass_g = DENSITY_AT_0_HU * float(np.maximum(counts + totals / 1000.0, 0.0)[body].sum()) * ml
    planted = sum(
        (lesion.mean_suv - scan.background_suv.get(lesion.id, 0.0)) * lesion.volume_ml
        for lesion in scan.snapshot.lesions
    )
    share = (float(activity[body].sum()) * ml - planted) / mass_g if mass_g else 0.0
    if not SUV_OF_MASS[0] <= share <= SUV_OF_MASS[1]:
        yield "uptake", f"mean SUV {share:.2f} per gram, expected {SUV_OF_MASS[0]:g} to {SUV_OF_MASS[1]:g}"


def _sides(scan: Scan) -> Iterator[tuple[str, str]]:
    """The liver lies to the right of the spleen (RAS+: x grows to the right), and so do right organs of left ones."""
    if scan.labels is None:
        return
    across = np.stack([np.bincount(plane.ravel(), minlength=256) for plane in scan.labels.data])
    x = scan.labels.grid.axes_mm()[0].ravel()
    for right, left in (("liver", "spleen"), ("kidney_right", "kidney_left"), ("hip_right", "hip_left")):
        one, other = across[:, STRUCTURES[right]], across[:, STRUCTURES[left]]
        if one.any() and other.any() and float(one @ x / one.sum()) <= float(other @ x / other.sum()):
            yield "mirrored", f"{right} lies to the left of {left}"
