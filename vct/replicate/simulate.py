"""One block of replicates: patients, truths, readings, looks and analyses of some trials at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from vct.course.healthy import Healthy
from vct.course.many import Array, Indices, Lesions, lesions_on, origins, responses
from vct.course.metastatic import Metastatic
from vct.course.treatment import Effect, Treatment
from vct.errors import InputError
from vct.protocol import Protocol
from vct.replicate.crowd import Crowd, crowd
from vct.replicate.measurement import MeasurementModel, perfect
from vct.replicate.outcomes import Book
from vct.replicate.truth import Bodies, State
from vct.replicate.watch import Ended, Trials, unwatched, watch
from vct.rng import stream
from vct.stats.base import Analysis

BLOCK = 100
"""Replicates that are simulated together: a share of the result's name, so that workers cannot change it."""

Streams = Callable[[str], np.random.Generator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every block is made from. `sizes` are patients of a trial, `effects` multiples of the treatment effect."""

    protocol: Protocol
    model: MeasurementModel | None
    seed: int
    sizes: tuple[int, ...]
    effects: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One analysis of one arm in every replicate: with looks and what was measured, and the truth of everybody."""

    endpoint: str
    analysis: str
    quantity: str
    arm: str
    confidence: float
    estimate: Array
    low: Array
    high: Array
    p: Array
    true: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One scenario in every replicate of a block: its statements, and what became of the trials."""

    size: int
    effect: float
    statements: tuple[Statement, ...]
    patients: Array
    duration: Array
    look: Indices
    decision: Indices
    observed: tuple[tuple[float, ...], ...]


def blended(reference: Treatment, treated: Treatment, effect: float) -> Treatment:
    """A treatment whose difference from the reference's is `effect` times that of `treated`.

    Fractions, ratios, spreads and half-times are blended as they are, changes of uptake and size on the log scale.
    Raises InputError when no treatment can be that strong.
    """
    if effect == 1.0:
        return treated

    def mixed(a: float, b: float) -> float:
        return a + effect * (b - a)

    def effect_of(one: Effect, other: Effect) -> dict[str, float]:
        return {
            name: math.expm1(mixed(math.log1p(getattr(one, name)), math.log1p(getattr(other, name))))
            if name.endswith("_change")
            else mixed(getattr(one, name), getattr(other, name))
            for name in Effect.model_fields
        }

    numbers = ("responder_fraction", "complete_fraction", "uptake_half_time_days", "size_half_time_days")
    try:
        return Treatment.model_validate(
            {name: mixed(getattr(reference, name), getattr(treated, name)) for name in numbers}
            | {
                name: effect_of(getattr(reference, name), getattr(treated, name))
                for name in ("responders", "non_responders")
            }
        )
    except ValueError:
        raise InputError(
            f"--effect {effect:g}: no treatment can be {effect:g} times as strong as in the protocol"
        ) from None


def with_effect(protocol: Protocol, effect: float) -> tuple[Treatment, ...]:
    """The treatment of every arm when the later arms' effects are `effect` times those of the protocol."""
    treatments = protocol.course.treatments if isinstance(protocol.course, Metastatic) else {}
    own = [treatments.get(arm.name, Treatment()) for arm in protocol.arms]
    if len(own) == 1:
        return (blended(Treatment(), own[0], effect),)
    return (own[0], *(blended(own[0], item, effect) for item in own[1:]))


def simulate(job: Job, block: int, replicates: int = BLOCK) -> list[Outcome]:
    """The first `replicates` of a block under every scenario, which share all their luck."""
    streams = partial(_named, job.seed, block)
    most = max(job.protocol.sized(size).most_patients for size in job.sizes)
    people = crowd(job.protocol, most, BLOCK, streams)
    worlds = _Worlds(job, people, streams)
    found = []
    for effect in job.effects:
        measured, true = worlds.books(effect)
        found += [_outcome(job, people, measured, true, size, effect, replicates) for size in job.sizes]
    return found


def _named(seed: int, block: int, name: str) -> np.random.Generator:
    return stream(seed, "replicates", str(block), name)


class _Worlds:
    """The truths and readings of one block's patients under any effect."""

    def __init__(self, job: Job, people: Crowd, streams: Streams) -> None:
        self.job, self.people, self.streams = job, people, streams
        self.size = people.arm.size
        self.bodies = Bodies(
            female=people.female.ravel(), weight_kg=people.weight_kg.ravel(), height_cm=people.height_cm.ravel()
        )
        course = job.protocol.course
        horizon = float(people.day.max())
        self.born = origins(course, self.size, horizon, streams) if isinstance(course, Metastatic) else None

    def books(self, effect: float) -> tuple[Book, Book]:
        """What was measured at the visits that were attended, and the truth of every visit."""
        protocol, people = self.job.protocol, self.people
        states = [State(bodies=self.bodies, lesions=lesions) for lesions in self._lesions(effect)]
        true = perfect(protocol.readouts, states)
        read = true if self.job.model is None else self._read(self.job.model, states)
        names = tuple(visit.name for visit in protocol.visits)
        shape = people.day.shape

        def book(readings: Mapping[str, Array], seen: np.ndarray, left: Array) -> Book:
            events = {"dropout": left, "new_therapy": people.new_therapy, "death": people.death}
            last = people.day[-1]
            first = np.minimum(left, people.death)
            return Book(
                visits=names,
                readings={key: np.where(seen, value.reshape(shape), np.nan) for key, value in readings.items()},
                day=people.day,
                seen=seen,
                events={name: np.where(when <= np.minimum(last, first), when, np.inf) for name, when in events.items()},
            )

        everything = people.day < people.death
        return book(read, people.done, people.dropout), book(true, everything, np.full(people.arm.shape, np.inf))

    def _lesions(self, effect: float) -> list[Lesions]:
        course, day = self.job.protocol.course, self.people.day.reshape(len(self.people.day), -1)
        if isinstance(course, Healthy):
            nobody = np.zeros(0, dtype=np.intp)
            empty = np.zeros(0)
            none = Lesions(
                owner=nobody,
                number=nobody,
                organ=nobody,
                diameter_mm=empty,
                suv=empty,
                core_share=empty,
                core_uptake=empty,
                is_new=empty.astype(bool),
            )
            return [none] * len(day)
        if not isinstance(course, Metastatic) or self.born is None:
            raise InputError(f"replicates know no course {type(course).__name__!r}; they know healthy and metastatic")
        born, people = self.born, self.people
        draws = self.streams("response").random((self.size, 2))
        luck = self.streams("response luck").standard_normal(self.size)
        response = responses(with_effect(self.job.protocol, effect), people.arm.ravel(), draws[:, 0], luck)
        second = None
        if course.new_therapy is not None:
            draws = self.streams("new therapy response").random((self.size, 2))
            luck = self.streams("new therapy luck").standard_normal(self.size)
            nobody = np.zeros(self.size, dtype=np.intp)
            second = responses([course.new_therapy], nobody, draws[:, 0], luck)
        found = []
        for k, visit in enumerate(self.job.protocol.visits):
            since = day[k] - people.new_therapy.ravel()
            rng = self.streams(f"day {visit.name}")
            own = self.streams(f"day {visit.name} lesions").standard_normal(born.owner.size)
            common = rng.standard_normal(self.size)
            added = None if second is None else (second, since)
            found.append(lesions_on(course, born, response, day[k], common, own, added))
        return found

    def _read(self, model: MeasurementModel, states: Sequence[State]) -> dict[str, Array]:
        readouts, visits = self.job.protocol.readouts, len(states)
        k = len(readouts)
        u = self.streams("errors of patients").standard_normal((self.size, k))
        e = np.array([self.streams(f"errors of scans {v}").standard_normal((self.size, k)) for v in range(visits)])
        luck = np.array([self.streams(f"detection {v}").random((self.size, k, 2)) for v in range(visits)])
        return model.read(readouts, states, u, e, luck)


def _outcome(job: Job, people: Crowd, measured: Book, true: Book, size: int, effect: float, replicates: int) -> Outcome:
    protocol = job.protocol.sized(size)
    few = _Slice(protocol.most_patients, replicates)
    trials = Trials(protocol=protocol, crowd=few.crowd(people), book=few.book(measured))
    ended = watch(trials, protocol.design) if protocol.design else unwatched(trials)
    everybody = _Slice(size, replicates)
    whole = Trials(protocol=protocol, crowd=everybody.crowd(people), book=everybody.book(true))
    statements = [
        item for analysis in protocol.analyses if analysis.tests for item in _statements(analysis, trials, ended, whole)
    ]
    return Outcome(
        size=size,
        effect=effect,
        statements=tuple(statements),
        patients=ended.member.sum(axis=0).astype(float),
        duration=ended.duration,
        look=ended.look,
        decision=ended.decision,
        observed=ended.observed,
    )


def _statements(analysis: Analysis, trials: Trials, ended: Ended, whole: Trials) -> list[Statement]:
    found = trials.compared(analysis, ended.member, ended.book)
    truths = whole.compared(analysis, whole.everybody, whole.book)
    return [
        Statement(
            endpoint=analysis.endpoint,
            analysis=str(getattr(analysis, "kind", type(analysis).__name__)),
            quantity=item.quantity,
            arm=item.arm,
            confidence=analysis.confidence,
            estimate=item.estimate,
            low=item.low,
            high=item.high,
            p=item.p,
            true=other.estimate,
        )
        for item, other in zip(found, truths, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Slice:
    """The first `n` patients of the first `replicates`."""

    n: int
    replicates: int

    def crowd(self, people: Crowd) -> Crowd:
        cut = {name: getattr(people, name) for name in people.__slots__}
        return Crowd(**{name: value[..., : self.n, : self.replicates] for name, value in cut.items()})

    def book(self, book: Book) -> Book:
        def cut(values: np.ndarray) -> np.ndarray:
            return values[..., : self.n, : self.replicates]

        return Book(
            visits=book.visits,
            readings={name: cut(values) for name, values in book.readings.items()},
            day=cut(book.day),
            seen=cut(book.seen),
            events={name: cut(values) for name, values in book.events.items()},
        )
