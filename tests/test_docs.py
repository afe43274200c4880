"""The code and the protocol pieces in the documentation work as printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from vct.course import AnyCourse

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page.read_text())


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_python_runs_in_the_order_of_the_page(name: str) -> None:
    found = blocks(ROOT / name, "python")
    assert found
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in found:
        exec(compile(block, name, "exec"), namespace)


def test_the_course_in_the_readme_is_valid() -> None:
    (text,) = blocks(ROOT / "README.md", "yaml")
    course = yaml.safe_load(text)["course"]
    assert TypeAdapter(AnyCourse).validate_json(json.dumps(course), strict=True).kind == "metastatic"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
