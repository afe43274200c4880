"""What a perfect reader reports of lesions held as arrays: one number a patient for every readout of lesions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from vct.course.many import BACKGROUND, Array, Lesions
from vct.readout.base import Readout
from vct.readout.burden import Burden, CountReadout, NewLesionCount, Tlg
from vct.readout.intensity import PeakReadout, SulPeak, SuvMax
from vct.readout.suv import LeanMass
from vct.readout.thresholds import FixedThreshold, FractionThreshold, LiverThreshold, Threshold
from vct.readout.truth import best_sphere
from vct.records import Snapshot
from vct.structures import LESION_SITES

LIVER = BACKGROUND[LESION_SITES.index("liver")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """Patients (P,)."""

    female: NDArray[np.bool_]
    weight_kg: Array
    height_cm: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Patients (P,) with their lesions on one day."""

    bodies: Bodies
    lesions: Lesions
    _seen: dict[str, Array] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many patients."""
        return self.bodies.weight_kg.size

    def highest(self, values: Array) -> Array:
        """The largest of each patient's lesions; NaN for a patient without."""
        found = np.full(self.size, -np.inf)
        np.maximum.at(found, self.lesions.owner, values)
        return np.where(np.isneginf(found), np.nan, found)

    def total(self, values: Array) -> Array:
        """The sum over each patient's lesions; 0 for a patient without."""
        return np.asarray(np.bincount(self.lesions.owner, weights=values, minlength=self.size), dtype=float)

    def picked(self, values: Array, of: str) -> Array:
        """As `LesionReadout.pick`: of the hottest, of all, or of one lesion."""
        if of == "hottest":
            return self.highest(values)
        if of == "sum":
            some = np.bincount(self.lesions.owner, minlength=self.size) > 0
            return np.where(some, self.total(values), np.nan)
        number = int(of[1:]) if of[:1] == "L" and of[1:].isdecimal() else -1
        mine = self.lesions.number == number
        found = np.full(self.size, np.nan)
        found[self.lesions.owner[mine]] = values[mine]
        return found

    @property
    def hottest_diameter_mm(self) -> Array:
        """Diameter of each patient's hottest lesion; NaN without one."""
        if "diameter" not in self._seen:
            suv, owner = self.lesions.suv, self.lesions.owner
            hottest = suv >= self.highest(suv)[owner]
            found = np.full(self.size, np.nan)
            found[owner[hottest]] = self.lesions.diameter_mm[hottest]
            self._seen["diameter"] = found
        return self._seen["diameter"]


@singledispatch
def truth(readout: Readout, state: State) -> Array | None:  # noqa: ARG001
    """What a perfect reader reports (P,), NaN for nothing; None for a readout whose truth lesions do not tell."""
    return None


@truth.register
def _(readout: SuvMax, state: State) -> Array:
    return state.picked(state.lesions.suv, readout.of)


@truth.register
def _(readout: PeakReadout, state: State) -> Array:
    lesions = state.lesions
    living, core = best_sphere(lesions.diameter_mm, lesions.core_share, lesions.core_uptake)
    peak = (living + core * lesions.core_uptake) * lesions.suv + (1.0 - living - core) * BACKGROUND[lesions.organ]
    scale = lean_share(readout.lean_mass, state.bodies) if isinstance(readout, SulPeak) else 1.0
    return scale * state.picked(peak, readout.of)


@truth.register
def _(readout: Burden, state: State) -> Array | None:
    level = _seen_from(readout.threshold)
    if level is None:
        return None
    lesions = state.lesions
    volume_ml = math.pi / 6.0 * lesions.diameter_mm**3 / 1000.0
    glows = isinstance(readout, Tlg)
    contour = readout.threshold.fraction * lesions.suv if isinstance(readout.threshold, FractionThreshold) else level
    core_suv = lesions.core_uptake * lesions.suv
    content = (1.0 - lesions.core_share) * volume_ml * (lesions.suv if glows else 1.0)
    content += np.where(core_suv >= contour, lesions.core_share * volume_ml * (core_suv if glows else 1.0), 0.0)
    content = np.where(lesions.suv >= level, content, 0.0)
    if readout.of == "sum":
        return state.total(content)
    if readout.of == "hottest":
        hottest = lesions.suv >= state.highest(lesions.suv)[lesions.owner]
        return state.total(np.where(hottest, content, 0.0))
    return state.picked(content, readout.of)


@truth.register
def _(readout: CountReadout, state: State) -> Array | None:
    level = _seen_from(readout.threshold)
    if level is None:
        return None
    counted = (state.lesions.suv < level) == readout.below
    if isinstance(readout, NewLesionCount):
        counted &= state.lesions.is_new
    return state.total(counted.astype(float))


def _seen_from(threshold: Threshold) -> float | None:
    if isinstance(threshold, FixedThreshold):
        return threshold.suv
    if isinstance(threshold, FractionThreshold):
        return threshold.minimum_suv
    return threshold.times_mean * float(LIVER) if isinstance(threshold, LiverThreshold) else None


def lean_share(formula: LeanMass, bodies: Bodies) -> Array:
    """Lean mass over weight, as `vct.readout.suv.sul_per_suv`; NaN where the formula has no answer."""
    weight, height = bodies.weight_kg, bodies.height_cm
    if formula == "janmahasatian":
        bmi = weight / (height / 100.0) ** 2
        base, slope = np.where(bodies.female, 8780.0, 6680.0), np.where(bodies.female, 244.0, 216.0)
        return np.asarray(9270.0 / (base + slope * bmi))
    linear, square = np.where(bodies.female, 1.07, 1.10), np.where(bodies.female, 148.0, 128.0)
    share = linear - square * weight / height**2
    return np.where(share > 0, share, np.nan)


def states_of(snapshots: Sequence[Snapshot]) -> State:
    """Snapshots as arrays, one patient a snapshot."""
    patients = [item.patient for item in snapshots]
    pairs = [(index, lesion) for index, item in enumerate(snapshots) for lesion in item.lesions]
    return State(
        bodies=Bodies(
            female=np.array([item.sex == "F" for item in patients]),
            weight_kg=np.array([item.weight_kg for item in patients], dtype=float),
            height_cm=np.array([item.height_cm for item in patients], dtype=float),
        ),
        lesions=Lesions(
            owner=np.array([index for index, _ in pairs], dtype=np.intp),
            number=np.array([int(item.id[1:]) if item.id.startswith("L") else 0 for _, item in pairs], dtype=np.intp),
            organ=np.array([LESION_SITES.index(item.organ) for _, item in pairs], dtype=np.intp),
            diameter_mm=np.array([item.diameter_mm for _, item in pairs], dtype=float),
            suv=np.array([item.suv for _, item in pairs], dtype=float),
            core_share=np.array([item.core_share for _, item in pairs], dtype=float),
            core_uptake=np.array([item.core_uptake for _, item in pairs], dtype=float),
            is_new=np.array([item.is_new for _, item in pairs], dtype=bool),
        ),
    )


def is_count(readout: Readout) -> bool:
    """Whether the readout counts lesions."""
    return isinstance(readout, CountReadout)


def counts_from_zero(readout: Readout) -> bool:
    """Whether a patient without lesions reads 0 instead of nothing."""
    return isinstance(readout, (Burden, CountReadout))
