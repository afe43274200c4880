"""Type I error and power by simulation, by the scenarios of `benchmarks/errors.py`: a few, and all when slow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import errors


def test_a_design_of_each_family_keeps_its_errors() -> None:
    name = "Lan-DeMets Pocock"
    rows = [
        *errors.designs(300, 1, {name: errors.RULES[name]}),
        *errors.single_arms(200, 1),
        *errors.reestimated(300, 1),
        *errors.multiplicities(300),
    ]
    assert len(rows) == 2 + 6 + 1 + 12
    assert [row for row in rows if not row.ok] == []


def test_a_test_that_rejects_too_often_is_noticed() -> None:
    row = errors.Row(what="x", quantity="type I error", expected=0.025, found=0.05, replicates=2000, at_most=True)
    assert not row.ok


def test_every_analysis_that_tests_and_every_rule_has_a_row() -> None:
    from vct.stats import ANALYSES
    from vct.stats.design import DESIGNS
    from vct.stats.design.spending import EFFICACY_RULES

    shipped = {item for item in ANALYSES if item.tests and item.__module__.startswith("vct.")}
    assert {type(case[0]) for case in errors.CASES} == shipped
    rules = [*errors.RULES.values(), *errors.SINGLE_ARM.values()]
    assert {rule["kind"] for rule in rules} == {part.model_fields["kind"].default for part in DESIGNS}
    shapes = {rule["efficacy"]["kind"] for rule in rules if "efficacy" in rule}
    assert shapes == {part.model_fields["kind"].default for part in EFFICACY_RULES}


@pytest.mark.slow
@pytest.mark.parametrize("family", ["analyses", "designs", "single_arms", "reestimated", "by_events"])
def test_errors_are_within_monte_carlo_limits(family: str) -> None:
    given = (2000,) if family == "analyses" else (100 if family == "by_events" else 2000, 2)
    assert [row for row in getattr(errors, family)(*given) if not row.ok] == []
