"""What is filled in for missing values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vct.stats.base import Missing
from vct.stats.missing import fill_missing

Make = Callable[..., Any]


def values(outcomes: Any) -> list[float | None]:
    return [outcome.value for outcome in outcomes]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("complete_cases", [5.0, 6.0, None, None, 7.0, None]),
        ("non_responder", [5.0, 6.0, None, None, 7.0, None]),
        ("last_observation", [5.0, 6.0, 6.0, None, 7.0, 7.0]),
        ("baseline_observation", [5.0, 6.0, 0.0, 0.0, 7.0, 0.0]),
    ],
)
def test_changes(trial: Make, rule: Missing, expected: list[float | None]) -> None:
    made = trial({"a": [(5.0, 6.0, None), (None, 7.0, None)]}, visits=("w1", "w2", "w3"))
    assert values(fill_missing(made.outcomes, rule)) == expected


def test_a_missing_verdict_counts_as_no_response(trial: Make) -> None:
    filled = fill_missing(trial({"a": [1, None, 0]}, "verdicts").outcomes, "non_responder")
    assert values(filled) == [1.0, 0.0, 0.0]
    assert [item.category for item in filled] == ["R", "NE", "NR"]
    assert filled[1].rule.endswith("0 by non_responder")


@pytest.mark.parametrize("rule", ["non_responder", "last_observation", "baseline_observation"])
def test_a_time_to_an_event_is_never_made_up(trial: Make, rule: Missing) -> None:
    outcomes = trial({"a": [(10.0, True), None]}, "times").outcomes
    assert fill_missing(outcomes, rule) == outcomes


def test_a_twin_does_not_lend_its_value(trial: Make) -> None:
    made = trial({"a": [(5.0, 6.0)], "b": [(None, None)]}, visits=("w1", "w2"), twins=True)
    assert values(fill_missing(made.outcomes, "last_observation")) == [5.0, 6.0, None, None]
