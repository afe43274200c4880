"""The shipped schemas are current, and every shipped YAML file names and obeys them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from vct.schema import SCHEMAS, as_bytes

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*(ROOT / "protocols").glob("*.yaml"), *(ROOT / "cohorts").glob("*.yaml")])


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_current(name: str) -> None:
    assert (ROOT / "schemas" / name).read_bytes() == as_bytes(SCHEMAS[name]()), "run `vct schema`"


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_shipped_files_name_and_obey_their_schema(file: Path) -> None:
    kind = file.parent.name.rstrip("s")
    assert file.read_text().startswith(f"# yaml-language-server: $schema=../schemas/{kind}.schema.json\n")
    schema = json.loads((ROOT / "schemas" / f"{kind}.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(file.read_text()))
