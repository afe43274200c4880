"""The report in a real browser: drawn, quiet, offline, accessible, by keyboard, at phone and desktop width."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vct.report import write

DRAWN = "() => document.querySelectorAll('.chart svg.marks').length === document.querySelectorAll('.chart').length"
WIDER = """() => [...document.querySelectorAll("body *")]
  .filter((at) => at.getBoundingClientRect().right > innerWidth + 1 && !at.closest(".scroll, nav ul, .skip"))
  .map((at) => `${at.tagName} ${at.className} ${at.textContent.slice(0, 40)}`)"""


@pytest.fixture(scope="session")
def page_file(make_result, images, tmp_path_factory) -> Path:
    """The report of a trial of three arms with every kind of chart."""
    found = make_result(arms=("standard", "low dose", "high dose"), size=60)
    return write(found, tmp_path_factory.mktemp("browser"), images)


@pytest.mark.parametrize(("size", "scheme"), [("phone", "light"), ("desktop", "dark")])
def test_the_report_is_drawn_quiet_offline_and_accessible(page_file, look, size: str, scheme: str) -> None:
    seen = look(page_file, size, color_scheme=scheme)
    seen.page.wait_for_function(DRAWN, timeout=120_000)
    assert seen.page.locator(".chart").count() >= 8
    assert seen.complaints == []
    assert seen.loaded == []
    assert seen.page.evaluate(WIDER) == []
    assert seen.violations() == []
    assert seen.complaints == []


def test_the_keyboard_reaches_everything(page_file, look) -> None:
    seen = look(page_file)
    seen.page.wait_for_function(DRAWN, timeout=120_000)
    wanted: list[Any] = seen.page.evaluate(
        "() => [...document.querySelectorAll('a[href], summary, button, select, input, [tabindex=\"0\"]')]"
        ".filter((at) => at.checkVisibility()).length"
    )
    stops = seen.stops()
    assert stops[0] == "A #main"
    assert len(stops) == wanted
    seen.page.keyboard.press("Tab")
    seen.page.keyboard.press("Enter")
    assert seen.page.evaluate("location.hash") == "#main"


def test_a_missing_script_leaves_the_numbers(page_file, look) -> None:
    seen = look(page_file, java_script_enabled=False)
    assert seen.page.get_by_role("table", name="Demographics at enrolment").is_visible()
