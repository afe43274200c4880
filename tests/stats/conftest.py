"""Small trials from plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from vct.records import Comparison, Enrolment, Outcome, Patient
from vct.stats.base import Analysis


@dataclass(frozen=True)
class Trial:
    """Outcomes, patients and arms, and what an analysis says of them."""

    outcomes: tuple[Outcome, ...]
    patients: tuple[Patient, ...]
    arms: tuple[str, ...]

    def rows(self, analysis: Analysis) -> tuple[Comparison, ...]:
        return analysis.compare(self.outcomes, self.patients, self.arms)

    def row(self, analysis: Analysis, quantity: str | None = None, arm: str | None = None) -> Comparison:
        found = [
            row for row in self.rows(analysis) if quantity in (None, row.quantity) and (arm is None or row.arm == arm)
        ]
        assert len(found) == 1, found
        return found[0]

    @property
    def enrolment(self) -> Enrolment:
        return Enrolment(patients=self.patients, attendance=(), n_screened=len(self.patients), excluded={})

    def swapped(self) -> Trial:
        return replace(self, arms=self.arms[::-1])


def outcome_of(kind: str, value: Any) -> dict[str, Any]:
    if kind == "times":
        time, event = value if value is not None else (None, None)
        return {"value": time, "time_days": time, "event": event if time is not None else None, "unit": "d"}
    if kind == "verdicts":
        category = "NE" if value is None else "R" if value else "NR"
        return {"value": None if value is None else float(value), "category": category, "unit": "1", "unchanged": 0.0}
    return {"value": value, "unit": "%", "unchanged": 0.0}


def build(
    groups: Mapping[str, Sequence[Any]],
    kind: str = "numbers",
    *,
    baselines: Mapping[str, Sequence[float | None]] | None = None,
    strata: Mapping[str, Sequence[str]] | None = None,
    twins: bool = False,
    visits: Sequence[str] = ("week8",),
) -> Trial:
    """A trial with these values by arm; with several visits every value is a sequence over them."""
    patients, outcomes = [], []
    for arm, values in groups.items():
        for index, value in enumerate(values):
            identity = f"P{index:04d}" if twins else f"{arm}{index:04d}"
            patient = Patient(
                id=identity,
                sex="FM"[index % 2],
                age_years=40.0 + (index * 7) % 30,
                height_cm=170.0,
                weight_kg=70.0,
                arm=arm,
                stratum=strata[arm][index] if strata else "all",
                site=f"site{index % 3}",
            )
            patients.append(patient)
            for visit, single in zip(visits, value if len(visits) > 1 else [value], strict=True):
                outcome = Outcome(
                    patient=identity,
                    arm=arm,
                    endpoint="e",
                    visit="" if kind == "times" else visit,
                    baseline=baselines[arm][index] if baselines else None,
                    **outcome_of(kind, single),
                )
                outcomes.append(outcome)
    return Trial(tuple(outcomes), tuple(patients), tuple(groups))


@pytest.fixture(scope="session")
def trial() -> Callable[..., Trial]:
    return build
