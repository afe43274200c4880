"""The page: self-contained, escaped, complete, the same bytes for the same result."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from vct.records import Enrolment, TrialResult
from vct.report import MipImage, write

HOSTILE = "</script><img src=x onerror=alert(1)>{{7*7}}\"'&amp;<!--"
SECTIONS = {
    "answer",
    "design",
    "flow",
    "patients",
    "primary",
    "secondary",
    "figures",
    "measurement",
    "engine",
    "images",
}
SECTIONS |= {"provenance"}
LOADING = {"src", "href", "srcset", "action", "formaction", "poster", "data", "ping", "background", "xlink:href"}


class Page(HTMLParser):
    """The elements of a page, its loading attributes, ids, and what its scripts and styles hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.names: set[str] = set()
        self.inside: list[tuple[str, str]] = []
        self.policy = ""
        self._raw = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = {name: value or "" for name, value in attrs}
        self.names |= set(values)
        self.links += [value for name, value in values.items() if name in LOADING]
        self.ids += [values["id"]] if "id" in values else []
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        self._raw = f"{tag} {values.get('type', '')}".strip() if tag in ("script", "style") else ""

    def handle_data(self, data: str) -> None:
        if self._raw:
            self.inside.append((self._raw, data))

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def raw(self, kind: str) -> list[str]:
        return [data for name, data in self.inside if name == kind]


def page_of(result: TrialResult, folder: Path, images: tuple[MipImage, ...] = ()) -> Page:
    return Page(write(result, folder, images).read_text())


def test_every_section_of_a_two_arm_trial_is_there(written) -> None:
    page = Page((written / "report.html").read_text())
    assert set(page.ids) >= SECTIONS
    assert len(page.ids) == len(set(page.ids))
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors == SECTIONS | {"main"}


def test_nothing_is_loaded_from_anywhere(written) -> None:
    page = Page((written / "report.html").read_text())
    assert all(link.startswith(("#", "data:", "tables/")) for link in page.links)
    assert "link" in page.tags
    assert "iframe" not in page.tags
    assert "url(" not in "".join(page.raw("style"))
    assert "@import" not in "".join(page.raw("style"))
    assert '"url"' not in page.raw("script application/json")[0]
    assert "http" not in page.raw("script application/json")[0]
    for link in page.links:
        assert not link.startswith("tables/") or (written / link).is_file()


def test_only_its_own_scripts_and_style_may_run(written) -> None:
    page = Page((written / "report.html").read_text())
    rules = dict(rule.strip().split(" ", 1) for rule in page.policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in page.policy
    assert "http" not in page.policy
    for kind, rule in (("script", "script-src"), ("style", "style-src")):
        found = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in page.raw(kind)]
        assert [f"'sha256-{digest}'" for digest in found] == rules[rule].split()
    assert "style" not in page.names
    assert not any(name.startswith("on") for name in page.names)


def test_hostile_words_stay_words(make_result, images, written, tmp_path) -> None:
    calm = Page((written / "report.html").read_text())
    found = make_result(arms=(HOSTILE, f"b{HOSTILE}"), title=HOSTILE)
    protocol = json.loads(json.dumps(found.protocol))
    for key in ("description", "source"):
        protocol[key] = HOSTILE
    protocol["arms"][0]["description"] = protocol["cohort"]["title"] = HOSTILE
    protocol["endpoints"][0]["name"] = protocol["analyses"][0]["kind"] = HOSTILE
    enrolment = replace(found.enrolment, excluded={HOSTILE: 3})
    hostile = replace(
        found,
        protocol=protocol,
        enrolment=enrolment,
        provenance={**found.provenance, "engine": HOSTILE, HOSTILE: HOSTILE},
        readings=tuple(replace(item, readout=item.readout + HOSTILE) for item in found.readings),
        outcomes=tuple(replace(item, endpoint=HOSTILE, category=HOSTILE) for item in found.outcomes),
        comparisons=tuple(
            replace(item, endpoint=HOSTILE, note=HOSTILE, subgroup=item.subgroup) for item in found.comparisons
        ),
    )
    page = page_of(hostile, tmp_path / "hostile", images)
    assert page.tags.count("script") == calm.tags.count("script")
    assert page.tags.count("img") == len(images)
    assert page.names == calm.names
    specs = json.loads(page.raw("script application/json")[0])
    assert HOSTILE in json.dumps(specs, ensure_ascii=False).encode().decode("unicode_escape")
    text = (tmp_path / "hostile/report.html").read_text()
    assert "{{7*7}}" in text
    assert "onerror=alert(1)&gt;" in text
    assert "<img src=x" not in text
    summary = (tmp_path / "hostile/summary.md").read_text()
    assert "<" not in summary


def test_the_same_result_gives_the_same_bytes(make_result, images, written, tmp_path) -> None:
    write(make_result(arms=("only",)), tmp_path / "other", images)
    write(make_result(), tmp_path / "again", images)
    first = {path.relative_to(written): path.read_bytes() for path in written.rglob("*.*")}
    again = {path.relative_to(tmp_path / "again"): path.read_bytes() for path in (tmp_path / "again").rglob("*.*")}
    assert first == again
    assert not [path for path in first if path.name.startswith(".tmp")]


def test_a_trial_of_one_arm_has_no_table_of_all_and_no_forest(make_result, tmp_path) -> None:
    page = page_of(make_result(arms=("new drug",)), tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "Enrolled (n\u00a0=\u00a058)" in text
    assert "figure_forest" not in page.ids
    assert {"figure_waterfall", "figure_response", "figure_survival"} <= set(page.ids)
    assert "not tested" not in text


def test_three_arms_are_all_compared_with_the_first(make_result, tmp_path) -> None:
    page_of(make_result(arms=("standard", "low dose", "high dose"), size=60), tmp_path)
    summary = (tmp_path / "summary.md").read_text()
    assert "low dose against standard: mean difference" in summary
    assert "high dose against standard: mean difference" in summary


def test_twins_are_counted_once(make_result, tmp_path) -> None:
    found = make_result(size=8)
    ids = {item.id: f"T{index // 2:03}" for index, item in enumerate(found.enrolment.patients)}
    twins = tuple(replace(item, id=ids[item.id]) for item in found.enrolment.patients)
    attendance = tuple(replace(item, patient=ids[item.patient]) for item in found.enrolment.attendance)
    enrolment = replace(found.enrolment, patients=twins, attendance=attendance)
    outcomes = tuple(replace(item, patient=ids[item.patient]) for item in found.outcomes)
    readings = tuple(replace(item, patient=ids[item.patient]) for item in found.readings)
    page_of(replace(found, enrolment=enrolment, outcomes=outcomes, readings=readings), tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "4 virtual patients were simulated on the arms standard and new drug, each patient on every arm," in text
    assert "Enrolled (n\u00a0=\u00a04)" in text


def test_what_does_not_apply_is_absent(result, tmp_path) -> None:
    empty = replace(result, readings=(), outcomes=(), comparisons=(), provenance={})
    page = page_of(empty, tmp_path)
    assert {"answer", "design", "flow", "patients", "provenance"} <= set(page.ids)
    assert not {"primary", "secondary", "figures", "measurement", "images", "operating"} & set(page.ids)
    assert page.raw("script") == []
    assert "script-src 'none'" in page.policy
    assert "names no analysis" in (tmp_path / "report.html").read_text()


def test_nobody_enrolled_still_gives_a_report(result, tmp_path) -> None:
    nobody = replace(
        result,
        enrolment=Enrolment(patients=(), attendance=(), n_screened=0, excluded={}),
        readings=(),
        outcomes=(),
        comparisons=(),
    )
    assert "0 virtual patients" in write(nobody, tmp_path).read_text()


def test_the_report_on_400_patients_stays_small(make_result, tmp_path) -> None:
    large, huge = (write(make_result(size=size), tmp_path / str(size)) for size in (400, 800))
    assert large.stat().st_size < 2_000_000
    assert abs(huge.stat().st_size - large.stat().st_size) < 20_000


def test_tables_have_headings_and_charts_have_words(written) -> None:
    text = (written / "report.html").read_text().partition("<script")[0]
    assert text.startswith("<!doctype html>\n<html lang=")
    assert text.count("<h1>") == 1
    assert text.count("<table") == text.count("<caption>")
    assert not re.search(r"<th(?! scope=)[ >]", text)
    charts = re.findall(r'<div class="chart" id="(\w+)" role="img" aria-label="([^"]*)"', text)
    assert len(charts) >= 8
    assert all(len(words) > 20 for _, words in charts)
    assert all(f"tables/{name}.csv" in text for name, _ in charts)
