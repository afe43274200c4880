"""PERCIST and threshold response as parts of a protocol."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from vct.endpoint.categorical import Percist, Response
from vct.records import Patient, Reading

Read = Callable[..., list[Reading]]

PERCIST = Percist(
    name="percist",
    sul_peak="sul_peak",
    liver_mean="liver",
    liver_sd="liver_sd",
    blood_pool_mean="blood",
    blood_pool_sd="blood_sd",
    tlg="tlg",
    new_lesions="new",
    baseline="baseline",
    visits=("week4", "week8"),
)
BACKGROUND = {
    name: {"baseline": value, "week4": value, "week8": value}
    for name, value in {"liver": 2.1, "liver_sd": 0.3, "blood": 1.6, "blood_sd": 0.2, "new": 0.0, "tlg": 50.0}.items()
}


def test_responders_have_value_1_and_every_visit_its_own_verdict(patient: Patient, read: Read) -> None:
    outcomes = PERCIST.derive(patient, read({**BACKGROUND, "sul_peak": {"baseline": 6.0, "week4": 5.0, "week8": 3.0}}))
    assert [(item.visit, item.category, item.value) for item in outcomes] == [
        ("week4", "SMD", 0.0),
        ("week8", "PMR", 1.0),
    ]
    assert {item.baseline for item in outcomes} == {6.0}
    assert {item.unchanged for item in outcomes} == {0.0}
    assert outcomes[1].rule.startswith("PMR: SULpeak fell by at least 30 % and 0.8 (baseline 6,")


def test_who_counts_as_a_responder_is_the_protocols_choice(patient: Patient, read: Read) -> None:
    control = PERCIST.model_copy(update={"responders": ("CMR", "PMR", "SMD")})
    readings = read({**BACKGROUND, "sul_peak": {"baseline": 6.0, "week4": 5.0, "week8": 9.0}})
    assert [item.value for item in control.derive(patient, readings)] == [1.0, 0.0]
    assert control.derive(patient, readings)[0].unchanged == 1.0


def test_every_readout_reaches_its_rule(patient: Patient, read: Read) -> None:
    steady = {"baseline": 6.0, "week4": 6.0, "week8": 6.0}
    new = read({**BACKGROUND, "sul_peak": steady, "new": {"baseline": 0.0, "week4": 0.0, "week8": 1.0}})
    assert [item.category for item in PERCIST.derive(patient, new)] == ["SMD", "PMD"]
    tlg = read({**BACKGROUND, "sul_peak": steady, "tlg": {"baseline": 50.0, "week4": 100.0, "week8": 50.0}})
    assert [item.category for item in PERCIST.derive(patient, tlg)] == ["PMD", "SMD"]
    resolved = read({**BACKGROUND, "sul_peak": {"baseline": 6.0, "week4": 1.9, "week8": 2.05}})
    assert [item.category for item in PERCIST.derive(patient, resolved)] == ["CMR", "PMR"]


def test_a_missing_scan_is_not_evaluable_and_a_missing_value(patient: Patient, read: Read) -> None:
    week4, week8 = PERCIST.derive(patient, read({**BACKGROUND, "sul_peak": {"baseline": 6.0, "week4": 3.0}}))
    assert (week4.category, week4.value) == ("PMR", 1.0)
    assert (week8.category, week8.value) == ("NE", None)
    assert week8.rule.startswith("NE: SULpeak was not read at follow-up")


def test_a_baseline_without_a_mark_is_told_from_one_without_a_scan(patient: Patient, read: Read) -> None:
    pale = read({**BACKGROUND, "sul_peak": {"week4": 3.0, "week8": 3.0}})
    assert {(item.category, item.value) for item in PERCIST.derive(patient, pale)} == {("NE", None)}
    assert "no lesion was marked" in PERCIST.derive(patient, pale)[0].rule
    unscanned = read({"sul_peak": {"week4": 3.0, "week8": 3.0}})
    assert PERCIST.derive(patient, unscanned)[0].rule == "NE: SULpeak was not read at baseline"


def test_an_sd_without_its_mean_is_refused() -> None:
    fields = {**PERCIST.model_dump(), "blood_pool_mean": None}
    with pytest.raises(ValidationError, match="blood_pool_sd needs blood_pool_mean"):
        Percist(**fields)


RESPONSE = Response(name="r", readout="suv_max", baseline="baseline", visits=("week4",), fall_absolute=0.8)


@pytest.mark.parametrize(
    ("before", "after", "category", "value"),
    [
        (6.0, 4.2, "R", 1.0),
        (6.0, 4.21, "NR", 0.0),
        (2.7, 1.89, "R", 1.0),
        (2.0, 1.3, "NR", 0.0),
        (6.0, 9.0, "NR", 0.0),
        (None, 4.0, "NE", None),
        (6.0, None, "NE", None),
        (0.0, 1.0, "NE", None),
    ],
)
def test_response_by_a_fall(
    before: float | None, after: float | None, category: str, value: float | None, patient: Patient, read: Read
) -> None:
    outcome = RESPONSE.derive(patient, read({"suv_max": {"baseline": before, "week4": after}}))[0]
    assert (outcome.category, outcome.value) == (category, value)
    assert outcome.rule.startswith(f"{category}: ")
