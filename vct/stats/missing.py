"""What an analysis does about missing values before it starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vct.records import Outcome
from vct.stats.base import Missing

Fill = Callable[[Outcome, Sequence[Outcome]], float | None]


def _no_response(outcome: Outcome, _: Sequence[Outcome]) -> float | None:
    return 0.0 if outcome.category else None


def _last_seen(_: Outcome, earlier: Sequence[Outcome]) -> float | None:
    return next((item.value for item in reversed(earlier) if item.value is not None), None)


def _unchanged(outcome: Outcome, _: Sequence[Outcome]) -> float | None:
    return outcome.unchanged


RULES: dict[Missing, Fill] = {
    "non_responder": _no_response,
    "last_observation": _last_seen,
    "baseline_observation": _unchanged,
}


def fill_missing(outcomes: Sequence[Outcome], rule: Missing) -> tuple[Outcome, ...]:
    """One endpoint's outcomes, each patient's in the order of visits, with values filled in by `rule`.

    complete_cases        nothing is filled in
    multiple_imputation   nothing is filled in here: `vct.stats.imputation` runs the analysis on completed copies
    non_responder         a missing verdict counts as no response
    last_observation      the value of the patient's last earlier visit that has one (not of baseline)
    baseline_observation  the value had nothing changed since baseline (`Outcome.unchanged`: 0 for a change)

    What a rule cannot fill stays missing: verdicts only for non_responder, never a time to an event.
    """
    if rule in ("complete_cases", "multiple_imputation"):
        return tuple(outcomes)
    earlier: dict[tuple[str, str], list[Outcome]] = {}
    found = []
    for outcome in outcomes:
        own = earlier.setdefault((outcome.patient, outcome.arm), [])
        value = RULES[rule](outcome, own) if outcome.value is None else None
        own.append(outcome)
        if value is None:
            found.append(outcome)
        else:
            found.append(replace(outcome, value=value, rule=f"{outcome.rule}; {value:g} by {rule}"))
    return tuple(found)
