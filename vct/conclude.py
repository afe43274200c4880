"""From readings to statements about the arms: looks, outcomes, comparisons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from vct.endpoint.base import Endpoint
from vct.endpoint.estimand import judged
from vct.interim import as_planned, watched
from vct.protocol import Protocol
from vct.records import Enrolment, Outcome, Patient, Reading, Source, TrialResult
from vct.stats import adjusted, compare_all


def conclude(
    protocol: Protocol, enrolment: Enrolment, readings: Sequence[Reading], provenance: Mapping[str, Any]
) -> TrialResult:
    """From readings to statements about the arms, once for what was measured and once for the planted truth.

    A trial with a `design` ends when a look ends it: patients and readings that then would not exist are left out.
    """
    seed = provenance.get("seed", protocol.seed)
    if protocol.design is None:
        end = as_planned(enrolment, readings)
    else:
        end = watched(protocol, protocol.design, enrolment, readings, partial(outcomes_of, protocol.planned_days), seed)
    outcomes = both_sources(protocol, end.enrolment, end.readings)
    arms = [arm.name for arm in protocol.arms]
    by_reader = _by_reader(protocol, end.enrolment, end.readings)
    comparisons = compare_all(protocol.analyses, outcomes, end.enrolment, arms, by_reader)
    comparisons = (*end.comparisons, *comparisons)
    if protocol.multiplicity:
        comparisons = adjusted(protocol.multiplicity, comparisons)
    return TrialResult(
        protocol=protocol.resolved(),
        enrolment=end.enrolment,
        readings=tuple(item for item in end.readings if not item.reader),
        readings_by_reader=tuple(item for item in end.readings if item.reader),
        outcomes=outcomes,
        comparisons=comparisons,
        provenance={key: value for key, value in provenance.items() if key != "protocol"},
        looks=end.looks,
    )


def both_sources(protocol: Protocol, enrolment: Enrolment, readings: Sequence[Reading]) -> tuple[Outcome, ...]:
    """The outcomes of every endpoint, of what was measured and of the truth."""
    true = [replace(item, value=item.truth) for item in readings]
    return (
        *outcomes_of(protocol.planned_days, protocol.endpoints, enrolment.patients, readings, "measured"),
        *outcomes_of(protocol.planned_days, protocol.endpoints, enrolment.patients, true, "truth"),
    )


def outcomes_of(
    planned_days: Mapping[str, float],
    endpoints: Iterable[Endpoint],
    patients: Iterable[Patient],
    readings: Iterable[Reading],
    source: Source,
) -> list[Outcome]:
    """What the endpoints make of the readings of record, with intercurrent events as their estimands say."""
    own: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    for reading in readings:
        if not reading.reader:
            own[reading.patient, reading.arm].append(reading)
    return [
        replace(outcome, source=source)
        for endpoint in endpoints
        for patient in patients
        for outcome in judged(endpoint, patient, own[patient.id, patient.arm], planned_days)
    ]


def _by_reader(protocol: Protocol, enrolment: Enrolment, readings: Iterable[Reading]) -> list[Outcome]:
    """What each named reader's own readings would have made of the endpoints."""
    own: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        own[reading.reader].append(replace(reading, reader=""))
    return [
        replace(outcome, reader=name)
        for name in own
        if name
        for outcome in outcomes_of(protocol.planned_days, protocol.endpoints, enrolment.patients, own[name], "measured")
    ]
