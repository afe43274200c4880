"""JSON Schemas of the YAML files, for editors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def protocol_schema() -> dict[str, Any]:
    """Schema of a protocol file: the cohort may be a name, or a mapping that starts `from:` one."""
    from vct.protocol import Protocol

    schema = Protocol.model_json_schema()
    schema["properties"]["cohort"] = {
        "description": Protocol.model_fields["cohort"].description,
        "anyOf": [{"type": "string"}, _inheriting(schema["$defs"]["Population"])],
    }
    return {"$schema": DIALECT, **schema}


def cohort_schema() -> dict[str, Any]:
    """Schema of a cohort file: with `from:` it may leave out what it takes over."""
    from vct.cohort import Population

    schema = Population.model_json_schema()
    return {"$schema": DIALECT, "$defs": schema["$defs"], **_inheriting(schema)}


def _inheriting(population: dict[str, Any]) -> dict[str, Any]:
    """The schema of a population that may start `from:` another one."""
    required = population.get("required", [])
    taken = {key: value for key, value in population.items() if key not in ("required", "$defs")}
    taken["properties"] = {"from": {"type": "string"}, **population["properties"]}
    taken["anyOf"] = [{"required": ["from"]}, {"required": required}]
    return taken


def as_bytes(schema: dict[str, Any]) -> bytes:
    """The schema as the file that ships."""
    return json.dumps(schema, indent=1, sort_keys=True).encode() + b"\n"


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "protocol.schema.json": protocol_schema,
    "cohort.schema.json": cohort_schema,
}
