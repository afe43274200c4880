"""Readings of one patient, from a table of readout -> visit -> value."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from vct.records import Patient, Reading

Table = Mapping[str, Mapping[str, float | None]]

DAYS = {"baseline": -7.0, "week4": 28.0, "week8": 56.0, "week16": 112.0}


@pytest.fixture
def patient() -> Patient:
    return Patient(id="P0001", sex="F", age_years=60.0, height_cm=165.0, weight_kg=70.0, arm="drug")


@pytest.fixture
def read(patient: Patient) -> Callable[[Table], list[Reading]]:
    def make(table: Table) -> list[Reading]:
        return [
            Reading(
                patient=patient.id,
                arm=patient.arm,
                visit=visit,
                day=DAYS[visit],
                readout=name,
                value=value,
                unit="g/ml",
            )
            for name, values in table.items()
            for visit, value in values.items()
        ]

    return make
