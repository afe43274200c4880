"""What every part promises: it round-trips through YAML, is frozen, refuses strangers, does what its family does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from vct.acquisition import SCANNERS, AnyScanner
from vct.cohort import CRITERIA, RANDOMISATIONS, AnyCriterion, AnyRandomisation
from vct.course import COURSES, AnyCourse
from vct.distributions import DISTRIBUTIONS, AnyDistribution
from vct.endpoint import ENDPOINTS, AnyEndpoint
from vct.part import Part
from vct.protocol import load
from vct.readout import READOUTS, AnyReadout
from vct.rng import stream
from vct.shipped import shipped_names
from vct.stats import ANALYSES, AnyAnalysis
from vct.yamlfile import Tree, check

FAMILIES: dict[str, tuple[tuple[type[Any], ...], Any]] = {
    "distributions": (DISTRIBUTIONS, AnyDistribution),
    "criteria": (CRITERIA, AnyCriterion),
    "randomisations": (RANDOMISATIONS, AnyRandomisation),
    "courses": (COURSES, AnyCourse),
    "scanners": (SCANNERS, AnyScanner),
    "readouts": (READOUTS, AnyReadout),
    "endpoints": (ENDPOINTS, AnyEndpoint),
    "analyses": (ANALYSES, AnyAnalysis),
}
MEMBERS = [(family, member) for family, (members, _) in FAMILIES.items() for member in members]


def parts_in(value: Any) -> list[Part]:
    """Every part inside a value, itself included."""
    found = [value] if isinstance(value, Part) else []
    inner = [getattr(value, key) for key in type(value).model_fields] if isinstance(value, BaseModel) else value
    if isinstance(inner, dict):
        inner = list(inner.values())
    if isinstance(inner, (list, tuple)):
        for item in inner:
            found += parts_in(item)
    return found


SEEN = [part for name in shipped_names("protocols") for part in parts_in(load(name))]


def example_of(member: type[Any]) -> Any:
    """An instance: one that a shipped protocol uses, or the least that its required fields need."""
    for part in SEEN:
        if type(part) is member:
            return part
    extra = EXTRA.get(kind_of(member), {})
    required = [key for key, info in member.model_fields.items() if info.is_required() and key not in extra]
    return member(**{key: NEEDED[key] for key in required}, **extra)


def kind_of(member: type[Any]) -> str:
    return str(member.model_fields["kind"].default)


NEEDED: dict[str, Any] = {
    "name": "x",
    "endpoint": "x",
    "readout": "x",
    "baseline": "baseline",
    "visits": ("week3",),
    "value": 1.0,
    "low": 1.0,
    "high": 3.0,
    "mean": 2.0,
    "sd": 1.0,
    "median": 2.0,
    "geometric_sd": 1.5,
    "alpha": 2.0,
    "beta": 3.0,
    "dispersion": 2.0,
    "values": (1.0, 2.0),
    "weights": (1.0, 2.0),
    "probabilities": (0.1, 0.9),
    "column": "age",
    "reason": "x",
    "probability": 0.1,
    "variable": "age_years",
    "factors": ({"by": "sex"},),
    "organ": "liver",
    "threshold": {"kind": "fixed", "suv": 4.0},
    "fwhm_mm": 6.0,
    "noise": {"liver_cov": 0.1},
    "sul_peak": "a",
    "liver_mean": "b",
    "liver_sd": "c",
    "new_lesions": "d",
    **dict.fromkeys(("suv", "suv_max", "uptake", "mediastinum", "liver", "sum_of_diameters"), "e"),
    "by": "site",
    "null": 0.0,
}
EXTRA: dict[str, dict[str, Any]] = {
    "sex": {"value": "F"},
    "discrete": {"values": (1.0, 2.0), "weights": (1.0, 3.0)},
    "table": {"values": (1.0, 2.0)},
    "scanner": {"bed_minutes": 2.0},
    "range": {"min": 18.0},
    "truncated": {"of": {"kind": "normal", "mean": 2.0, "sd": 1.0}},
    "response": {"fall_percent": 30.0},
}


@pytest.mark.parametrize(("family", "member"), MEMBERS, ids=lambda item: getattr(item, "__name__", item))
def test_a_part_round_trips_through_yaml(family: str, member: type[Any], tmp_path: Path) -> None:
    part = example_of(member)

    class Holder(Part):
        part: FAMILIES[family][1]  # type: ignore[valid-type]

    again = yaml.safe_load(yaml.safe_dump({"part": part.model_dump(mode="json")}))
    assert check(Holder, Tree(again, "x.yaml"), tmp_path).part == part


@pytest.mark.parametrize(("family", "member"), MEMBERS, ids=lambda item: getattr(item, "__name__", item))
def test_a_part_is_frozen_documented_and_refuses_strangers(family: str, member: type[Any]) -> None:
    part = example_of(member)
    assert member.__doc__
    with pytest.raises(ValidationError):
        part.kind = "other"
    with pytest.raises(ValidationError, match="not permitted"):
        TypeAdapter(FAMILIES[family][1]).validate_python({**part.model_dump(), "stranger": 1})


@pytest.mark.parametrize("family", FAMILIES)
def test_kinds_are_told_apart_by_name(family: str) -> None:
    kinds = [kind_of(member) for member in FAMILIES[family][0]]
    assert len(set(kinds)) == len(kinds) >= 2
    assert all(kind == kind.lower() and " " not in kind for kind in kinds)


@pytest.mark.parametrize("member", DISTRIBUTIONS, ids=lambda item: item.__name__)
def test_a_distribution_repeats_under_its_stream(member: type[Any]) -> None:
    distribution = example_of(member)
    one, other = (distribution.sample(stream(1, "x"), 50) for _ in range(2))
    assert (one == other).all()
    assert one.shape == (50,)
