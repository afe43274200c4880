"""Engines: anything that turns a snapshot into a PET/CT. The command line names one as `name` or `name:argument`."""

from __future__ import annotations

from typing import Any

from vct.engine.atlas.engine import Atlas
from vct.engine.base import Engine
from vct.engine.cascade.door import CascadeDoor
from vct.engine.phantom import Phantom
from vct.errors import InputError, nearest
from vct.part import plugins

_CLASSES: tuple[type[Any], ...] = (Phantom, Atlas, CascadeDoor, *plugins("engines"))
ENGINES: dict[str, type[Any]] = {engine.spec_name: engine for engine in _CLASSES}
"""Engines by name. Each class has `spec_name` and `from_spec(argument, resolution_mm)`."""


def make(spec: str, resolution_mm: float | None = None) -> Engine:
    """The engine that `spec` names, at a voxel size (its own usual one when None).

    Raises InputError for an unknown name, an argument that the engine does not take, or a voxel size out of range.
    """
    name, _, argument = spec.partition(":")
    if name not in ENGINES:
        close = nearest(name, ENGINES)
        hint = f"did you mean {close!r}?" if close else f"known: {', '.join(sorted(ENGINES))}"
        raise InputError(f"engine {name!r} is not known; {hint}")
    made: Engine = ENGINES[name].from_spec(argument, resolution_mm)
    return made
