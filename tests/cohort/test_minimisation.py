from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vct.cohort import Arm
from vct.cohort.allocation import Simple
from vct.cohort.minimisation import Minimisation, WeightedFactor
from vct.records import Patient

EQUAL = (Arm(name="A"), Arm(name="B"))
FACTORS = (WeightedFactor(by="sex"), WeightedFactor(by="site"), WeightedFactor(by="age_years", cuts=(40, 50, 60, 70)))


def imbalance(patients: tuple[Patient, ...], by: str) -> int:
    """Largest difference between the arms at any level."""
    counts = Counter((getattr(patient, by), patient.arm) for patient in patients)
    return max(abs(counts[level, "A"] - counts[level, "B"]) for level, _ in counts)


def random_people(seed: int, n: int) -> list[Patient]:
    rng = np.random.default_rng(seed)
    return [
        Patient(
            id=f"P{number:04d}",
            sex="F" if rng.random() < 0.4 else "M",
            age_years=float(rng.uniform(30, 80)),
            height_cm=170,
            weight_kg=70,
            site=f"site-{rng.integers(6)}",
        )
        for number in range(n)
    ]


def test_it_balances_every_factor_better_than_chance() -> None:
    part = Minimisation(factors=FACTORS, probability=0.9)
    for by in ("sex", "site"):
        minimised = [imbalance(part.assign(random_people(seed, 80), EQUAL, seed), by) for seed in range(20)]
        tossed = [imbalance(Simple().assign(random_people(seed, 80), EQUAL, seed), by) for seed in range(20)]
        assert np.mean(minimised) < 0.5 * np.mean(tossed)


def plain_choice(
    counts: dict[object, list[int]], levels: list[object], weights: list[float], variance: bool
) -> set[int]:
    """Pocock and Simon's rule, written out: the arms with the smallest sum of imbalances."""
    total = []
    for arm in range(3):
        score = 0.0
        for level, weight in zip(levels, weights, strict=True):
            after = [count + (other == arm) for other, count in enumerate(counts[level])]
            mean = sum(after) / 3
            spread = sum((x - mean) ** 2 for x in after) / 3 if variance else max(after) - min(after)
            score += weight * spread
        total.append(score)
    return {arm for arm in range(3) if abs(total[arm] - min(total)) < 1e-9}


@pytest.mark.parametrize("measure", ["range", "variance"])
def test_second_implementation_of_the_choice(measure: str) -> None:
    arms = tuple(Arm(name=name) for name in "012")
    factors = (WeightedFactor(by="sex", weight=2), WeightedFactor(by="site"))
    part = Minimisation(factors=factors, imbalance=measure, probability=1)  # type: ignore[arg-type]
    patients = random_people(1, 150)
    counts: dict[object, list[int]] = {}
    decided = 0
    for patient in part.assign(patients, arms, 9):
        levels: list[object] = [patient.sex, patient.site]
        for level in levels:
            counts.setdefault(level, [0, 0, 0])
        best = plain_choice(counts, levels, [2, 1], measure == "variance")
        assert int(patient.arm) in best
        decided += len(best) == 1
        for level in levels:
            counts[level][int(patient.arm)] += 1
    assert decided > 50


def test_the_preferred_arm_comes_with_its_probability() -> None:
    part = Minimisation(factors=(WeightedFactor(by="sex"),), probability=0.7)
    pairs = [part.assign(random_people(seed, 2), EQUAL, seed) for seed in range(3000)]
    assert np.mean([first.arm == "A" for first, _ in pairs]) == pytest.approx(0.5, abs=0.04)
    alike = [(first, second) for first, second in pairs if first.sex == second.sex]
    assert np.mean([first.arm != second.arm for first, second in alike]) == pytest.approx(0.7, abs=0.04)
    unlike = [(first, second) for first, second in pairs if first.sex != second.sex]
    assert np.mean([first.arm != second.arm for first, second in unlike]) == pytest.approx(0.5, abs=0.05)


def test_unequal_ratios_hold_at_every_allocation() -> None:
    arms = (Arm(name="A", ratio=2), Arm(name="B", ratio=1))
    part = Minimisation(factors=(WeightedFactor(by="sex"), WeightedFactor(by="site")), probability=0.9)
    got = np.array(
        [[patient.arm == "A" for patient in part.assign(random_people(seed, 9), arms, seed)] for seed in range(1500)]
    )
    np.testing.assert_allclose(got.mean(axis=0), 2 / 3, atol=4.5 * np.sqrt(2 / 9 / 1500))


def test_unequal_ratios_are_kept_close_in_every_level() -> None:
    arms = (Arm(name="A", ratio=6), Arm(name="B", ratio=3))
    assigned = Minimisation(factors=(WeightedFactor(by="sex"),), probability=1).assign(random_people(3, 300), arms, 1)
    for sex in "FM":
        counts = Counter(patient.arm for patient in assigned if patient.sex == sex)
        assert abs(counts["A"] - 2 * counts["B"]) <= 2


@given(st.integers(0, 1000))
def test_one_arm_takes_everyone(seed: int) -> None:
    assigned = Minimisation(factors=FACTORS).assign(random_people(seed, 3), (Arm(name="only"),), seed)
    assert {patient.arm for patient in assigned} == {"only"}
