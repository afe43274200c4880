"""Where the power goes: an endpoint's variance split by source, from reruns with one source switched off at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from vct.cluster import Local
from vct.conclude import outcomes_of
from vct.engine.base import Engine
from vct.errors import InputError, PatientError, nearest
from vct.fanout import map_patients
from vct.protocol import Protocol
from vct.records import Patient, Reading, Visit
from vct.rng import stream

Model = TypeVar("Model", bound=BaseModel)
BOOTSTRAPS = 400
SCANNER_OFF = ("calibration_site_sd", "calibration_session_sd", "calibration_bias")
SESSION_OFF = (
    *("dose_cov", "dose_error_cov", "uptake_sd_minutes"),
    *("clock_error_sd_minutes", "breathing_cov", "motion_sd_mm"),
)
HAND_OFF = ("placement_sd_mm", "contour_sd", "overlooks_1_ml", "grade_bias_sd", "grade_sd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One row: what a source adds to the variance of `endpoint`, its share, and the patients that it costs.

    `patients_cost` is how many more patients a two-arm trial with 80 % power needs because of it; None without an
    effect. `mc_se` is the Monte Carlo standard error of `variance`.
    """

    endpoint: str
    source: str
    variance: float
    share: float
    patients_cost: float | None
    mc_se: float


def _with(part: Model, **fields: object) -> Model:
    """A part with those of `fields` that it has."""
    return part.model_copy(update={name: value for name, value in fields.items() if name in type(part).model_fields})


def _day_off(protocol: Protocol) -> Protocol:
    history = getattr(protocol.course, "history", None)
    course = protocol.course if history is None else _with(protocol.course, history=_with(history, day_to_day_cv=0.0))
    return _with(protocol, course=course, acquisition=_with(protocol.acquisition, glucose_cov=0.0))


def _on_scanners(protocol: Protocol, change: Callable[[Any], Any]) -> Protocol:
    own = protocol.acquisition
    return _with(
        protocol,
        acquisition=_with(
            own,
            scanner=change(own.scanner),
            by_site={site: change(scanner) for site, scanner in own.by_site.items()},
            by_visit={visit: change(scanner) for visit, scanner in own.by_visit.items()},
        ),
    )


def _noise_off(protocol: Protocol) -> Protocol:
    return _on_scanners(protocol, lambda scanner: _with(scanner, noise=_with(scanner.noise, liver_cov=0.0)))


def _scanner_off(protocol: Protocol) -> Protocol:
    steady = _on_scanners(protocol, lambda scanner: _with(scanner, **dict.fromkeys(SCANNER_OFF, 0.0)))
    one = _with(steady.acquisition, by_site={}, by_visit={}, **dict.fromkeys(SESSION_OFF, 0.0))
    return _with(steady, acquisition=one)


def _on_readers(protocol: Protocol, names: Sequence[str]) -> Protocol:
    readers = tuple(_with(reader, **dict.fromkeys(names, 0.0)) for reader in protocol.reading.readers)
    return _with(protocol, reading=_with(protocol.reading, readers=readers))


OFF: dict[str, Callable[[Protocol], Protocol]] = {
    "day-to-day physiology": _day_off,
    "noise": _noise_off,
    "scanner and site": _scanner_off,
    "reader": lambda protocol: _on_readers(protocol, HAND_OFF),
    "target choice": lambda protocol: _on_readers(protocol, ("choice_sd",)),
}
"""What is switched off: day-to-day lesion uptake and glucose; counting noise; calibration, dose, clock and uptake-time
errors, breathing, motion and differences between scanners (all on the general one); slips of readers; their taste."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """One patient's way through every variant of a protocol; variants with the same disease share the painted scan."""

    variants: tuple[Protocol, ...]
    engine: Engine
    seed: int
    visits: Mapping[tuple[str, str], tuple[Visit, ...]]

    def __call__(self, patient: Patient) -> tuple[tuple[Reading, ...], ...]:
        """The readings of each variant. Random streams are named alike in all, so luck is shared."""
        desks = [variant.reading.desk(self.seed) for variant in self.variants]
        readings: list[list[Reading]] = [[] for _ in self.variants]
        for visit in self.visits[patient.id, patient.arm]:
            painted: list[tuple[Any, Any]] = []
            for number, variant in enumerate(self.variants):
                scan = next((scan for course, scan in painted if course == variant.course), None)
                if scan is None:
                    scan = self.engine.generate(variant.course.at(patient, visit, self.seed), self.seed)
                    painted.append((variant.course, scan))
                seen = variant.acquisition.acquire(scan, self.seed)
                readings[number] += desks[number](seen, variant.readouts)
        return tuple(tuple(own) for own in readings)


def decompose(
    protocol: Protocol,
    engine: Engine,
    endpoint: str,
    *,
    visit: str | None = None,
    patients: int = 60,
    seed: int | None = None,
    effect: float | None = None,
    workers: int = 1,
    watch: Callable[[int, int], None] | None = None,
) -> tuple[Part, ...]:
    """Split the variance of a numeric endpoint within arms at `visit` (its last when left out), over `patients`.

    A source's variance is that with everything on less that with the source off, on the same patients and the same luck
    (common random numbers); biology is what is left with all of them off, and interaction what the parts do not add up
    to. Standard errors by bootstrap over patients. `effect` is the difference between arms, in the endpoint's unit, for
    the sample size: n an arm = 2 (1.96 + 0.8416)^2 variance / effect^2 (Doot 2012, doi 10.1118/1.3675922 has it for
    percent changes). Raises InputError for an unknown or non-numeric endpoint.
    """
    names = [item.name for item in protocol.endpoints]
    chosen = [item for item in protocol.endpoints if item.name == endpoint]
    if not chosen:
        near = nearest(endpoint, names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise InputError(f"{endpoint!r} is no endpoint of this protocol ({', '.join(names)}){hint}")
    seed = protocol.seed if seed is None else seed
    enrolment = _with(protocol, sample_size=patients).enrol(seed)
    switched = {name: off(protocol) for name, off in OFF.items()}
    active = {name: variant for name, variant in switched.items() if variant != protocol}
    bare = protocol
    for off in OFF.values():
        bare = off(bare)
    visits: dict[tuple[str, str], tuple[Visit, ...]] = {(item.id, item.arm): () for item in enrolment.patients}
    for item in enrolment.attendance:
        if item.status == "done":
            visits[item.patient, item.arm] += (item.visit,)
    walk = Variants(variants=(protocol, *active.values(), bare), engine=engine, seed=seed, visits=visits)
    readings: dict[Patient, tuple[tuple[Reading, ...], ...]] = {}
    for patient, own in map_patients(walk, enrolment.patients, Local(workers) if workers > 1 else None):
        if own is None:
            raise PatientError(f"every process that tried patient {patient.id} died (out of memory?)")
        readings[patient] = own
        if watch:
            watch(len(readings), len(enrolment.patients))
    columns = []
    for number in range(len(walk.variants)):
        flat = [reading for patient in enrolment.patients for reading in readings[patient][number]]
        outcomes = outcomes_of(protocol.planned_days, chosen, enrolment.patients, flat, "measured")
        at = outcomes[-1].visit if visit is None else visit
        columns.append({(o.patient, o.arm): o.value for o in outcomes if o.visit == at})
    return _split(endpoint, tuple(active), columns, seed, effect)


def _split(
    endpoint: str,
    active: Sequence[str],
    columns: Sequence[Mapping[tuple[str, str], float | None]],
    seed: int,
    effect: float | None,
) -> tuple[Part, ...]:
    keys = [key for key in columns[0] if all(column.get(key) is not None for column in columns)]
    if len(keys) < 4:
        raise InputError(f"{endpoint!r} has values in {len(keys)} patients only: too few to split a variance")
    values = np.array([[column[key] for column in columns] for key in keys], dtype=np.float64)
    arms = np.array([arm for _, arm in keys])
    draws = [np.arange(len(keys))]
    rng = stream(seed, "decompose", endpoint)
    draws += [rng.integers(len(keys), size=len(keys)) for _ in range(BOOTSTRAPS)]
    found = np.array([_variances(values[draw], arms[draw]) for draw in draws])
    full, bare = found[:, 0], found[:, -1]
    parts = {"biology": bare}
    parts |= {name: full - found[:, active.index(name) + 1] if name in active else 0.0 * full for name in OFF}
    parts["interaction"] = full - np.sum(list(parts.values()), axis=0)
    parts["total"] = full
    z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    per_variance = None if not effect else 2.0 * 2.0 * z**2 / effect**2
    return tuple(
        Part(
            endpoint=endpoint,
            source=name,
            variance=float(column[0]),
            share=float(column[0] / full[0]) if full[0] > 0.0 else math.nan,
            patients_cost=None if per_variance is None else per_variance * float(column[0]),
            mc_se=float(np.std(column[1:], ddof=1)),
        )
        for name, column in parts.items()
    )


def _variances(values: NDArray[np.float64], arms: NDArray[np.str_]) -> NDArray[np.float64]:
    """Pooled variance within arms of each column."""
    squares, freedom = np.zeros(values.shape[1]), 0
    for arm in np.unique(arms):
        own = values[arms == arm]
        squares += ((own - own.mean(axis=0)) ** 2).sum(axis=0)
        freedom += len(own) - 1
    return np.asarray(squares / max(freedom, 1))
