from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vct.course import Metastatic
from vct.records import Patient, Snapshot, Visit

BASELINE = Visit(name="baseline", day=0.0)


def patient(number: int, arm: str = "control") -> Patient:
    return Patient(id=f"P{number:05d}", sex="F", age_years=60, height_cm=165, weight_kg=70, arm=arm)


@pytest.fixture
def make_course() -> Callable[..., Metastatic]:
    def make(**parts: Any) -> Metastatic:
        disease = {
            "count": {"kind": "constant", "value": 3},
            "sites": {"lung": 2.0, "bone": 1.0},
            "diameter_mm": {"kind": "lognormal", "median": 25.0, "geometric_sd": 1.5},
            "suv": {"kind": "lognormal", "median": 7.0, "geometric_sd": 1.6},
            **parts.pop("disease", {}),
        }
        return Metastatic.model_validate({"disease": disease, **parts})

    return make


@pytest.fixture
def snapshots() -> Callable[..., list[Snapshot]]:
    def take(course: Metastatic, n: int, day: float = 0.0, arm: str = "control", seed: int = 7) -> list[Snapshot]:
        visit = BASELINE if day == 0.0 else Visit(name=f"day{day:g}", day=day)
        return [course.at(patient(number, arm), visit, seed) for number in range(n)]

    return take
