"""YAML in, checked parts out: safe, YAML 1.2 core schema, and every broken rule at once with file, line and column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vct.errors import Problem, SpecError, nearest

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 50_000

Loc = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML with YAML 1.2's core schema in place of 1.1's: no `no` for False, no sexagesimal, no octal, no dates."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Tree:
    """Plain data from a YAML file, and the place of every key (`keys`) and value (`values`) in it."""

    data: Any
    file: str
    keys: dict[Loc, Place] = field(default_factory=dict)
    values: dict[Loc, Place] = field(default_factory=dict)

    def graft(self, other: Tree, under: Loc) -> None:
        """Take over the places of `other`, whose data now stand at `under`."""
        for mine, theirs in ((self.keys, other.keys), (self.values, other.values)):
            mine.update({(*under, *loc): place for loc, place in theirs.items()})

    def problem(self, loc: Loc, rule: str, value: object = None, near: str | None = None) -> Problem:
        """A problem at `loc`, or at its nearest ancestor that the file really has."""
        place = self.values.get(loc)
        for end in range(len(loc) - 1, -1, -1):
            place = place or self.keys.get(loc[:end], self.values.get(loc[:end]))
        key = "".join(f"[{item}]" if isinstance(item, int) else f".{item}" for item in loc).lstrip(".")
        if place is None:
            return Problem(rule=rule, file=self.file, key=key, value=value, nearest=near)
        return Problem(
            rule=rule, file=place.file, line=place.line, column=place.column, key=key, value=value, nearest=near
        )


def read(path: Path) -> Tree:
    """Read one YAML file. Raises SpecError when it is missing, too large, malformed or outside the subset that we take.

    Refused: several documents, anchors and aliases, tags, keys that are no strings, duplicate keys.
    """
    shown = str(path)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(
            [Problem(file=shown, rule=f"must be UTF-8 text ({error.reason} at byte {error.start})")]
        ) from None
    except OSError as error:
        raise SpecError([Problem(file=shown, rule=f"cannot be read: {error.strerror or error}")]) from None
    if len(raw) > MAX_BYTES:
        raise SpecError([Problem(file=shown, rule=f"must be at most {MAX_BYTES} bytes", value=len(raw))])
    try:
        _limit(text, shown)
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        rule = f"is not valid YAML: {error.problem or error.context}"
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise SpecError([Problem(file=shown, line=line, column=column, rule=rule)]) from None
    except yaml.YAMLError as error:
        raise SpecError([Problem(file=shown, rule=f"is not valid YAML: {' '.join(str(error).split())}")]) from None
    if node is None:
        raise SpecError([Problem(file=shown, line=1, column=1, rule="is empty; a mapping is expected")])
    tree = Tree(None, shown)
    problems: list[Problem] = []
    data = _plain(node, (), tree, problems)
    if problems:
        raise SpecError(problems)
    return Tree(data, shown, tree.keys, tree.values)


def check(model: type[Model], tree: Tree, folder: Path) -> Model:
    """Validate `tree` as `model`, strictly. Raises SpecError with every broken rule and its place.

    `folder` is where files named inside may be looked up; parts find it as `info.context["folder"]`.
    """
    try:
        return model.model_validate_json(json.dumps(tree.data), strict=True, context={"folder": folder})
    except ValidationError as error:
        raise SpecError(_unique(_problem_of(model, tree, item) for item in error.errors(include_url=False))) from None


def _limit(text: str, shown: str) -> None:
    """Walk the events, which needs no recursion, and refuse what composing could choke on."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        mark: Any = event.start_mark
        rule = ""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            rule = "anchors and aliases are not supported; write the value out"
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            rule = f"must not nest deeper than {MAX_DEPTH} levels" if depth > MAX_DEPTH else ""
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        nodes += isinstance(event, yaml.NodeEvent)
        if nodes > MAX_NODES:
            rule = f"must not hold more than {MAX_NODES} values"
        if rule:
            raise SpecError([Problem(file=shown, line=mark.line + 1, column=mark.column + 1, rule=rule)])


def _plain(node: yaml.Node, loc: Loc, tree: Tree, problems: list[Problem]) -> Any:
    place = Place(tree.file, node.start_mark.line + 1, node.start_mark.column + 1)
    tree.values[loc] = place
    if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_place = Place(tree.file, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                problems.append(_at(key_place, loc, "a key must be text", getattr(key_node, "value", None)))
                continue
            key = key_node.value
            if key in found:
                problems.append(_at(key_place, (*loc, key), "this key stands twice", key))
                continue
            tree.keys[(*loc, key)] = key_place
            found[key] = _plain(value_node, (*loc, key), tree, problems)
        return found
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        return [_plain(item, (*loc, index), tree, problems) for index, item in enumerate(node.value)]
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    text = str(node.value)
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind in ("int", "float"):
        number = float(text)
        if number in (float("inf"), float("-inf")) or len(text) > 40:
            problems.append(_at(place, loc, "a number must be finite and at most 40 characters long", text))
            return None
        return int(text) if kind == "int" else number
    problems.append(_at(place, loc, "tags are not supported", node.tag))
    return None


def _at(place: Place, loc: Loc, rule: str, value: object) -> Problem:
    key = ".".join(str(item) for item in loc)
    return Problem(file=place.file, line=place.line, column=place.column, key=key, rule=rule, value=value)


def _problem_of(model: type[BaseModel], tree: Tree, item: ErrorDetails) -> Problem:
    """One pydantic error, in our words: its place in the file, the rule, the value, the nearest valid name."""
    loc, fields = _walk(model, tree.data, item["loc"], item["type"] == "missing")
    kind, ctx, value = item["type"], item.get("ctx", {}), item.get("input")
    near = None
    rule = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if kind == "extra_forbidden":
        name = str(loc[-1])
        near = nearest(name, fields)
        problem = tree.problem(loc, "is not a known key here" + (f" (known: {', '.join(fields)})" if fields else ""))
        place = tree.keys.get(loc)
        return Problem(
            rule=problem.rule,
            file=place.file if place else problem.file,
            line=place.line if place else problem.line,
            column=place.column if place else problem.column,
            key=problem.key,
            value=name,
            nearest=near,
        )
    if kind == "missing":
        return tree.problem(loc, "is missing")
    if kind in ("literal_error", "union_tag_invalid"):
        expected = re.findall(r"'([^']*)'", str(ctx.get("expected", ctx.get("expected_tags", ""))))
        value = ctx.get("tag", value)
        near = nearest(value, expected)
        rule = f"must be one of {', '.join(expected)}"
        if kind == "union_tag_invalid":
            loc = (*loc, "kind")
    if kind == "value_error" and isinstance(value, (dict, list)):
        value = None
    if kind == "union_tag_not_found":
        return tree.problem(loc, "needs a 'kind'")
    rule = rule[0].lower() + rule[1:] if rule else kind
    return tree.problem(loc, rule.replace("should be", "must be"), value, near)


def _walk(model: type[BaseModel], data: Any, loc: Loc, missing: bool) -> tuple[Loc, tuple[str, ...]]:
    """Drop the union tags from a pydantic location; also the field names of the innermost model on the way."""
    place: list[str | int] = []
    fields: tuple[str, ...] = tuple(model.model_fields)
    annotation: Any = model
    for index, item in enumerate(loc):
        if isinstance(data, dict) and isinstance(item, str):
            if item == data.get("kind") and index < len(loc) - 1 and item not in data:
                annotation = _member(annotation, item)
                fields = _fields(annotation) or fields
                continue
            if item not in data and not (missing and index == len(loc) - 1):
                continue
            place.append(item)
            inner = _submodel(annotation, item)
            data, annotation = data.get(item), inner
        elif isinstance(data, list) and isinstance(item, int):
            place.append(item)
            data = data[item] if item < len(data) else None
        else:
            continue
        if isinstance(data, dict) and _fields(annotation) and index < len(loc) - 1:
            fields = _fields(annotation)
    return tuple(place), fields


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for arg in get_args(annotation):
        yield from _models(arg)


def _member(annotation: Any, kind: str) -> Any:
    for model in _models(annotation):
        info = model.model_fields.get("kind")
        if info is not None and kind in get_args(info.annotation):
            return model
    return annotation


def _submodel(annotation: Any, key: str) -> Any:
    for model in _models(annotation):
        if key in model.model_fields:
            return model.model_fields[key].annotation
    return annotation


def _fields(annotation: Any) -> tuple[str, ...]:
    models = list(_models(annotation))
    return tuple(models[0].model_fields) if len(models) == 1 else ()


def _unique(problems: Iterator[Problem]) -> list[Problem]:
    return list({str(problem): problem for problem in problems}.values())
