"""The Markdown summary and the words of the design."""

from __future__ import annotations

import doctest

import pytest

from vct.report import design, numbers
from vct.report.summary import escaped, markdown


@pytest.mark.parametrize("module", [numbers, design])
def test_examples_in_docstrings(module) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_summary_has_the_answer_and_every_table(result) -> None:
    text = markdown(result)
    assert text.startswith("# NSCLC: metabolic response\n\n58 virtual patients")
    assert "mean difference −28.4 percentage points" in text
    assert "not for clinical use" in text
    for title in ("Design", "Patient flow", "Patients", "Results", "Subgroups", "Provenance"):
        assert f"## {title}\n" in text
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.replace("\\|", "").count("|") for line in rows}) <= 1


def test_markup_is_escaped() -> None:
    assert escaped("a|b *c* <script>\n# d") == r"a\|b \*c\* &lt;script&gt; \# d"


def test_long_settings_are_cut() -> None:
    assert (
        design.brief({"kind": "a_b", "c": None, "d": {}, "e": True, "f": [{"g": 1, "h": 2}]})
        == "a b; e: yes; f: (g: 1; h: 2)"
    )


def test_nothing_of_a_long_part_is_lost() -> None:
    part = {"kind": "course", "growth": 0.5, "a": {"b": "x" * 200, "c": {"kind": "k", "d": 1}}, "e": [{"f": "y" * 100}]}
    assert design.lines(part) == ["course; growth: 0.5", "a: b: " + "x" * 200, "a, c: k; d: 1", "e: f: " + "y" * 100]
