"""The viewer in a real browser: it shows the volumes and reads the right SUV at a known lesion."""

from __future__ import annotations

import io
import json
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from PIL import Image

from vct.report import pictures_in, write
from vct.report.packed import packed
from vct.trial import plan_of, reopen, run

READY = "() => document.body.dataset.ready || document.querySelector('[role=alert]')"


@pytest.fixture(scope="session")
def trial(coarse, small_trial, tmp_path_factory) -> Path:
    """The folder of a run of one patient, seen twice."""
    folder = tmp_path_factory.mktemp("trial")
    write(run(small_trial(sample_size=1), coarse, out=folder), folder)
    return folder


@pytest.fixture(scope="session")
def viewer(trial) -> Path:
    (page,) = (trial / "viewers").glob("*.html")
    return page


def opened(look, viewer: Path, size: str = "desktop"):
    seen = look(viewer, size)
    seen.page.wait_for_function(READY, timeout=120_000)
    assert seen.page.get_by_role("alert").count() == 0
    return seen


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_the_viewer_is_quiet_offline_accessible_and_small(look, viewer, size: str) -> None:
    seen = opened(look, viewer, size)
    assert seen.violations() == []
    assert seen.complaints == []
    assert seen.loaded == []
    assert viewer.stat().st_size < 10_000_000
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for side in ("left", "right"):
        png = seen.page.locator(f"#{side}-canvas").screenshot()
        assert len(Image.open(io.BytesIO(png)).convert("L").getcolors()) > 50


def test_it_reads_the_scan_under_the_cursor(look, viewer, trial, coarse, small_trial) -> None:
    protocol = small_trial(sample_size=1)
    (task,) = plan_of(protocol, coarse).tasks()
    scans = {}
    for side, visit in zip(("left", "right"), task.visits, strict=True):
        scan = coarse.generate(protocol.course.at(task.patient, visit, protocol.seed), protocol.seed)
        scans[side] = protocol.acquisition.acquire(scan, protocol.seed)
    seen = opened(look, viewer)
    lesions = json.loads(packed(scans["left"]))["lesions"]
    assert lesions
    for lesion in lesions[:3]:
        seen.page.get_by_role("button", name=f"Go to {lesion['id']} at baseline", exact=True).click()
        for side, scan in scans.items():
            grid = scan.pet.grid
            voxel = tuple(
                round((c - o) / s) for c, o, s in zip(lesion["center_mm"], grid.origin_mm, grid.spacing_mm, strict=True)
            )
            assert float(seen.page.inner_text(f"#{side}-suv")) == pytest.approx(float(scan.pet.data[voxel]), abs=0.006)
            assert float(seen.page.inner_text(f"#{side}-hu")) == pytest.approx(float(scan.ct.data[voxel]), abs=5)
        assert seen.page.inner_text("#left-truth") == lesion["id"]


def test_the_keyboard_moves_both_cursors_and_reaches_every_control(look, viewer) -> None:
    seen = opened(look, viewer)
    before = float(seen.page.input_value("#z"))
    seen.page.focus("#left-canvas")
    seen.page.keyboard.press("PageDown")
    assert float(seen.page.input_value("#z")) == pytest.approx(before - 8.0, abs=0.06)
    seen.page.fill("#x", "0")
    seen.page.keyboard.press("Tab")
    assert float(seen.page.input_value("#x")) == pytest.approx(0.0, abs=0.06)
    reached = set(seen.stops())
    assert {"mode", "planes", "suv", "truth", "contour", "organs", "left", "right", "left-canvas"} <= reached
    seen.page.focus("#organs")
    seen.page.keyboard.press("Space")
    seen.page.select_option("#mode", "pet")
    seen.page.select_option("#right", "0")
    seen.page.wait_for_function("() => document.getElementById('right-visit').textContent === 'baseline'")
    assert seen.page.inner_text("#right-suv") == seen.page.inner_text("#left-suv")
    assert seen.complaints == []


def test_the_report_leads_to_the_viewer(look, trial, viewer) -> None:
    result = reopen(trial)
    seen = look(write(result, trial, pictures_in(trial, result.enrolment.patients)))
    seen.page.get_by_role("link", name="Open P0001 in the viewer").click()
    assert Path(unquote(urlparse(seen.page.url).path)) == viewer
    seen.page.get_by_role("link", name="tables/pictured_lesions.csv")
    assert (trial / "tables/pictured_lesions.csv").is_file()
