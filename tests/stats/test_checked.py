"""What an analysis says about its own validation is what the tests do."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from vct.stats import ANALYSES

NAMES = [
    node.name
    for file in Path(__file__).parent.glob("test_*.py")
    for node in ast.walk(ast.parse(file.read_text()))
    if isinstance(node, ast.FunctionDef)
]


@pytest.mark.parametrize("part", ANALYSES, ids=lambda part: part.model_fields["kind"].default)
def test_checked_says_how(part: Any) -> None:
    kind = part.model_fields["kind"].default
    golden = any(name.startswith(f"test_golden_{kind}") for name in NAMES)
    second = any(name.startswith(f"test_second_implementation_{kind}") for name in NAMES)
    assert part.checked == ("golden" if golden else "second implementation" if second else "unvalidated")
