from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binomtest, chisquare

from vct.cohort import RANDOMISATIONS, Arm
from vct.cohort.allocation import PermutedBlocks, Randomisation, StratifiedBlocks
from vct.cohort.strata import Factor
from vct.records import Patient

ARMS = (Arm(name="A", ratio=2), Arm(name="B", ratio=1), Arm(name="C", ratio=3))
SEX_AND_AGE = [{"by": "sex"}, {"by": "age_years", "cuts": [50, 65]}]
KEYS = {
    "simple": {},
    "permuted_blocks": {"block_multiples": [1, 2]},
    "stratified_blocks": {"factors": SEX_AND_AGE},
    "minimisation": {"factors": SEX_AND_AGE},
    "counterfactual": {},
}
People = Callable[[int], list[Patient]]
Randomise = Callable[..., Randomisation]


def test_every_kind_is_tried_here() -> None:
    assert set(KEYS) == {kind.model_fields["kind"].default for kind in RANDOMISATIONS}


@pytest.mark.parametrize("kind", KEYS)
def test_later_patients_move_nobody(kind: str, people: People, randomise: Randomise) -> None:
    part = randomise(kind=kind, **KEYS[kind])
    few, many = part.assign(people(31), ARMS, 5), part.assign(people(90), ARMS, 5)
    assert few == many[: len(few)]
    if kind != "counterfactual":
        assert part.assign(people(31), ARMS, 6) != few


@pytest.mark.parametrize("kind", ["simple", "permuted_blocks", "stratified_blocks", "minimisation"])
def test_everyone_gets_one_arm_in_the_planned_ratio(kind: str, people: People, randomise: Randomise) -> None:
    assigned = randomise(kind=kind, **KEYS[kind]).assign(people(1800), ARMS, 2)
    assert [replace(patient, arm="", stratum="all") for patient in assigned] == people(1800)
    counts = Counter(patient.arm for patient in assigned)
    assert chisquare([counts[arm.name] for arm in ARMS], [600, 300, 900]).pvalue > 1e-3


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 3), st.integers(0, 99))
def test_blocks_hold_the_ratio_exactly(ratio: list[int], multiple: int, seed: int) -> None:
    arms = [Arm(name=f"arm{index}", ratio=2 * share) for index, share in enumerate(ratio)]
    shortest = [share // _divisor(ratio) for share in ratio]
    length = multiple * sum(shortest)
    patients = [Patient(id=f"P{n}", sex="F", age_years=1, height_cm=1, weight_kg=1) for n in range(3 * length)]
    assigned = PermutedBlocks(block_multiples=(multiple,)).assign(patients, arms, seed)
    for start in range(0, 3 * length, length):
        counts = Counter(patient.arm for patient in assigned[start : start + length])
        assert [counts[arm.name] for arm in arms] == [multiple * share for share in shortest]


def _divisor(ratio: list[int]) -> int:
    return max(d for d in range(1, 6) if all(share % d == 0 for share in ratio))


def test_block_lengths_vary_and_order_is_random(people: People) -> None:
    arms, n = (Arm(name="A"), Arm(name="B")), 600
    starts = [
        [patient.arm for patient in PermutedBlocks(block_multiples=(1, 2)).assign(people(2), arms, seed)]
        for seed in range(n)
    ]
    # A block of 2 never starts with twice the same arm, a block of 4 does so in 2 of its 6 orders.
    assert binomtest(sum(first == second for first, second in starts), n, 1 / 6).pvalue > 1e-3
    assert binomtest(sum(first == "A" for first, _ in starts), n).pvalue > 1e-3


def test_strata_are_balanced_one_by_one(people: People) -> None:
    arms = (Arm(name="A"), Arm(name="B"))
    part = StratifiedBlocks(factors=(Factor(by="sex"), Factor(by="site")), block_multiples=(2,))
    assigned = part.assign(people(200), arms, 3)
    assert {patient.stratum for patient in assigned} == {f"{sex}, site-{n}" for sex in "FM" for n in range(3)}
    for stratum in {patient.stratum for patient in assigned}:
        counts = Counter(patient.arm for patient in assigned if patient.stratum == stratum)
        assert abs(counts["A"] - counts["B"]) <= 2


def test_simple_randomisation_does_not_look_back(people: People, randomise: Randomise) -> None:
    arms = (Arm(name="A"), Arm(name="B"))
    got = [patient.arm for patient in randomise(kind="simple").assign(people(2000), arms, 1)]
    repeats = sum(earlier == later for earlier, later in pairwise(got))
    assert binomtest(repeats, 1999).pvalue > 1e-3


def test_twins_differ_in_the_arm_only(people: People, randomise: Randomise) -> None:
    assigned = randomise(kind="counterfactual").assign(people(3), ARMS, 1)
    assert [(patient.id, patient.arm) for patient in assigned][:4] == [
        ("P0001", "A"),
        ("P0001", "B"),
        ("P0001", "C"),
        ("P0002", "A"),
    ]
    assert len({replace(patient, arm="") for patient in assigned}) == 3


def test_levels() -> None:
    patient = Patient(id="P", sex="F", age_years=50, height_cm=160, weight_kg=65, site="Essen")
    assert [
        Factor(by="sex").level(patient),
        Factor(by="site").level(patient),
        Factor(by="age_years", cuts=(50, 65)).level(patient),
        Factor(by="age_years", cuts=(51, 65)).level(patient),
        Factor(by="bmi_kg_m2", cuts=(18, 25)).level(patient),
    ] == ["F", "Essen", "age_years 50 to < 65", "age_years < 51", "bmi_kg_m2 >= 25"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"by": "sex", "cuts": (1,)}, "takes no 'cuts'"),
        ({"by": "age_years"}, "needs 'cuts'"),
        ({"by": "age_years", "cuts": (65, 50)}, "must rise"),
    ],
)
def test_bad_factors_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Factor(**keys)  # type: ignore[arg-type]


def test_a_property_is_one_factor() -> None:
    with pytest.raises(ValidationError, match="'sex' is used by two factors"):
        StratifiedBlocks(factors=(Factor(by="sex"), Factor(by="sex")))
