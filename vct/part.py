"""`Part`: the base of everything that a YAML file may name. A part is its own configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vct.errors import InputError


class Part(BaseModel):
    """A frozen configuration whose fields are the YAML keys and whose one method does the work."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


Kind = TypeVar("Kind", bound=Part)


def read_json(path: Path, kind: type[Kind], what: str) -> Kind:
    """A part that `vct` itself wrote as JSON. Raises InputError where the file cannot be read or is no `what`."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValidationError as error:
        first = error.errors()[0]["msg"]
        raise InputError(f"{path}: is no {what} ({error.error_count()} errors; the first: {first})") from None


@dataclass(frozen=True, slots=True)
class Refers:
    """Marks a field that names something else in the protocol; `family` is the key it stands under."""

    family: str


ArmName = Annotated[str, Refers("arms")]
VisitName = Annotated[str, Refers("visits")]
ReadoutName = Annotated[str, Refers("readouts")]
EndpointName = Annotated[str, Refers("endpoints")]
SiteName = Annotated[str, Refers("sites")]

Loc = tuple[str | int, ...]


@cache
def plugins(family: str) -> tuple[type[Any], ...]:
    """Classes that other packages offer under the entry point group `vct.<family>`, in name order."""
    found = sorted(entry_points(group=f"vct.{family}"), key=lambda point: point.name)
    return tuple(point.load() for point in found)


def one_of(members: tuple[type[Any], ...]) -> Any:
    """The type of a field that takes any of `members`, told apart by their `kind:`."""
    return Annotated[Union[members], Field(discriminator="kind")]  # noqa: UP007


def references(part: BaseModel, loc: Loc = ()) -> Iterator[tuple[Loc, str, str]]:
    """Every name in `part` that refers to something else, as (place, family, name): values, keys and nested parts."""
    for field, info in type(part).model_fields.items():
        marks = [mark for mark in info.metadata if isinstance(mark, Refers)] or _value_marks(info.annotation)
        key_marks = _key_marks(info.annotation)
        value = getattr(part, field)
        if key_marks and isinstance(value, dict):
            yield from (((*loc, field, key), key_marks[0].family, key) for key in value)
        for place, leaf in _leaves(value, (*loc, field)):
            if isinstance(leaf, BaseModel):
                yield from references(leaf, place)
            elif marks and isinstance(leaf, str):
                yield place, marks[0].family, leaf


def _leaves(value: object, loc: Loc) -> Iterator[tuple[Loc, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*loc, key))
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from _leaves(item, (*loc, index))
    else:
        yield loc, value


def _value_marks(annotation: Any) -> list[Refers]:
    """Marks inside `tuple[ReadoutName, ...]`, `ReadoutName | None` and so on, the keys of mappings left out."""
    found = [mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Refers)]
    args = getattr(annotation, "__args__", ())
    for arg in args[1:] if getattr(annotation, "__origin__", None) is dict else args:
        found += _value_marks(arg)
    return found


def _key_marks(annotation: Any) -> list[Refers]:
    """Marks on the keys of `dict[ArmName, ...]`."""
    return _value_marks(annotation.__args__[0]) if getattr(annotation, "__origin__", None) is dict else []
