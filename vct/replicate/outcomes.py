"""Endpoints of many trials at once: readings (visits, n, replicates) in, outcomes out.

The kinds that `vct` ships have a twin on arrays here; any other endpoint is asked patient by patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.endpoint.base import Endpoint
from vct.endpoint.categorical import Percist, Response
from vct.endpoint.change import AbsoluteChange, LogRatio, PercentChange, Value
from vct.endpoint.response import (
    BLOOD_POOL_FACTOR,
    LEAST_FRACTION,
    LEAST_SUL,
    LEAST_TLG_RISE,
    LIVER_FACTOR,
    N_SD,
    STABLE_FRACTION,
    STABLE_SUL,
    TOLERANCE,
)
from vct.endpoint.survival import ProgressionTime
from vct.records import Patient, Reading

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What is known of many trials: `readings` (visits, n, replicates) by readout, NaN for none.

    `day` is the actual day of each visit, `seen` whether there was a scan; `events` (n, replicates) the days of
    dropout, new therapy and death, infinite for none that is known.
    """

    visits: tuple[str, ...]
    readings: Mapping[str, Array]
    day: Array
    seen: Mask
    events: Mapping[str, Array]

    def value(self, readout: str | None, visit: str | None) -> Array:
        """One readout at one visit (n, replicates); NaN when nobody asked for it."""
        if readout is None or visit is None:
            return np.full(self.day.shape[1:], np.nan)
        found: Array = self.readings[readout][self.visits.index(visit)]
        return found

    def until(self, known: Mask, day: Array) -> Book:
        """Without the readings that are not `known` (visits, n, replicates), and events that come after `day`."""
        return replace(
            self,
            readings={name: np.where(known, values, np.nan) for name, values in self.readings.items()},
            seen=self.seen & known,
            events={name: np.where(when <= day, when, np.inf) for name, when in self.events.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One endpoint's outcomes: `value` (visits, n, replicates), NaN for missing, of the visits named.

    `baseline` (n, replicates); `unchanged` as `Outcome.unchanged`; `event` (n, replicates) for times, whose one visit
    is called ""; `verdict` for endpoints that judge.
    """

    visits: tuple[str, ...]
    value: Array
    baseline: Array
    unchanged: Array
    event: Mask | None = None
    verdict: bool = False


@singledispatch
def derive(endpoint: Endpoint, book: Book) -> Table:
    """The outcomes of every patient, by the endpoint's own `derive`."""
    shape = book.day.shape[1:]
    found: dict[tuple[str, int, int], tuple[float, float, float, bool | None, bool]] = {}
    for index in np.ndindex(shape):
        patient = Patient(id="P", sex="F", age_years=60.0, height_cm=165.0, weight_kg=70.0)
        days: Any = {
            f"{name}_day": float(when[index]) for name, when in book.events.items() if np.isfinite(when[index])
        }
        patient = replace(patient, **days)
        for item in endpoint.derive(patient, readings_of(book, index)):
            numbers = [np.nan if x is None else x for x in (item.value, item.baseline, item.unchanged)]
            found[item.visit, *index] = (*numbers, item.event, bool(item.category))  # type: ignore[assignment]
    visits = tuple(dict.fromkeys(visit for visit, *_ in found))
    stacked = np.array([[[found[v, i, r][:3] for r in range(shape[1])] for i in range(shape[0])] for v in visits])
    any_event = any(item[3] is not None for item in found.values())
    event = np.array([[bool(found[visits[0], i, r][3]) for r in range(shape[1])] for i in range(shape[0])])
    return Table(
        visits=visits,
        value=stacked[..., 0],
        baseline=stacked[0, ..., 1],
        unchanged=stacked[0, ..., 2],
        event=event if any_event else None,
        verdict=any(item[4] for item in found.values()),
    )


def readings_of(book: Book, index: tuple[int, ...]) -> list[Reading]:
    """One patient's readings as records."""
    return [
        Reading(
            patient="P",
            arm="",
            visit=visit,
            day=float(book.day[(k, *index)]),
            readout=name,
            value=None if np.isnan(values[(k, *index)]) else float(values[(k, *index)]),
            unit="",
        )
        for k, visit in enumerate(book.visits)
        if book.seen[(k, *index)]
        for name, values in book.readings.items()
    ]


def judge(endpoint: Endpoint, book: Book, planned_days: Mapping[str, float]) -> Table:
    """The outcomes with intercurrent events taken in, as `vct.endpoint.estimand.judged` does for one patient."""
    estimand = endpoint.estimand

    def first(*strategies: str) -> Array:
        days = [when for name, when in book.events.items() if getattr(estimand, name) in strategies]
        return np.min(days, axis=0) if days else np.full(book.day.shape[1:], np.inf)

    cut = first("hypothetical", "composite", "while_on_treatment")
    if not np.isfinite(cut).any():
        return derive(endpoint, book)
    before = book.day < cut
    kept = replace(
        book,
        readings={name: np.where(before, values, np.nan) for name, values in book.readings.items()},
        seen=book.seen & before,
    )
    table = derive(endpoint, kept)
    failed = np.isfinite(cut) & (first("composite") == cut)
    carried = np.isfinite(cut) & (first("while_on_treatment") == cut) & ~failed
    value, event = table.value.copy(), table.event
    failure = 0.0 if table.verdict else estimand.failure_value
    for k, visit in enumerate(table.visits):
        if event is not None:
            fails = failed & ~event & ~np.isnan(value[k])
            value[k] = np.where(fails, cut, value[k])
            event = event | fails
            continue
        place = book.visits.index(visit)
        late = np.where(book.seen[place], book.day[place], planned_days[visit]) >= cut
        if failure is not None:
            value[k] = np.where(late & failed, failure, value[k])
        if k:
            value[k] = np.where(late & carried & np.isnan(value[k]), value[k - 1], value[k])
    return replace(table, value=value, event=event)


def _changes(endpoint: AbsoluteChange | PercentChange | LogRatio | Value, book: Book) -> tuple[Array, Array]:
    before = book.value(endpoint.readout, endpoint.baseline)
    return before, np.array([book.value(endpoint.readout, visit) for visit in endpoint.visits])


@derive.register
def _(endpoint: AbsoluteChange, book: Book) -> Table:
    before, after = _changes(endpoint, book)
    return _numbers(endpoint.visits, after - before, before, 0.0)


@derive.register
def _(endpoint: PercentChange, book: Book) -> Table:
    before, after = _changes(endpoint, book)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.where(before > 0, 100.0 * (after - before) / before, np.nan)
    return _numbers(endpoint.visits, change, before, 0.0)


@derive.register
def _(endpoint: LogRatio, book: Book) -> Table:
    before, after = _changes(endpoint, book)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.where(np.minimum(before, after) > 0, np.log(after) - np.log(before), np.nan)
    return _numbers(endpoint.visits, change, before, 0.0)


@derive.register
def _(endpoint: Value, book: Book) -> Table:
    before, after = _changes(endpoint, book)
    return replace(_numbers(endpoint.visits, after, before, 0.0), unchanged=before)


def _numbers(visits: Sequence[str], value: Array, baseline: Array, unchanged: float) -> Table:
    same = np.full(baseline.shape, unchanged)
    return Table(visits=tuple(visits), value=value, baseline=baseline, unchanged=same)


@derive.register
def _(endpoint: Response, book: Book) -> Table:
    before = book.value(endpoint.readout, endpoint.baseline)
    verdicts = []
    for visit in endpoint.visits:
        fall = before - book.value(endpoint.readout, visit)
        with np.errstate(divide="ignore", invalid="ignore"):
            responds = _at_least(fall / before, endpoint.fall_percent / 100.0) & _at_least(fall, endpoint.fall_absolute)
        verdicts.append(np.where(np.isfinite(fall) & (before > 0), responds.astype(float), np.nan))
    return replace(_numbers(endpoint.visits, np.array(verdicts), before, 0.0), verdict=True)


@derive.register
def _(endpoint: Percist, book: Book) -> Table:
    before = book.value(endpoint.sul_peak, endpoint.baseline)
    verdicts = [_percist(endpoint, book, visit) for visit in endpoint.visits]
    value = np.array([_responding(codes, endpoint.responders) for codes in verdicts])
    table = _numbers(endpoint.visits, value, before, float("SMD" in endpoint.responders))
    return replace(table, verdict=True)


NE, CMR, PMR, SMD, PMD = range(5)
CODES = {"CMR": CMR, "PMR": PMR, "SMD": SMD, "PMD": PMD}


def _responding(codes: NDArray[np.intp], responders: Sequence[str]) -> Array:
    return np.where(codes == NE, np.nan, np.isin(codes, [CODES[name] for name in responders]).astype(float))


def _percist(endpoint: Percist, book: Book, visit: str) -> NDArray[np.intp]:
    """PERCIST's category of every patient, by the rules and in the order of `vct.endpoint.response.percist`."""

    def at(name: str | None, when: str) -> Array:
        return book.value(name, when)

    base = endpoint.baseline
    before, after = at(endpoint.sul_peak, base), at(endpoint.sul_peak, visit)
    liver, liver_sd = at(endpoint.liver_mean, base), at(endpoint.liver_sd, base)
    blood, blood_sd = at(endpoint.blood_pool_mean, base), at(endpoint.blood_pool_sd, base)
    limit = LIVER_FACTOR * liver + N_SD * liver_sd
    limit = np.where(np.isnan(limit), BLOOD_POOL_FACTOR * blood + N_SD * blood_sd, limit)
    with np.errstate(divide="ignore", invalid="ignore"):
        measurable = np.isfinite(limit) & (before > 0) & _at_least(before, limit)
        rise = after - before
        share = rise / before
        tlg_share = at(endpoint.tlg, visit) / at(endpoint.tlg, base) - 1.0
        tlg_known = np.isfinite(tlg_share) & (at(endpoint.tlg, base) > 0)
        progressed = (_above(share, LEAST_FRACTION) & _at_least(rise, LEAST_SUL)) | (
            tlg_known & _above(tlg_share, LEAST_TLG_RISE) & _at_least(rise, 0.0)
        )
        late_liver, late_blood = at(endpoint.liver_mean, visit), at(endpoint.blood_pool_mean, visit)
        blood_limit = late_blood + N_SD * np.nan_to_num(at(endpoint.blood_pool_sd, visit))
        some = np.isfinite(late_liver) | np.isfinite(blood_limit)
        below_liver = np.isnan(late_liver) | _above(late_liver, after)
        like_blood = np.isnan(blood_limit) | _at_least(blood_limit, after)
        fell = _at_least(-share, LEAST_FRACTION) & _at_least(-rise, LEAST_SUL)
    code = np.where(fell, PMR, SMD)
    code = np.where(some & below_liver & like_blood, CMR, code)
    code = np.where(progressed, PMD, code)
    if endpoint.stable_background:
        code = np.where(_comparable(endpoint, book, visit), code, NE)
    code = np.where(np.isnan(after), NE, code)
    code = np.where(np.nan_to_num(at(endpoint.new_lesions, visit)) > 0, PMD, code)
    return np.where(measurable, code, NE)


def _comparable(endpoint: Percist, book: Book, visit: str) -> Mask:
    stable = np.zeros(book.day.shape[1:], dtype=bool)
    judged = stable.copy()
    for name in (endpoint.liver_mean, endpoint.blood_pool_mean):
        before, after = book.value(name, endpoint.baseline), book.value(name, visit)
        change = np.abs(after - before)
        with np.errstate(invalid="ignore"):
            fine = ~(_above(change, STABLE_FRACTION * before) | _at_least(change, STABLE_SUL))
        now = np.isfinite(change) & ~judged
        stable |= now & fine
        judged |= now
    return stable


@derive.register
def _(endpoint: ProgressionTime, book: Book) -> Table:
    before = book.value(endpoint.readout, endpoint.baseline)
    event = np.zeros(before.shape, dtype=bool)
    time, nadir = np.zeros(before.shape), before.copy()
    order = sorted(endpoint.visits, key=book.visits.index)
    for visit in order:
        k = book.visits.index(visit)
        value, day = book.value(endpoint.readout, visit), book.day[k]
        open_ = ~event & book.seen[k]
        with np.errstate(invalid="ignore"):
            new = np.nan_to_num(book.value(endpoint.new_lesions, visit)) > 0
            rise = value - nadir
            worse = _above(rise, endpoint.rise_percent / 100.0 * np.maximum(nadir, 0.0)) & _at_least(
                rise, endpoint.rise_absolute
            )
        read = np.isfinite(value)
        shows = open_ & (new | (read & worse))
        goes_on = open_ & ~shows & read
        time = np.where(shows, day, np.where(goes_on, np.maximum(day, 0.0), time))
        nadir = np.where(goes_on, np.minimum(nadir, value), nadir)
        event |= shows
    if endpoint.death_counts:
        died = ~event & np.isfinite(book.events["death"])
        time = np.where(died, book.events["death"], time)
        event |= died
    value = np.where(np.isfinite(before), time, np.nan)
    table = _numbers(("",), value[None], before, np.nan)
    return replace(table, event=event & np.isfinite(before))


def _at_least(value: Array, cut_off: Array | float) -> Mask:
    return np.asarray(value >= cut_off - TOLERANCE)


def _above(value: Array, cut_off: Array | float) -> Mask:
    return np.asarray(value > cut_off + TOLERANCE)
