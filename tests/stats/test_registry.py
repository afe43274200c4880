"""The analyses as parts of a protocol."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from vct.part import references
from vct.stats import ANALYSES, AnyAnalysis

MINIMAL: dict[str, dict[str, Any]] = {"one_sample": {"null_rate": 0.2}}
ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyAnalysis)


@pytest.mark.parametrize("part", ANALYSES, ids=lambda part: part.model_fields["kind"].default)
def test_every_analysis_round_trips_strictly(part: Any) -> None:
    kind = part.model_fields["kind"].default
    made = part(endpoint="e", visit="week8", subgroups=("sex",), **MINIMAL.get(kind, {}))
    again = ADAPTER.validate_json(made.model_dump_json(), strict=True)
    assert again == made
    assert ("endpoints", "e") in {(family, name) for _, family, name in references(made)}
    assert ("visits", "week8") in {(family, name) for _, family, name in references(made)}


def test_kinds_are_unique() -> None:
    assert len({part.model_fields["kind"].default for part in ANALYSES}) == len(ANALYSES)


@pytest.mark.parametrize(
    "broken",
    [
        '{"kind": "welch_t"}',
        '{"kind": "welch_t", "endpoint": "e", "confidence": 1.0}',
        '{"kind": "welch_t", "endpoint": "e", "confidence": "0.9"}',
        '{"kind": "welch_t", "endpoint": "e", "analysis_sets": []}',
        '{"kind": "welch_t", "endpoint": "e", "subgroups": ["age"]}',
        '{"kind": "welch_t", "endpoint": "e", "missing": "imagine"}',
        '{"kind": "ancova", "endpoint": "e", "covariates": ["weight"]}',
        '{"kind": "one_sample", "endpoint": "e", "null_rate": 1.0}',
        '{"kind": "anova", "endpoint": "e"}',
    ],
)
def test_nonsense_is_refused(broken: str) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_json(broken, strict=True)
