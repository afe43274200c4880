"""Patients and scans that the engine's tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from vct.engine.phantom import Phantom
from vct.records import Lesion, Patient, Scan, Snapshot, Visit

SEED = 20


def _somebody(
    name: str = "P1", sex: Literal["F", "M"] = "M", age: float = 55.0, height: float = 176.0, bmi: float = 25.0
) -> Patient:
    weight = bmi * (height / 100.0) ** 2
    return Patient(id=name, sex=sex, age_years=age, height_cm=height, weight_kg=weight)


def _on_day(patient: Patient, visit: str = "baseline", lesions: tuple[Lesion, ...] = ()) -> Snapshot:
    return Snapshot(patient=patient, visit=Visit(name=visit, day=0.0), lesions=lesions)


@pytest.fixture(scope="session")
def seed() -> int:
    return SEED


@pytest.fixture(scope="session")
def somebody() -> Callable[..., Patient]:
    """A patient by name, sex, age, height [cm] and BMI."""
    return _somebody


@pytest.fixture(scope="session")
def on_day() -> Callable[..., Snapshot]:
    """A patient at a visit, with lesions."""
    return _on_day


@pytest.fixture(scope="session")
def man() -> Patient:
    return _somebody()


@pytest.fixture(scope="session")
def man_4mm(man: Patient) -> Scan:
    return Phantom(spacing_mm=4.0).generate(_on_day(man), SEED)


@pytest.fixture(scope="session")
def woman_4mm() -> Scan:
    return Phantom(spacing_mm=4.0).generate(_on_day(_somebody("P2", "F", 62.0, 164.0, 28.0)), SEED)
