"""Sets, sources, subgroups and missing values around an analysis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from vct.records import Attendance, Visit
from vct.stats import ANALYSES, compare_all
from vct.stats.summary import Summary
from vct.stats.two_sample import WelchT

Make = Callable[..., Any]

GROUPS = {"a": [1.0, 2.0, 3.0, 4.0], "b": [3.0, 5.0, 4.0, None]}


def test_every_combination_is_labelled(trial: Make) -> None:
    made = trial(GROUPS)
    truth = [replace(item, source="truth", value=(item.value or 0.0) * 2) for item in made.outcomes]
    analysis = WelchT(endpoint="e", analysis_sets=("ITT", "PP"), subgroups=("sex", "site"))
    rows = compare_all([analysis], [*made.outcomes, *truth], made.enrolment, made.arms)
    assert [(row.analysis_set, row.source, row.subgroup) for row in rows] == [
        ("ITT", "measured", "all"),
        ("ITT", "truth", "all"),
        ("PP", "measured", "all"),
        ("PP", "truth", "all"),
        ("ITT", "measured", "sex=F"),
        ("ITT", "measured", "sex=M"),
        ("ITT", "measured", "site=site0"),
        ("ITT", "measured", "site=site1"),
        ("ITT", "measured", "site=site2"),
    ]
    everybody = rows[0]
    assert (everybody.n, everybody.n_reference, everybody.n_missing) == (3, 4, 1)
    women, men = rows[4:6]
    assert women.n + men.n == everybody.n
    assert women.n_missing + men.n_missing == everybody.n_missing


def test_truth_is_left_out_when_nobody_knows_it(trial: Make) -> None:
    made = trial(GROUPS)
    unknown = [replace(item, source="truth", value=None) for item in made.outcomes]
    rows = compare_all([WelchT(endpoint="e")], [*made.outcomes, *unknown], made.enrolment, made.arms)
    assert {row.source for row in rows} == {"measured"}


def test_per_protocol_leaves_out_who_missed_a_visit(trial: Make) -> None:
    made = trial(GROUPS)
    visit = Visit(name="week8", day=56.0)
    missed = Attendance(patient="a0000", arm="a", visit=visit, planned_day=56.0, status="missed")
    enrolment = replace(made.enrolment, attendance=(missed,))
    rows = compare_all([WelchT(endpoint="e", analysis_sets=("ITT", "PP"))], made.outcomes, enrolment, made.arms)
    assert [row.n_reference for row in rows] == [4, 3]


def test_filling_in_is_counted_in_the_note(trial: Make) -> None:
    made = trial({"a": [1, 0, None], "b": [None, None, 1], "c": [1, 1, None]}, "verdicts")
    from vct.stats.binary import RiskDifference

    rows = compare_all(
        [RiskDifference(endpoint="e", missing="non_responder")], made.outcomes, made.enrolment, made.arms
    )
    assert [(row.arm, row.n, row.n_reference, row.n_missing) for row in rows] == [("b", 3, 3, 0), ("c", 3, 3, 0)]
    assert rows[0].note == "1 of 3 against 1 of 3; 3 missing filled in by non_responder"
    assert rows[1].note.endswith("2 missing filled in by non_responder")
    plain = compare_all([RiskDifference(endpoint="e")], made.outcomes, made.enrolment, made.arms)
    assert (plain[0].n, plain[0].n_missing) == (1, 3)


def test_an_endpoint_without_outcomes_still_has_a_row(trial: Make) -> None:
    made = trial(GROUPS)
    (row,) = compare_all([WelchT(endpoint="other")], made.outcomes, made.enrolment, made.arms)
    assert (row.endpoint, row.estimate, row.n, row.n_missing) == ("other", None, 0, 8)


@pytest.mark.parametrize("part", ANALYSES, ids=lambda part: part.model_fields["kind"].default)
def test_a_single_arm_trial_works(trial: Make, part: Any) -> None:
    extra = {"null_mean": 0.0} if part.__name__ == "OneSample" else {}
    made = trial({"a": [(1.0, 2.0), (3.0, 2.0), (4.0, 4.0)]}, visits=("w1", "w2"), baselines={"a": [1.0, 2.0, 3.0]})
    rows = compare_all([part(endpoint="e", **extra)], made.outcomes, made.enrolment, made.arms)
    assert rows
    for row in rows:
        assert (row.arm, row.reference) == ("a", "")
        assert (row.estimate is None) == bool(row.note) or part in (Summary,) or extra
