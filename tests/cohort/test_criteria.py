from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from vct.cohort import Eligibility
from vct.cohort.candidates import Candidates
from vct.cohort.criteria import Prevalence, Range, SexIs
from vct.errors import InputError


def block(n: int = 6, first: int = 1) -> Candidates:
    number = np.arange(first, first + n)
    columns = {"age_years": number * 10.0, "bmi_kg_m2": 40.0 - number}
    return Candidates(3, tuple(f"C{index:04d}" for index in number), number % 2 == 0, columns)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(20, 40, [0, 1, 1, 1, 0, 0]), (None, 30, [1, 1, 1, 0, 0, 0]), (60, None, [0, 0, 0, 0, 0, 1])],
)
def test_range_holds_its_ends(low: float | None, high: float | None, expected: list[int]) -> None:
    np.testing.assert_array_equal(Range(variable="age_years", min=low, max=high).holds(block()), np.array(expected) > 0)


def test_sex() -> None:
    np.testing.assert_array_equal(SexIs(value="F").holds(block()), block().female)
    np.testing.assert_array_equal(SexIs(value="M").holds(block()), ~block().female)


def test_prevalence_is_right_and_each_ones_own() -> None:
    criterion = Prevalence(reason="diabetes", probability=0.08)
    many = criterion.holds(block(8000))
    assert many.mean() == pytest.approx(0.08, abs=0.01)
    np.testing.assert_array_equal(criterion.holds(block(100, first=50)), many[49:149])
    np.testing.assert_array_less(many, Prevalence(reason="diabetes", probability=0.2).holds(block(8000)) + 0.5)
    other = Prevalence(reason="infection", probability=0.5).holds(block(8000))
    assert other[many].mean() == pytest.approx(0.5, abs=0.08)


def test_first_failure_counts_in_order() -> None:
    rules = Eligibility(
        inclusion=(Range(variable="age_years", min=30), SexIs(value="F", reason="men")),
        exclusion=(Range(variable="bmi_kg_m2", max=34),),
    )
    assert rules.reasons == ("not age_years >= 30", "men", "bmi_kg_m2 <= 34")
    np.testing.assert_array_equal(rules.first_failure(block()), [0, 0, 1, -1, 1, 2])
    np.testing.assert_array_equal(Eligibility().first_failure(block()), [-1] * 6)


def test_statements() -> None:
    assert Range(variable="age_years", min=18, max=75).statement == "age_years 18-75"
    assert Range(variable="glucose", max=11.1).statement == "glucose <= 11.1"


def test_an_unknown_variable_is_named() -> None:
    with pytest.raises(InputError, match=r"no 'age_year'.*did you mean 'age_years'"):
        Range(variable="age_year", min=1).holds(block())


def test_two_criteria_cannot_share_a_reason() -> None:
    with pytest.raises(ValidationError, match="two criteria are called 'sex F'"):
        Eligibility(exclusion=(SexIs(value="F"), SexIs(value="F")))


@pytest.mark.parametrize("limits", [{}, {"min": 3, "max": 2}])
def test_bad_ranges_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Range(variable="age_years", **limits)
