"""The code and the protocol pieces in the documentation work as printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from vct.acquisition import Acquisition
from vct.cohort import load_population
from vct.course import AnyCourse
from vct.protocol import load

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

MADE = re.compile(r"reference/\w+\.md$|validation\.md$")
"""Pages that are made when the site is built; `make docs` checks links to them."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page.read_text())


@pytest.mark.parametrize("name", ["README.md", "docs/how-to/readout.md"])
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


def test_the_protocol_of_the_tutorial_is_valid(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "docs/tutorial.md", "yaml")
    (tmp_path / "trial.yaml").write_text(text)
    assert load(tmp_path / "trial.yaml").sample_size == 12


def test_the_cohort_of_the_how_to_is_valid(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "docs/how-to/cohort.md", "yaml")
    (tmp_path / "cohort.yaml").write_text(text)
    assert load_population(tmp_path / "cohort.yaml").female_fraction == 0.27


def test_the_scanner_of_the_how_to_is_valid() -> None:
    (text,) = blocks(ROOT / "docs/how-to/scanner.md", "yaml")
    acquisition = yaml.safe_load(text)["acquisition"]
    assert Acquisition.model_validate_json(json.dumps(acquisition), strict=True).scanner.final_fwhm_mm == 6.2


def test_every_page_of_the_site_is_in_its_contents() -> None:
    """`make docs` makes the rest: generated pages, links, anchors."""
    text = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        place = page.relative_to(ROOT / "docs").as_posix()
        assert place in text or place.startswith("decisions/"), place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists() or MADE.search(target), target
