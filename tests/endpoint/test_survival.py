"""Time to progression: nadir, new lesions, censoring."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vct.endpoint.survival import ProgressionTime
from vct.records import Patient, Reading

Read = Callable[..., list[Reading]]

PART = ProgressionTime(
    name="ttp",
    readout="sul_peak",
    new_lesions="new",
    baseline="baseline",
    visits=("week4", "week8", "week16"),
    rise_absolute=0.8,
)


@pytest.mark.parametrize(
    ("series", "new", "event", "day", "words"),
    [
        ((6.0, 7.0, 7.5, 7.8), (0, 0, 0), False, 112.0, "censored at week16"),
        ((6.0, 7.0, 7.5, 7.9), (0, 0, 0), True, 112.0, "progression at week16: 7.9 after a nadir of 6"),
        ((6.0, 3.0, 4.0, 4.0), (0, 0, 0), True, 56.0, "progression at week8: 4 after a nadir of 3"),
        ((6.0, 1.0, 1.7, 1.9), (0, 0, 0), True, 112.0, "nadir of 1"),
        ((6.0, 1.0, 1.7, 1.7), (0, 0, 0), False, 112.0, "censored at week16"),
        ((6.0, 6.0, 6.0, 6.0), (0, 1, 0), True, 56.0, "progression at week8: 1 new lesions"),
        ((6.0, None, 6.0, 9.0), (0, 0, 0), True, 112.0, "week16"),
        ((6.0, 6.0, None, None), (0, 0, 0), False, 28.0, "censored at week4, the last evaluable scan"),
        ((6.0, 6.0, None, 6.0), (0, 1, 0), True, 56.0, "1 new lesions"),
        ((6.0, None, None, None), (0, 0, 0), False, 0.0, "censored at day 0: no later scan was read"),
        ((0.0, 0.0, 0.0, 0.0), (0, 0, 0), False, 112.0, "censored"),
        ((-0.1, -0.1, -0.1, -0.1), (0, 0, 0), False, 112.0, "censored"),
    ],
)
def test_progression_and_censoring(
    series: tuple[float | None, ...],
    new: tuple[int, ...],
    event: bool,
    day: float,
    words: str,
    patient: Patient,
    read: Read,
) -> None:
    visits = ("baseline", *PART.visits)
    table = {
        "sul_peak": dict(zip(visits, series, strict=True)),
        "new": dict(zip(PART.visits, map(float, new), strict=True)),
    }
    (outcome,) = PART.derive(patient, read(table))
    assert (outcome.event, outcome.time_days, outcome.value) == (event, day, day)
    assert words in outcome.rule
    assert (outcome.unit, outcome.visit) == ("d", "")


def test_the_first_progression_counts(patient: Patient, read: Read) -> None:
    table = {"sul_peak": {"baseline": 6.0, "week4": 9.0, "week8": 3.0, "week16": 12.0}}
    (outcome,) = PART.derive(patient, read(table))
    assert outcome.time_days == 28.0


def test_noise_around_zero_is_not_progression(patient: Patient, read: Read) -> None:
    table = {"sul_peak": {"baseline": -0.1, "week4": -0.1, "week8": -0.1, "week16": -0.1}}
    (outcome,) = PART.model_copy(update={"rise_absolute": 0.0}).derive(patient, read(table))
    assert outcome.event is False


def test_visits_are_judged_by_their_days_not_by_their_order_in_the_file(patient: Patient, read: Read) -> None:
    table = {"sul_peak": {"baseline": 6.0, "week4": 3.0, "week8": 5.0, "week16": 5.0}}
    shuffled = PART.model_copy(update={"visits": ("week16", "week4", "week8")})
    assert shuffled.derive(patient, read(table)) == PART.derive(patient, read(table))


def test_without_a_baseline_nothing_is_known(patient: Patient, read: Read) -> None:
    for table, reason in (
        ({"sul_peak": {"week4": 6.0}}, "no scan at baseline"),
        ({"sul_peak": {"baseline": None, "week4": 6.0}}, "sul_peak could not be read at baseline"),
    ):
        (outcome,) = PART.derive(patient, read(table))
        assert (outcome.value, outcome.event, outcome.time_days) == (None, None, None)
        assert outcome.rule == reason
