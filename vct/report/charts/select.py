"""Which outcomes and readings a chart shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vct.records import Outcome, TrialResult
from vct.report.answer import primary
from vct.report.charts.base import GRADES, planned_days
from vct.report.tables import leaves


def measured(result: TrialResult) -> list[Outcome]:
    """The outcomes of what was measured, not of the truth."""
    return [item for item in result.outcomes if item.source == "measured"]


def percent_change(result: TrialResult) -> list[Outcome]:
    """The percent changes to draw, one a patient: of the primary endpoint if it is one, else of the first that is."""
    found = [item for item in measured(result) if item.unit == "%" and item.event is None]
    return _last(result, _of_first(result, [item for item in found if item.value is not None]))


def categories(result: TrialResult) -> list[Outcome]:
    """The response categories to draw, one a patient, at the last visit: PERCIST's if an endpoint gives them."""
    found = [item for item in measured(result) if item.category and item.event is None]
    graded = {item.endpoint for item in found if item.category in GRADES}
    return _last(result, _of_first(result, [item for item in found if item.endpoint in graded] or found))


def survival(result: TrialResult) -> list[Outcome]:
    """The times to an event to draw, one a patient."""
    found = [item for item in measured(result) if item.event is not None and item.time_days is not None]
    return _of_first(result, found)


def drawn_readout(result: TrialResult) -> str:
    """The readout behind the primary endpoint, or the first one; "" when nothing was read."""
    known = dict.fromkeys(item.readout for item in result.readings)
    wanted = [name for endpoint in _endpoints(result) for name in _names(endpoint, known)]
    return next(iter([*wanted, *known]), "")


def used_readouts(result: TrialResult) -> list[str]:
    """All readouts, those that endpoints use first."""
    known = dict.fromkeys(item.readout for item in result.readings)
    wanted = [name for endpoint in _endpoints(result) for name in _names(endpoint, known)]
    return list(dict.fromkeys([*wanted, *known]))


def _endpoints(result: TrialResult) -> Iterator[Any]:
    """The protocol's endpoints, the primary first."""
    pairs = primary(result.comparisons)
    first = pairs[0][0].endpoint if pairs else ""
    yield from sorted(result.protocol.get("endpoints", ()), key=lambda endpoint: endpoint.get("name") != first)


def _names(endpoint: Any, known: dict[str, None]) -> list[str]:
    return [value for place, value in leaves(endpoint) if isinstance(value, str) and value in known and place != "name"]


def _of_first(result: TrialResult, found: Sequence[Outcome]) -> list[Outcome]:
    pairs = primary(result.comparisons)
    endpoints = dict.fromkeys(item.endpoint for item in found)
    wanted = [pairs[0][0].endpoint] if pairs and pairs[0][0].endpoint in endpoints else list(endpoints)
    return [item for item in found if item.endpoint == wanted[0]] if wanted else []


def _last(result: TrialResult, found: Sequence[Outcome]) -> list[Outcome]:
    days = planned_days(result)
    last = max((item.visit for item in found), key=lambda visit: days.get(visit, -1e9), default="")
    return [item for item in found if item.visit == last]
