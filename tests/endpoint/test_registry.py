"""The endpoints as parts of a protocol."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from vct.endpoint import ENDPOINTS, AnyEndpoint
from vct.part import references

ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyEndpoint)
COMMON = {"name": "e", "baseline": "before", "visits": ("week8",)}


@pytest.mark.parametrize("part", ENDPOINTS, ids=lambda part: part.model_fields["kind"].default)
def test_every_endpoint_round_trips_strictly_and_names_what_it_reads(part: Any) -> None:
    reads = {
        name: f"a {name}"
        for name, field in part.model_fields.items()
        if field.is_required() and name not in ("name", "baseline", "visits")
    }
    made = part(**COMMON, **reads)
    assert ADAPTER.validate_json(made.model_dump_json(), strict=True) == made
    named = {(family, name) for _, family, name in references(made)}
    assert named == {("visits", "before"), ("visits", "week8")} | {("readouts", name) for name in reads.values()}


@pytest.mark.parametrize(
    "broken",
    [
        '{"kind": "percent_change", "name": "e", "baseline": "b", "visits": ["w"]}',
        '{"kind": "percent_change", "name": "", "readout": "r", "baseline": "b", "visits": ["w"]}',
        '{"kind": "percent_change", "name": "e", "readout": "r", "baseline": "b", "visits": "w"}',
        '{"kind": "response", "name": "e", "readout": "r", "baseline": "b", "visits": ["w"], "fall_percent": 0}',
        '{"kind": "response", "name": "e", "readout": "r", "baseline": "b", "visits": ["w"], "fall_percent": 101}',
        '{"kind": "progression_time", "name": "e", "readout": "r", "baseline": "b", "visits": [], "rise_percent": 10}',
        '{"kind": "progression_time", "name": "e", "readout": "r", "baseline": "b", "visits": ["w"],'
        ' "rise_percent": 0}',
        '{"kind": "percist", "name": "e", "sul_peak": "r", "baseline": "b", "visits": ["w"]}',
        '{"kind": "percist", "name": "e", "sul_peak": "r", "liver_mean": "l", "liver_sd": "s", "baseline": "b",'
        ' "visits": ["w"], "responders": ["CR"]}',
    ],
)
def test_nonsense_is_refused(broken: str) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_json(broken, strict=True)
