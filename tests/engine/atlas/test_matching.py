"""Which case lends its organs: one like the patient, and over many patients each alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import numpy as np

from vct.engine.atlas.case import CaseRow
from vct.engine.atlas.demographics import body_size
from vct.engine.atlas.matching import choose_case, even_weights
from vct.records import Patient
from vct.rng import stream


def row(name: str, sex: str, age: float, height: float, weight: float, log_weight: float = 0.0) -> CaseRow:
    known = {"name": name, "sex": sex, "age_years": age, "height_cm": height, "weight_kg": weight}
    return CaseRow(**({item.name: 1.0 for item in fields(CaseRow)} | known | {"log_weight": log_weight}))


def patient(k: int, **known) -> Patient:
    return Patient(**{"id": f"P{k}", "sex": "F", "age_years": 60, "height_cm": 162, "weight_kg": 70} | known)


def test_close_cases_of_the_own_sex_are_chosen() -> None:
    rows = [row(f"{sex}{age}", sex, age, 165, 70) for sex in ("F", "M") for age in range(20, 90, 2)]
    chosen = [choose_case(rows, patient(k), stream(0, f"P{k}", "body")) for k in range(200)]
    assert {item.sex for item in chosen} == {"F"}
    ages = np.array([item.age_years for item in chosen])
    assert abs(ages.mean() - 60) < 2
    assert 2 < ages.std() < 6
    assert len(set(ages)) > 4


def test_the_choice_is_the_streams_alone() -> None:
    rows = [row(f"c{age}", "F", age, 165, 70) for age in range(20, 90)]
    names = [choose_case(rows, patient(1), stream(3, "P1", "body")).name for _ in range(2)]
    assert names[0] == names[1]


def test_a_patient_unlike_all_cases_still_gets_the_nearest() -> None:
    rows = [row("young", "F", 25, 165, 60), row("old", "F", 80, 165, 60)]
    far = patient(0, age_years=95, height_cm=140, weight_kg=150)
    assert choose_case(rows, far, stream(0, "x")).name in {"young", "old"}


def test_even_weights_use_common_and_rare_cases_alike() -> None:
    """Without the weights, a case among many of its size is used less often than one that stands alone."""
    rng = np.random.default_rng(0)
    n = 60
    ages = np.clip(rng.normal(60, 12, n), 20, 90)
    sizes = [body_size(rng, "F", float(age)) for age in ages]
    heights, weights = (np.array([float(size[k][0]) for size in sizes]) for k in (0, 1))
    log_weight = even_weights("F", ages, heights, weights, stream(0, "even"))

    def uneven(logs: np.ndarray) -> float:
        rows = [row(f"c{k}", "F", *item) for k, item in enumerate(zip(ages, heights, weights, logs, strict=True))]
        used: Counter[str] = Counter()
        for k in range(1500):
            own = stream(1, f"P{k}", "who")
            age = float(own.choice(ages))
            height, weight = body_size(own, "F", age)
            who = patient(k, age_years=age, height_cm=float(height[0]), weight_kg=float(weight[0]))
            used[choose_case(rows, who, own).name] += 1
        return float(np.std([used[item.name] for item in rows]) / (1500 / n))

    assert uneven(log_weight) < 0.6 * uneven(np.zeros(n))
