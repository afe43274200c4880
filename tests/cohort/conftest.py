"""A small population and a call of `enrol` with everything but the point at issue filled in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from vct.cohort import AnyRandomisation, Arm, Conduct, Eligibility, PlannedVisit, Population, enrol, load_population
from vct.cohort.allocation import Randomisation
from vct.records import Enrolment, Patient

ARMS = (Arm(name="Control"), Arm(name="Drug"))
VISITS = (PlannedVisit(name="baseline", day=0), PlannedVisit(name="week8", day=56))


@pytest.fixture(scope="session")
def us_adults() -> Population:
    return load_population("us_adults")


@pytest.fixture(scope="session")
def randomise() -> Callable[..., Randomisation]:
    """A randomisation from its YAML keys."""
    adapter: TypeAdapter[Randomisation] = TypeAdapter(AnyRandomisation)
    return lambda **keys: adapter.validate_json(json.dumps(keys))


@pytest.fixture(scope="session")
def people() -> Callable[[int], list[Patient]]:
    """Patients in order of enrolment, varied in sex, site and age."""

    def make(n: int, site_of: Callable[[int], str] = lambda number: f"site-{number % 3}") -> list[Patient]:
        return [
            Patient(
                id=f"P{number:04d}",
                sex="F" if number * 7 % 5 < 2 else "M",
                age_years=30 + number * 13 % 50,
                height_cm=170,
                weight_kg=70,
                site=site_of(number),
            )
            for number in range(1, n + 1)
        ]

    return make


@pytest.fixture(scope="session")
def enrolled(us_adults: Population, randomise: Callable[..., Randomisation]) -> Callable[..., Enrolment]:
    def make(sample_size: int = 40, seed: int = 1, **given: Any) -> Enrolment:
        filled: dict[str, Any] = {
            "population": us_adults,
            "eligibility": Eligibility(),
            "randomisation": randomise(kind="simple"),
            "conduct": Conduct(),
            "arms": ARMS,
            "visits": VISITS,
            **given,
        }
        return enrol(sample_size=sample_size, seed=seed, **filled)

    return make
