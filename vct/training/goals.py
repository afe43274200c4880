"""Tighter goals than a model card's own criteria: how many were judged, and which were missed."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from vct.errors import InputError
from vct.part import Part


class Goals(Part):
    """What `benchmarks/cascade_goals.py` found of the weights of a hash; `missed` says what was, with its figure."""

    weights: str
    judged: int = Field(ge=1)
    missed: tuple[str, ...] = ()


def read_goals(path: Path, digest: str) -> Goals:
    """Raises InputError where the file is missing, broken or tells of weights of another hash."""
    try:
        found = Goals.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        told = error.errors()[0]["msg"]
        raise InputError(f"{path}: not the .json that benchmarks/cascade_goals.py writes ({told})") from error
    if found.weights != digest:
        raise InputError(f"{path}: tells of weights {found.weights[:8]}, not of {digest[:8]}")
    return found
