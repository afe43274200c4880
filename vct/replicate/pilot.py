"""Scans that an engine really makes: a pilot that the measurement model is fitted to, and trials that check it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vct import trial
from vct.course.many import Array, Lesions
from vct.engine.base import Engine
from vct.protocol import Protocol
from vct.records import Patient, Reading, TrialResult, Visit
from vct.replicate.crowd import Crowd
from vct.replicate.measurement import MeasurementModel, Pilot
from vct.replicate.outcomes import Book
from vct.replicate.truth import Bodies, State, states_of
from vct.replicate.watch import Trials
from vct.rng import stream

Watch = Callable[[int, int], None]
DRAWS = 400
"""Times that the model reads the patients of a checking trial: a two-sided p down to 0.005."""
SURE = 0.01
"""Family-wise error at which image and model are said to disagree."""


def scanned(
    protocol: Protocol,
    engine: Engine,
    *,
    patients: int,
    seed: int,
    out: Path | None,
    workers: int,
    watch: Watch | None = None,
) -> TrialResult:
    """A plain trial of so many patients of this protocol, through the images; a run folder that is there goes on."""
    small = protocol.model_copy(update={"sample_size": patients, "design": None, "multiplicity": None})
    return trial.run(
        small, engine, seed=seed, out=out, resume=out is not None, workers=workers, watch=watch or trial.nobody
    )


def pilot_of(protocol: Protocol, result: TrialResult, seed: int) -> Pilot:
    """The scans of a finished run. `seed` is the run's: its truths are drawn again."""
    patients = {(item.id, item.arm): item for item in result.enrolment.patients}
    order = {key: number for number, key in enumerate(patients)}
    scans: dict[tuple[str, str, str], list[Reading]] = {}
    for reading in result.readings:
        scans.setdefault((reading.patient, reading.arm, reading.visit), []).append(reading)
    snapshots = [
        protocol.course.at(patients[one, arm], Visit(name=visit, day=own[0].day), seed)
        for (one, arm, visit), own in scans.items()
    ]
    visits = [visit.name for visit in protocol.visits]
    labels = [readout.label for readout in protocol.readouts]

    def column(label: str, what: str) -> Array:
        found = [{item.readout: getattr(item, what) for item in own}.get(label) for own in scans.values()]
        return np.array([np.nan if value is None else value for value in found], dtype=float)

    return Pilot(
        state=states_of(snapshots),
        patient=np.array([order[one, arm] for one, arm, _ in scans], dtype=float),
        visit=np.array([visits.index(visit) for *_, visit in scans], dtype=float),
        readings={label: column(label, "value") for label in labels},
        truths={label: column(label, "truth") for label in labels},
        made_by=str(result.provenance.get("engine", "")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One statement held against the model: what the images gave, what the model expects (mean, SD), how far apart.

    `level` is "estimate" (one trial's analysis) or "reading" (one readout over all checking trials; `images` and
    `model` are then the mean and the expected mean of the readings' normal scores under the model).
    """

    level: str
    trial: str
    name: str
    images: float
    model: float
    model_sd: float
    z: float
    p: float
    agrees: bool


def check(
    protocol: Protocol,
    model: MeasurementModel,
    engine: Engine,
    *,
    trials: int,
    patients: int,
    seed: int,
    out: Path | None,
    workers: int,
    watch: Watch | None = None,
) -> tuple[Agreement, ...]:
    """Run trials of other patients through the images and hold them against the model's readings of the same truths.

    Truth, visits and missing scans are the same on both sides, so that only the measurement differs. Together the
    statements disagree by chance with probability SURE (Bonferroni).
    """
    rows: list[Agreement] = []
    scores: dict[str, list[Array]] = {readout.label: [] for readout in protocol.readouts}
    for number in range(1, trials + 1):
        own = seed + number
        folder = None if out is None else out / f"trial-{number}"
        result = scanned(protocol, engine, patients=patients, seed=own, out=folder, workers=workers, watch=watch)
        drawn = _Drawn(protocol, model, result, own)
        rows += drawn.estimates(number)
        for label, score in drawn.scores().items():
            scores[label].append(score)
    rows += [row for label, found in scores.items() if (row := _scored(label, np.concatenate(found)))]
    limit = SURE / max(len(rows), 1)
    return tuple(_judged(row, limit) for row in rows)


def _judged(row: Agreement, limit: float) -> Agreement:
    from dataclasses import replace

    return replace(row, agrees=bool(row.p >= limit))


def _scored(label: str, scores: Array) -> Agreement | None:
    """A t test that the patients' normal scores have mean 0; their SD is at least what DRAWS can tell apart."""
    from scipy.special import ndtri, stdtr

    if scores.size < 3 or not scores.any():
        return None
    finest = float(ndtri(1.5 / (DRAWS + 1)) - ndtri(0.5 / (DRAWS + 1)))
    mean, error = float(scores.mean()), max(float(scores.std(ddof=1)), finest) / math.sqrt(scores.size)
    p = float(2.0 * stdtr(scores.size - 1, -abs(mean / error)))
    return Agreement(
        level="reading", trial="", name=label, images=mean, model=0.0, model_sd=error, z=mean / error, p=p, agrees=True
    )


class _Drawn:
    """One checking trial, and DRAWS readings of it by the model."""

    def __init__(self, protocol: Protocol, model: MeasurementModel, result: TrialResult, seed: int) -> None:
        self.protocol, self.result = protocol, result
        self.people = result.enrolment.patients
        self.names = tuple(visit.name for visit in protocol.visits)
        attendance = {(item.patient, item.arm, item.visit.name): item for item in result.enrolment.attendance}
        each = [[attendance[item.id, item.arm, name] for item in self.people] for name in self.names]
        self.day = np.array([[one.visit.day for one in visit] for visit in each])
        self.seen = np.array([[one.status == "done" for one in visit] for visit in each])
        states = [
            states_of([protocol.course.at(item, one.visit, seed) for item, one in zip(self.people, visit, strict=True)])
            for visit in each
        ]
        k, n, visits = len(protocol.readouts), len(self.people), len(self.names)
        rng = stream(seed, "check", "model")
        size = n * DRAWS
        self.drawn = model.read(
            protocol.readouts,
            [_repeated(state) for state in states],
            rng.standard_normal((size, k)),
            rng.standard_normal((visits, size, k)),
            rng.random((visits, size, k, 2)),
        )

    def _images(self) -> dict[str, Array]:
        place = {(item.id, item.arm): i for i, item in enumerate(self.people)}
        found = {readout.label: np.full(self.day.shape, np.nan) for readout in self.protocol.readouts}
        for item in self.result.readings:
            if item.value is not None:
                found[item.readout][self.names.index(item.visit), place[item.patient, item.arm]] = item.value
        return found

    def estimates(self, number: int) -> Iterator[Agreement]:
        """Every test's estimate from the images against those from the model."""
        images = {label: values[..., None] for label, values in self._images().items()}
        shape = (len(self.names), len(self.people), DRAWS)
        model = {label: values.reshape(shape) for label, values in self.drawn.items()}
        for analysis in self.protocol.analyses:
            if not analysis.tests:
                continue
            sides = []
            for readings, columns in ((images, 1), (model, DRAWS)):
                trials = self._trials(readings, columns)
                sides.append(trials.compared(analysis, trials.everybody, trials.book))
            for one, many in zip(*sides, strict=True):
                expected = many.estimate[np.isfinite(many.estimate)]
                if not np.isfinite(one.estimate[0]) or expected.size < DRAWS / 2:
                    continue
                kind = str(getattr(analysis, "kind", type(analysis).__name__))
                name = f"{analysis.endpoint}, {kind}" + (f", {one.arm}" if one.arm else "")
                yield _against(f"{number}", name, float(one.estimate[0]), expected)

    def scores(self) -> dict[str, Array]:
        """Normal scores of the images' readings among the model's, averaged over each patient's scans."""
        from scipy.special import ndtri

        found = {}
        for label, images in self._images().items():
            model = self.drawn[label].reshape((*images.shape, DRAWS))
            known = np.isfinite(model).sum(axis=-1)
            with np.errstate(invalid="ignore"):
                below = (model < images[..., None]).sum(axis=-1) + 0.5 * (model == images[..., None]).sum(axis=-1)
            score = ndtri((below + 0.5) / (known + 1.0))
            there = self.seen & np.isfinite(images) & (known > DRAWS / 2)
            some = there.any(axis=0)
            found[label] = np.where(there, score, 0.0).sum(axis=0)[some] / there.sum(axis=0)[some]
        return found

    def _trials(self, readings: Mapping[str, Array], columns: int) -> Trials:
        shape = (len(self.people), columns)
        seen = np.broadcast_to(self.seen[..., None], (len(self.names), *shape))
        events = {name: _column(self.people, f"{name}_day", shape) for name in ("dropout", "new_therapy", "death")}
        return Trials(
            protocol=self.protocol,
            crowd=self._crowd(shape),
            book=Book(
                visits=self.names,
                readings={label: np.where(seen, values, np.nan) for label, values in readings.items()},
                day=np.broadcast_to(self.day[..., None], seen.shape),
                seen=seen,
                events=events,
            ),
        )

    def _crowd(self, shape: tuple[int, int]) -> Crowd:
        arms = [arm.name for arm in self.protocol.arms]
        sites = [site.name for site in self.protocol.conduct.sites]
        strata = sorted({item.stratum for item in self.people})

        def column(values: list[float] | list[int] | list[bool]) -> np.ndarray:
            return np.broadcast_to(np.array(values)[:, None], shape)

        return Crowd(
            female=column([item.sex == "F" for item in self.people]),
            age_years=column([item.age_years for item in self.people]),
            height_cm=column([item.height_cm for item in self.people]),
            weight_kg=column([item.weight_kg for item in self.people]),
            enrolled=column([item.enrolled_day for item in self.people]),
            site=column([sites.index(item.site) for item in self.people]),
            arm=column([arms.index(item.arm) for item in self.people]),
            stratum=column([strata.index(item.stratum) for item in self.people]),
            dropout=_column(self.people, "dropout_day", shape),
            new_therapy=_column(self.people, "new_therapy_day", shape),
            death=_column(self.people, "death_day", shape),
            day=np.broadcast_to(self.day[..., None], (len(self.names), *shape)),
            done=np.broadcast_to(self.seen[..., None], (len(self.names), *shape)),
        )


def _column(people: tuple[Patient, ...], name: str, shape: tuple[int, int]) -> Array:
    days = [getattr(item, name) for item in people]
    return np.broadcast_to(np.array([np.inf if day is None else day for day in days], dtype=float)[:, None], shape)


def _repeated(state: State) -> State:
    """Every patient DRAWS times, one after the other."""
    lesions, bodies = state.lesions, state.bodies
    owner = (lesions.owner[:, None] * DRAWS + np.arange(DRAWS)).ravel()
    rest = {name: np.repeat(getattr(lesions, name), DRAWS) for name in Lesions.__slots__ if name != "owner"}
    return State(
        bodies=Bodies(**{name: np.repeat(getattr(bodies, name), DRAWS) for name in Bodies.__slots__}),
        lesions=Lesions(owner=owner, **rest),
    )


def _against(number: str, name: str, images: float, model: Array) -> Agreement:
    centre, spread = float(model.mean()), float(model.std(ddof=1))
    beyond = int((np.abs(model - centre) >= abs(images - centre) - 1e-12).sum())
    return Agreement(
        level="estimate",
        trial=number,
        name=name,
        images=images,
        model=centre,
        model_sd=spread,
        z=(images - centre) / spread if spread > 0 else 0.0,
        p=(beyond + 1.0) / (model.size + 1.0),
        agrees=True,
    )
