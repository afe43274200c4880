"""Looks at many trials at once: the rules of `vct.interim` on arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vct.protocol import Protocol
from vct.replicate import survival  # noqa: F401  (registers log-rank and Cox)
from vct.replicate.analyses import Estimates, Sheet, compare
from vct.replicate.crowd import Crowd, Indices
from vct.replicate.outcomes import Array, Book, Mask, Table, judge
from vct.stats.base import Analysis
from vct.stats.design.monitoring import Monitoring, Stops, is_ratio
from vct.stats.design.reestimation import BlindedReestimation
from vct.stats.summary import OneSample

CONTINUE, EFFICACY, FUTILITY, NOT_SIGNIFICANT = range(4)
CODES = {"continue": CONTINUE, "efficacy": EFFICACY, "futility": FUTILITY, "not significant": NOT_SIGNIFICANT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What the trials ended with: (n, replicates) `member`, their `book`, and of every replicate the last look's number
    `look`, why it stopped (`decision`, a code), the day of the last data (`duration`); with a rule by arm `look` and
    `decision` are (arms, replicates). `observed` holds the information of the looks of each replicate.
    """

    member: Mask
    book: Book
    duration: Array
    look: Indices
    decision: Indices
    observed: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """Many whole trials as they would go without stopping."""

    protocol: Protocol
    crowd: Crowd
    book: Book

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms, the reference first."""
        return tuple(arm.name for arm in self.protocol.arms)

    @property
    def everybody(self) -> Mask:
        """All patients."""
        return np.ones(self.crowd.arm.shape, dtype=bool)

    def judged(self, name: str, book: Book) -> Table:
        """The outcomes of one endpoint."""
        endpoint = next(item for item in self.protocol.endpoints if item.name == name)
        return judge(endpoint, book, self.protocol.planned_days)

    def ready(self, reading_days: float) -> Array:
        """Trial day on which each visit's readings are there (visits, n, replicates); infinite without a scan."""
        return np.where(self.book.seen, self.crowd.enrolled + self.book.day + reading_days, np.inf)

    def known_on(self, day: Array, reading_days: float) -> tuple[Mask, Book]:
        """Who has come in by `day` (replicates,), and what is known then."""
        book = self.book.until(self.ready(reading_days) <= day, day - self.crowd.enrolled)
        return self.crowd.enrolled <= day, book

    def compared(self, analysis: Analysis, member: Mask, book: Book) -> list[Estimates]:
        """What an analysis says of some patients."""
        sheet = Sheet(table=self.judged(analysis.endpoint, book), crowd=self.crowd, member=member, arms=self.arms)
        if analysis.missing == "multiple_imputation":
            return compare.dispatch(Analysis)(analysis, sheet)
        return compare(analysis, sheet)


def unwatched(trials: Trials) -> Ended:
    """Trials that nobody watches go to their end."""
    last = _last_day(trials, 0.0)
    nothing = np.ones(last.shape, dtype=np.intp)
    return Ended(
        member=trials.everybody, book=trials.book, duration=last, look=nothing, decision=nothing * NOT_SIGNIFICANT
    )


def watch(trials: Trials, plan: Monitoring) -> Ended:
    """Apply the design to every trial."""
    if plan.by_arm:
        return _arm_by_arm(trials, plan)
    if plan.reestimation is not None:
        return _resized(trials, plan, plan.reestimation, plan.reestimate_at or 0)
    return _sequential(trials, plan)


def _last_day(trials: Trials, reading_days: float) -> Array:
    ready = trials.ready(reading_days)
    return np.asarray(np.where(np.isfinite(ready), ready, 0.0).max(axis=(0, 1)))


def _value_days(trials: Trials, plan: Monitoring, visit: str | None) -> Array:
    """Trial days on which values (or events) of the primary endpoint come in, sorted down each replicate."""
    table = trials.judged(plan.primary, trials.book)
    if table.event is not None:
        days = np.where(table.event, trials.crowd.enrolled + table.value[0] + plan.reading_days, np.inf)
    else:
        name = visit or table.visits[-1]
        value = table.value[table.visits.index(name)]
        ready = trials.ready(plan.reading_days)[trials.book.visits.index(name)]
        days = np.where(np.isnan(value), np.inf, ready)
    return np.sort(days, axis=0)


def _sequential(trials: Trials, plan: Monitoring) -> Ended:
    analysis = plan.deciding(trials.protocol.analyses)
    most = plan.maximum(trials.protocol.sample_size)
    days = _value_days(trials, plan, analysis.visit)
    replicates = days.shape[1]
    last = _last_day(trials, plan.reading_days)
    end = np.minimum(last, days[most - 1]) if plan.events and most <= days.shape[0] else last
    never = np.full(replicates, np.inf)
    if plan.days is not None:
        cuts = [np.full(replicates, day) for day in plan.days]
    else:
        cuts = [days[count - 1] if count <= days.shape[0] else never for count in plan.interim_counts(most)]
    look, decision = np.zeros(replicates, dtype=np.intp), np.zeros(replicates, dtype=np.intp)
    ended, cut_at = np.zeros(replicates, dtype=bool), end.copy()
    observed: list[tuple[float, ...]] = [()] * replicates
    full = np.zeros(replicates, dtype=bool)
    for cut in [*cuts, end]:
        is_end = cut is end
        due = ~ended if is_end else ~ended & (cut < end)
        if not due.any():
            continue
        when = np.where(due, cut, end)
        member, book = trials.known_on(when, plan.reading_days)
        z = z_of(plan, analysis, trials.compared(analysis, member, book))
        there = (days <= when).sum(axis=0) / most
        for r in np.flatnonzero(due):
            observed[r] = (*observed[r], float(there[r]))
            final = is_end or there[r] >= 1.0
            stops = _stops(plan, observed[r], final)
            decided = stops.decide(None if np.isnan(z[r]) else float(z[r]), bool(final))
            look[r] += 1
            decision[r], full[r] = CODES[decided], final
        newly = due & (decision != CONTINUE)
        cut_at = np.where(newly, when, cut_at)
        ended |= newly
    return _at_the_end(trials, plan, cut_at, full, look, decision, tuple(observed))


@lru_cache(maxsize=65536)
def _stops(plan: Monitoring, observed: tuple[float, ...], final: bool) -> Stops:
    return plan.stops(observed, final=final)


def _at_the_end(
    trials: Trials,
    plan: Monitoring,
    cut: Array,
    full: Mask,
    look: Indices,
    decision: Indices,
    observed: tuple[tuple[float, ...], ...],
) -> Ended:
    """As `vct.interim._at_the_end`, replicate by replicate."""
    shut = cut + plan.decision_days
    everything = np.full(cut.shape, np.inf)
    if plan.events:
        data = np.where(full | (plan.overrunning == "discard"), cut, shut)
        accrual = data
    elif plan.overrunning == "discard":
        accrual = data = np.where(full, everything, cut)
    else:
        accrual, data = np.where(full, everything, shut), everything
    member = trials.crowd.enrolled <= accrual
    _, book = trials.known_on(data, plan.reading_days)
    ready = np.where(member & np.isfinite(trials.ready(plan.reading_days)), trials.ready(plan.reading_days), 0.0)
    duration = np.minimum(np.where(ready <= data, ready, 0.0).max(axis=(0, 1)), data)
    return Ended(
        member=member, book=book, duration=np.maximum(duration, cut), look=look, decision=decision, observed=observed
    )


def z_of(plan: Monitoring, analysis: Analysis, found: Sequence[Estimates]) -> Array:
    """As `Monitoring.z`, on arrays."""
    from scipy.special import ndtri

    item = found[0]
    sign = 1.0 if plan.benefit == "higher" else -1.0
    p = np.maximum(item.p, 1e-300)
    if isinstance(analysis, OneSample) and analysis.alternative != "two_sided":
        return np.asarray((sign if analysis.alternative == "greater" else -sign) * -ndtri(p))
    null = 1.0 if is_ratio(item.quantity) else analysis.null
    return np.asarray(sign * np.copysign(-ndtri(p / 2.0), item.estimate - null))


def _arm_by_arm(trials: Trials, plan: Monitoring) -> Ended:
    crowd, size = trials.crowd, plan.arm_size()
    table = trials.judged(plan.primary, trials.book)
    visit = plan.visit or table.visits[-1]
    value = table.value[table.visits.index(visit)]
    day = crowd.enrolled + trials.book.day[trials.book.visits.index(visit)] + plan.reading_days
    counts = (*plan.interim_counts(size), size)
    member = trials.everybody
    replicates = value.shape[1]
    looks = np.zeros((len(trials.arms), replicates), dtype=np.intp)
    decisions = np.zeros((len(trials.arms), replicates), dtype=np.intp)
    for k in range(len(trials.arms)):
        mine = crowd.arm == k
        rank = np.cumsum(mine, axis=0) - 1
        closed, open_ = np.full(replicates, np.inf), np.ones(replicates, dtype=bool)
        for number, count in enumerate(counts, start=1):
            first = mine & (rank < count)
            due = open_ & (first.sum(axis=0) == count)
            responders = (first & (value == 1.0)).sum(axis=0)
            final = count == size
            stops = _stops(plan, tuple(item / size for item in counts[:number]), final)
            cut = np.where(first, day, -np.inf).max(axis=0)
            last_in = np.where(first, crowd.enrolled, -np.inf).max(axis=0)
            for r in np.flatnonzero(due):
                code = CODES[stops.decide(float(responders[r]), final)]
                looks[k, r], decisions[k, r] = number, code
                if final:
                    closed[r] = last_in[r]
                elif code != CONTINUE:
                    closed[r], open_[r] = cut[r] + plan.decision_days, False
        member = member & (~mine | (crowd.enrolled <= closed))
    ready = np.where(member & np.isfinite(trials.ready(plan.reading_days)), trials.ready(plan.reading_days), 0.0)
    return Ended(member=member, book=trials.book, duration=ready.max(axis=(0, 1)), look=looks, decision=decisions)


def _resized(trials: Trials, plan: Monitoring, rule: BlindedReestimation, at: int) -> Ended:
    days = _value_days(trials, plan, plan.deciding(trials.protocol.analyses).visit)
    cut = days[at - 1]
    member, book = trials.known_on(cut, plan.reading_days)
    table = trials.judged(plan.primary, book)
    visit = plan.deciding(trials.protocol.analyses).visit or table.visits[-1]
    value = np.where(member, table.value[table.visits.index(visit)], np.nan)
    enrolled = member.sum(axis=0)
    total = np.full(cut.shape, trials.protocol.sample_size)
    for r in np.flatnonzero(np.isfinite(cut)):
        values = value[:, r]
        revised = rule.revise(values[~np.isnan(values)].tolist())
        total[r] = max(2 * revised.per_arm, int(enrolled[r]))
    kept = np.arange(value.shape[0])[:, None] < total
    ready = np.where(kept & np.isfinite(trials.ready(plan.reading_days)), trials.ready(plan.reading_days), 0.0)
    analysis = plan.deciding(trials.protocol.analyses)
    z = z_of(plan, analysis, trials.compared(analysis, kept, trials.book))
    bound = plan.stops((1.0,), final=True)
    decided = [CODES[bound.decide(None if math.isnan(x) else float(x), True)] for x in z]
    return Ended(
        member=kept,
        book=trials.book,
        duration=ready.max(axis=(0, 1)),
        look=np.ones(cut.shape, dtype=np.intp),
        decision=np.array(decided, dtype=np.intp),
    )
