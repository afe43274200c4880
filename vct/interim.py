"""Looks at a trial under way: what is known on a day, what a look decides, and what the trial then ends with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vct.protocol import Protocol
from vct.records import Comparison, Enrolment, Look, Outcome, Patient, Reading
from vct.stats import compare_all
from vct.stats.base import Analysis
from vct.stats.design.group_sequential import GroupSequential
from vct.stats.design.monitoring import Monitoring, final_statement, prospects
from vct.stats.design.reestimation import BlindedReestimation

Derive = Callable[..., list[Outcome]]
Key = tuple[str, str]
ALL = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a trial ended with: those who came in, what was read of them, the looks and what they say in the end."""

    enrolment: Enrolment
    readings: tuple[Reading, ...]
    looks: tuple[Look, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


def as_planned(enrolment: Enrolment, readings: Sequence[Reading]) -> Ending:
    """The end of a trial that nobody watches."""
    return Ending(enrolment=enrolment, readings=tuple(readings))


def watched(
    protocol: Protocol, plan: Monitoring, enrolment: Enrolment, readings: Sequence[Reading], derive: Derive, seed: int
) -> Ending:
    """The end of a trial that is watched by `plan`; `derive` is `vct.conclude.outcomes_of`."""
    course = Course(
        protocol=protocol, plan=plan, enrolment=enrolment, readings=tuple(readings), derive=derive, seed=seed
    )
    if plan.by_arm:
        return _arm_by_arm(course)
    if plan.reestimation is not None:
        return _resized(course, plan.reestimation, plan.reestimate_at or 0)
    return _sequential(course)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A whole trial as it would go without stopping; its methods say what of it is known on a day."""

    protocol: Protocol
    plan: Monitoring
    enrolment: Enrolment
    readings: tuple[Reading, ...]
    derive: Derive
    seed: int

    @property
    def arms(self) -> list[str]:
        """The arms, the reference first."""
        return [arm.name for arm in self.protocol.arms]

    def ready(self, reading: Reading) -> float:
        """Trial day on which a reading is in the database."""
        return self._enrolled()[reading.patient, reading.arm] + reading.day + self.plan.reading_days

    def _enrolled(self) -> dict[Key, float]:
        return {(item.id, item.arm): item.enrolled_day for item in self.enrolment.patients}

    @property
    def last_day(self) -> float:
        """Trial day of the last reading."""
        enrolled = self._enrolled()
        days = [enrolled[item.patient, item.arm] + item.day for item in self.readings]
        return max(days, default=max(enrolled.values(), default=0.0)) + self.plan.reading_days

    def outcomes(self, patients: Sequence[Patient], readings: Sequence[Reading]) -> list[Outcome]:
        """The primary endpoint's outcomes, at the visit that decides."""
        endpoint = next(item for item in self.protocol.endpoints if item.name == self.plan.primary)
        return self.derive([endpoint], patients, readings, "measured")

    def on(self, day: float, closed: dict[str, float] | None = None) -> tuple[Enrolment, tuple[Reading, ...]]:
        """Who has come in and what has been read by `day`; arms take in nobody after the day they `closed`."""
        last = {arm: min(day, (closed or {}).get(arm, ALL)) for arm in self.arms}
        kept = self.only(
            {(item.id, item.arm) for item in self.enrolment.patients if item.enrolled_day <= last[item.arm]}
        )
        kept = replace(kept, patients=tuple(_as_of(item, day - item.enrolled_day) for item in kept.patients))
        enrolled = {(item.id, item.arm): item.enrolled_day for item in kept.patients}
        waiting = self.plan.reading_days
        known = (
            item
            for item in self.readings
            if (key := (item.patient, item.arm)) in enrolled and enrolled[key] + item.day + waiting <= day
        )
        return kept, tuple(known)

    def only(self, keys: Collection[Key]) -> Enrolment:
        """The enrolment of some patients, as if screening had ended with the last of them."""
        whole = self.enrolment
        patients = tuple(item for item in whole.patients if (item.id, item.arm) in keys)
        if len(patients) == len(whole.patients) or not patients:
            return replace(whole, patients=patients, attendance=whole.attendance if patients else ())
        order = list(dict.fromkeys(item.id for item in whole.patients))
        count = 1 + order.index(patients[-1].id)
        until = self.protocol.enrol(self.seed, count)
        closed = count - len({item.id for item in patients})
        return replace(
            until,
            patients=patients,
            attendance=tuple(item for item in whole.attendance if (item.patient, item.arm) in keys),
            excluded={**until.excluded, **({"their arm was closed": closed} if closed else {})},
        )

    def compared(self, analysis: Analysis, enrolment: Enrolment, readings: Sequence[Reading]) -> Comparison:
        """What the deciding analysis says of these patients."""
        found = compare_all([analysis], self.outcomes(enrolment.patients, readings), enrolment, self.arms)
        return found[0]

    def days_of_values(self) -> list[float]:
        """Trial days on which the primary endpoint's values (or events) come in, in order."""
        enrolled, when = self._enrolled(), self._visit_days()
        outcomes = self.outcomes(self.enrolment.patients, self.readings)
        visit = self.visit_that_decides(outcomes)
        days = []
        for item in outcomes:
            start = enrolled[item.patient, item.arm] + self.plan.reading_days
            if item.time_days is not None:
                if item.event:
                    days.append(start + item.time_days)
            elif item.value is not None and item.visit == visit:
                days.append(start + when[item.patient, item.arm, item.visit])
        return sorted(days)

    def information(self, enrolment: Enrolment, readings: Sequence[Reading]) -> int:
        """Values, or events, that these patients have."""
        outcomes = self.outcomes(enrolment.patients, readings)
        visit = self.visit_that_decides(outcomes)
        if self.plan.events:
            return sum(bool(item.event) for item in outcomes)
        return sum(item.value is not None and item.visit == visit for item in outcomes)

    def visit_that_decides(self, outcomes: Sequence[Outcome]) -> str:
        """The visit that the plan, or else its analysis, names; else the endpoint's last one."""
        named = self.plan.visit
        if named is None and not self.plan.by_arm:
            named = self.plan.deciding(self.protocol.analyses).visit
        return named or (outcomes[-1].visit if outcomes else "")

    def _visit_days(self) -> dict[tuple[str, str, str], float]:
        return {(item.patient, item.arm, item.visit.name): item.visit.day for item in self.enrolment.attendance}


def _sequential(course: Course) -> Ending:
    plan = course.plan
    analysis = plan.deciding(course.protocol.analyses)
    most = plan.maximum(course.protocol.sample_size)
    days = course.days_of_values()
    looks: list[Look] = []
    observed: list[float] = []
    final = False
    for cut, planned_end in _cuts(plan, days, course.last_day, most):
        enrolment, readings = course.on(cut)
        n = sum(day <= cut for day in days)
        observed.append(n / most)
        final = planned_end or observed[-1] >= 1.0
        comparison = course.compared(analysis, enrolment, readings)
        look = _look(plan, comparison, analysis, number=len(looks) + 1, day=cut, observed=observed, final=final)
        looks.append(replace(look, n_events=n) if plan.events else look)
        if look.decision != "continue":
            break
    kept, readings = _at_the_end(course, looks[-1].day, final)
    comparison = course.compared(analysis, kept, readings)
    path = [*observed[:-1], max(observed[-1], course.information(kept, readings) / most)]
    z = plan.z(comparison, analysis)
    statement = None if z is None else final_statement(plan, comparison, analysis, path, z)
    return Ending(enrolment=kept, readings=readings, looks=tuple(looks), comparisons=(statement,) if statement else ())


def _at_the_end(course: Course, cut: float, final: bool) -> tuple[Enrolment, tuple[Reading, ...]]:
    """Patients and readings of a trial whose last look was on day `cut`.

    Before the end, accrual goes on until the decision. With overrunning, whoever came in finishes the visits; in a
    trial of events, what is known on the day of the decision counts.
    """
    plan = course.plan
    if final:
        return course.on(cut if plan.events else ALL)
    if plan.overrunning == "discard":
        return course.on(cut)
    shut = cut + plan.decision_days
    return course.on(shut) if plan.events else course.on(ALL, dict.fromkeys(course.arms, shut))


def _cuts(plan: Monitoring, days: Sequence[float], last_day: float, most: int) -> Iterator[tuple[float, bool]]:
    """Trial days of the looks, and whether each is the last: a look that never comes about is left out."""
    end = days[most - 1] if plan.events and len(days) >= most else last_day
    counts = plan.interim_counts(most)
    wanted = plan.days or tuple(days[count - 1] if count <= len(days) else ALL for count in counts)
    yield from ((day, False) for day in wanted if day < end)
    yield end, True


def _look(
    plan: Monitoring,
    comparison: Comparison,
    analysis: Analysis,
    *,
    number: int,
    day: float,
    observed: Sequence[float],
    final: bool,
) -> Look:
    stops, z = plan.stops(observed, final=final), plan.z(comparison, analysis)
    rule = plan.rule
    ahead = None
    if isinstance(rule, GroupSequential) and z is not None and not final:
        ahead = prospects(rule, z, observed)
    return Look(
        endpoint=comparison.endpoint,
        method=comparison.method,
        arm=comparison.arm,
        reference=comparison.reference,
        number=number,
        day=day,
        information=observed[-1],
        n=comparison.n + comparison.n_reference,
        scale="z",
        statistic=z,
        lower=stops.lower,
        upper=stops.upper,
        reverse=stops.reverse,
        decision=stops.decide(z, final),
        estimate=comparison.estimate,
        p_value=comparison.p_value,
        conditional_power=ahead.conditional_power if ahead else None,
        conditional_power_trend=ahead.conditional_power_trend if ahead else None,
        predictive_power=ahead.predictive_power if ahead else None,
        note=comparison.note,
    )


def _arm_by_arm(course: Course) -> Ending:
    """Simon's rules in each arm: the first n patients count, an arm that stops takes in nobody after the decision."""
    plan, closed, looks = course.plan, {}, []
    outcomes = course.outcomes(course.enrolment.patients, course.readings)
    visit = course.visit_that_decides(outcomes)
    verdicts = {(item.patient, item.arm): item for item in outcomes if item.visit == visit}
    planned = next(item.day for item in course.protocol.visits if item.name == visit)
    seen = course._visit_days()
    size = plan.arm_size()
    counts = (*plan.interim_counts(size), size)
    for arm in course.arms:
        patients = [item for item in course.enrolment.patients if item.arm == arm]
        for number, count in enumerate(counts, start=1):
            first = patients[:count]
            if len(first) < count:
                break
            known = [item.enrolled_day + seen.get((item.id, arm, visit), planned) for item in first]
            cut = max(known) + plan.reading_days
            responders = sum(verdicts[item.id, arm].value == 1.0 for item in first)
            final = count == size
            stops = plan.stops([item / size for item in counts[:number]], final=final)
            decision = stops.decide(float(responders), final)
            looks.append(
                Look(
                    endpoint=plan.primary,
                    method=str(getattr(plan.rule, "kind", "")),
                    arm=arm,
                    reference="",
                    number=number,
                    day=cut,
                    information=count / size,
                    n=count,
                    scale="responders",
                    statistic=float(responders),
                    lower=stops.lower,
                    upper=stops.upper,
                    decision=decision,
                    estimate=responders / count,
                )
            )
            if final:
                closed[arm] = first[-1].enrolled_day
            elif decision != "continue":
                closed[arm] = cut + plan.decision_days
                break
    kept, readings = course.on(ALL, closed)
    return Ending(enrolment=kept, readings=readings, looks=tuple(looks))


def _resized(course: Course, rule: BlindedReestimation, at: int) -> Ending:
    """The trial with the size that the blinded values ask for; it goes on to its end with that."""
    plan = course.plan
    days = course.days_of_values()
    if len(days) < at:
        return as_planned(course.enrolment, course.readings)
    enrolment, readings = course.on(days[at - 1])
    outcomes = course.outcomes(enrolment.patients, readings)
    visit = course.visit_that_decides(outcomes)
    values = [item.value for item in outcomes if item.visit == visit and item.value is not None]
    revised = rule.revise(values)
    total = max(2 * revised.per_arm, len({item.id for item in enrolment.patients}))
    size = Comparison(
        endpoint=plan.primary,
        method=rule.kind,
        quantity="patients after re-estimation",
        estimate=float(total),
        unit="1",
        ci_low=None,
        ci_high=None,
        confidence=0.95,
        statistic=None,
        p_value=None,
        n=len(values),
        n_missing=0,
        arm="",
        visit=visit,
        note=f"blinded SD {revised.sd:.4g} on day {days[at - 1]:.0f}"
        + ("; cut to the maximum" if revised.capped else ""),
        checked="golden",
    )
    keys = {(item.id, item.arm) for item in course.enrolment.patients[:total]}
    own = tuple(item for item in course.readings if (item.patient, item.arm) in keys)
    return Ending(enrolment=course.only(keys), readings=own, comparisons=(size,))


def _as_of(patient: Patient, day: float) -> Patient:
    """The patient as known on a day from randomisation: what happens later has not happened."""
    events = {name: getattr(patient, name) for name in ("dropout_day", "new_therapy_day", "death_day")}
    later: Any = {name: None for name, when in events.items() if when is not None and when > day}
    return replace(patient, **later) if later else patient
