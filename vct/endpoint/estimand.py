"""Intercurrent events (ICH E9(R1) addendum, 2019): how dropout, a new therapy and death enter an endpoint.

Missed visits and failed scans are no such events but missing data, for the analysis' `missing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from vct.part import Part
from vct.records import Outcome, Patient, Reading

if TYPE_CHECKING:
    from vct.endpoint.base import Endpoint

Lost = Literal["hypothetical", "composite", "while_on_treatment"]
Strategy = Literal["treatment_policy", "hypothetical", "composite", "while_on_treatment"]
EVENTS = ("dropout", "new_therapy", "death")


class Estimand(Part):
    """What is asked about patients with an intercurrent event, by event.

    treatment_policy    what happens after it counts as it is; only a new therapy leaves something to be read
    hypothetical        readings after it are set aside, as if to be known had it not happened: missing, for the
                        analysis to fill in or to model; times are censored at the last scan before
    composite           it is a failure: no response, progression on that day, or `failure_value`
    while_on_treatment  the last outcome before it stands for the visits after; times are censored there
    """

    dropout: Lost = "hypothetical"
    new_therapy: Strategy = "treatment_policy"
    death: Lost = "hypothetical"
    failure_value: float | None = Field(
        default=None, ge=-1e9, le=1e9, description="value of a failure where the endpoint is a number"
    )

    def days(self, strategies: Sequence[str], patient: Patient) -> list[float]:
        """Days of the patient's events that are handled by one of `strategies`."""
        found = [(getattr(self, name), getattr(patient, f"{name}_day")) for name in EVENTS]
        return [day for strategy, day in found if day is not None and strategy in strategies]


def judged(
    endpoint: Endpoint, patient: Patient, readings: Sequence[Reading], planned_days: Mapping[str, float]
) -> tuple[Outcome, ...]:
    """The endpoint's outcomes of one patient with every intercurrent event taken in as its estimand says.

    A visit comes after an event when its actual day does, or where there is none its planned day.
    """
    estimand = endpoint.estimand
    cut = min(estimand.days(("hypothetical", "composite", "while_on_treatment"), patient), default=None)
    if cut is None:
        return endpoint.derive(patient, readings)
    found = endpoint.derive(patient, [item for item in readings if item.day < cut])
    actual = {**planned_days, **{item.visit: item.day for item in readings}}
    failed = min(estimand.days(("composite",), patient), default=None) == cut
    carried = min(estimand.days(("while_on_treatment",), patient), default=None) == cut
    outcomes: list[Outcome] = []
    for item in found:
        late = not item.visit or actual[item.visit] >= cut
        if late and failed:
            outcomes.append(_failure(item, cut, endpoint))
        elif late and carried and item.value is None:
            last = next((earlier for earlier in reversed(outcomes) if earlier.value is not None), None)
            kept = item if last is None else replace(last, visit=item.visit)
            outcomes.append(replace(kept, rule=f"{kept.rule}; last before the event on day {cut:.0f}"))
        else:
            outcomes.append(item)
    return tuple(outcomes)


def _failure(item: Outcome, day: float, endpoint: Endpoint) -> Outcome:
    rule = f"failure: intercurrent event on day {day:.0f}"
    if not item.visit:
        return item if item.event is not False else replace(item, event=True, value=day, time_days=day, rule=rule)
    if item.category:
        return replace(item, value=0.0, category=endpoint.failure, rule=rule)
    value = endpoint.estimand.failure_value
    return item if value is None else replace(item, value=value, rule=rule)
