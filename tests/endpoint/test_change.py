"""Continuous endpoints on known numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vct.endpoint.change import AbsoluteChange, LogRatio, PercentChange, Value
from vct.records import Patient, Reading

Read = Callable[..., list[Reading]]
COMMON = {"name": "e", "readout": "suv_max", "baseline": "baseline", "visits": ("week4", "week8")}


@pytest.mark.parametrize(
    ("part", "values", "unit"),
    [
        (AbsoluteChange(**COMMON), (-2.0, 2.0), "g/ml"),
        (PercentChange(**COMMON), (-20.0, 20.0), "%"),
        (LogRatio(**COMMON), (math.log(0.8), math.log(1.2)), "ln ratio"),
        (Value(**COMMON), (8.0, 12.0), "g/ml"),
    ],
)
def test_each_visit_against_the_baseline(
    part: PercentChange, values: tuple[float, float], unit: str, patient: Patient, read: Read
) -> None:
    outcomes = part.derive(patient, read({"suv_max": {"baseline": 10.0, "week4": 8.0, "week8": 12.0}}))
    assert [item.visit for item in outcomes] == ["week4", "week8"]
    assert [item.value for item in outcomes] == pytest.approx(values)
    assert {item.unit for item in outcomes} == {unit}
    assert {item.baseline for item in outcomes} == {10.0}
    assert {item.unchanged for item in outcomes} == {10.0 if part.kind == "value" else 0.0}
    assert {(item.patient, item.arm, item.endpoint) for item in outcomes} == {("P0001", "drug", "e")}


@pytest.mark.parametrize("kind", [AbsoluteChange, PercentChange, LogRatio])
@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"baseline": 10.0}, "no scan at week4"),
        ({"baseline": 10.0, "week4": None}, "suv_max could not be read at week4"),
        ({"baseline": 10.0, "week4": math.nan}, "suv_max could not be read at week4"),
        ({"week4": 8.0}, "no scan at baseline"),
    ],
)
def test_a_missing_reading_is_a_missing_outcome_with_its_reason(
    kind: type[PercentChange], table: dict[str, float], reason: str, patient: Patient, read: Read
) -> None:
    first = kind(**COMMON).derive(patient, read({"suv_max": table}))[0]
    assert first.value is None
    assert first.rule == reason


def test_no_change_is_defined_from_a_baseline_of_zero(patient: Patient, read: Read) -> None:
    readings = read({"suv_max": {"baseline": 0.0, "week4": 1.0, "week8": 0.0}})
    assert PercentChange(**COMMON).derive(patient, readings)[0].value is None
    assert LogRatio(**COMMON).derive(patient, readings)[0].value is None
    assert AbsoluteChange(**COMMON).derive(patient, readings)[0].value == 1.0


def test_a_value_needs_no_baseline(patient: Patient, read: Read) -> None:
    part = Value(name="e", readout="suv_max", visits=("baseline", "week4"))
    outcomes = part.derive(patient, read({"suv_max": {"baseline": 10.0}}))
    assert [item.value for item in outcomes] == [10.0, None]
    assert outcomes[0].baseline is None
    assert outcomes[1].rule == "no scan at week4"


@pytest.mark.parametrize("visits", [("baseline",), ("week4", "week4"), ()])
def test_senseless_visits_are_refused(visits: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        PercentChange(**{**COMMON, "visits": visits})


positive = st.floats(0.01, 1e3)


@given(before=positive, after=positive, scale=st.floats(0.1, 10.0))
def test_relative_changes_do_not_depend_on_the_unit(before: float, after: float, scale: float) -> None:
    percent, ratio = PercentChange(**COMMON), LogRatio(**COMMON)
    assert percent._change(before * scale, after * scale) == pytest.approx(percent._change(before, after), abs=1e-8)
    assert ratio._change(before, after) == pytest.approx(-(ratio._change(after, before) or 0.0))
    assert 100 * math.expm1(ratio._change(before, after) or 0.0) == pytest.approx(
        percent._change(before, after), abs=1e-8
    )
