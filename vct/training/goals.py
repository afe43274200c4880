"""Tighter goals than a model card's own criteria: how many were judged, and which were missed."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from vct.errors import InputError
from vct.part import Part, read_json


class Goals(Part):
    """What `benchmarks/cascade_goals.py` found of the weights of a hash; `missed` says what was, with its figure."""

    weights: str
    judged: int = Field(ge=1)
    missed: tuple[str, ...] = ()


def read_goals(path: Path, digest: str) -> Goals:
    """Raises InputError where the file is missing, broken or tells of weights of another hash."""
    found = read_json(path, Goals, "findings of benchmarks/cascade_goals.py")
    if found.weights != digest:
        raise InputError(f"{path}: tells of weights {found.weights[:8]}, not of {digest[:8]}")
    return found
