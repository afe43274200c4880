"""`vct compare` and `vct export summary|adam` on finished runs, hostile words included."""

from __future__ import annotations

import re
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from vct.cli import app
from vct.protocol import load
from vct.report import adam, comparison, write
from vct.report.pdf import summary_pdf
from vct.trial import reopen, run

DOUBLES = Path(__file__).resolve().parents[1] / "doubles"
HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}|*_#"


def vct(*arguments: object):
    return CliRunner().invoke(app, [str(item) for item in arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    """Two finished runs of the same trial: 12 patients, and 30 under a hostile title."""
    sys.path.insert(0, str(DOUBLES))
    from quick import Quick

    sys.path.remove(str(DOUBLES))
    folder, protocol = tmp_path_factory.mktemp("runs"), load(DOUBLES / "quick.yaml")
    arms = (protocol.arms[0], protocol.arms[1].model_copy(update={"description": HOSTILE}))
    larger = protocol.model_copy(update={"sample_size": 30, "title": HOSTILE, "arms": arms})
    for name, one in {"small": protocol, "large": larger}.items():
        write(run(one, Quick(), out=folder / name), folder / name)
    return {name: folder / name for name in ("small", "large")}


class Tags(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def test_runs_are_ranked_by_the_question_asked(runs, tmp_path) -> None:
    said = vct("compare", runs["small"], runs["large"], "--by", "patients", "--out", tmp_path)
    assert said.exit_code == 0, said.output
    table = pd.read_csv(tmp_path / "tables/compare.csv")
    assert list(table["run"]) == ["small", "large"]
    assert list(table["patients"]) == [12, 30]
    vct("compare", runs["small"], runs["large"], "--by", "precision", "--out", tmp_path)
    table = pd.read_csv(tmp_path / "tables/compare.csv")
    assert list(table["half_width"]) == sorted(table["half_width"])
    own = pd.read_csv(runs["small"] / "tables/comparisons.csv").query("source == 'measured' and reference == 'a'")
    row = table.set_index("run").loc["small"]
    assert row["estimate"] == pytest.approx(own["estimate"].iloc[0])
    assert row["p_value"] == pytest.approx(own["p_value"].iloc[0])


def test_the_difference_of_protocols_is_what_differs(runs, tmp_path) -> None:
    vct("compare", runs["small"], runs["large"], "--out", tmp_path)
    table = pd.read_csv(tmp_path / "tables/differences.csv", keep_default_na=False).set_index("setting")
    assert set(table.index) == {"sample_size", "arms.“b b”.description"}
    assert list(table.loc["sample_size"]) == ["12", "30"]


def test_nothing_hostile_reaches_the_comparison_unescaped(runs, tmp_path) -> None:
    vct("compare", runs["small"], runs["large"], "--out", tmp_path)
    text = (tmp_path / "compare.html").read_text()
    assert not {"script", "img"} & set(Tags(text).found)
    assert "&lt;script&gt;alert(1)" in text
    assert "script-src 'none'" in unescape(text)


def test_nothing_hostile_reaches_the_report_unescaped(runs) -> None:
    tags, calm = (Tags((runs[name] / "report.html").read_text()).found for name in ("large", "small"))
    assert "img" not in tags
    assert tags.count("script") == calm.count("script")
    assert "alert(1)&lt;/script&gt;" in (runs["large"] / "report.html").read_text()


def test_bad_orders_and_lone_runs_are_refused(runs, tmp_path) -> None:
    assert "--by speed: must be one of effect" in str(vct("compare", *runs.values(), "--by", "speed").exception)
    assert "two or more" in str(vct("compare", runs["small"]).exception)
    assert "holds no run" in str(vct("compare", runs["small"], tmp_path).exception)


def test_runs_of_one_name_keep_their_paths() -> None:
    assert set(comparison.named([Path("/a/run"), Path("/b/run"), Path("/b/c")])) == {"/a/run", "/b/run", "c"}


def test_the_summary_is_written_as_markdown_and_pdf(runs, tmp_path) -> None:
    pytest.importorskip("typst")
    for name in ("s.md", "s.pdf"):
        assert vct("export", "summary", runs["large"], "--out", tmp_path / name).exit_code == 0
    assert "<" not in (tmp_path / "s.md").read_text()
    pdf = (tmp_path / "s.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert pdf == summary_pdf(reopen(runs["large"]))
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2
    refused = vct("export", "summary", runs["large"], "--out", tmp_path / "s.doc")
    assert "written as .pdf or .md" in str(refused.exception)


def test_adam_is_written_as_csv_and_parquet_and_defined(runs, tmp_path) -> None:
    assert vct("export", "adam", runs["small"], "--out", tmp_path).exit_code == 0
    frames = {path.stem: pd.read_csv(path, keep_default_na=False) for path in tmp_path.glob("*.csv")}
    assert set(frames) == {"adsl", "adtr", "define"}
    define = frames["define"].set_index(["DATASET", "VARIABLE"])
    for name in ("adsl", "adtr"):
        parquet = pd.read_parquet(tmp_path / f"{name}.parquet")
        assert list(parquet.columns) == list(frames[name].columns)
        assert len(parquet) == len(frames[name]) > 0
        assert list(define.loc[name.upper()].index) == list(frames[name].columns)
    assert (frames["define"]["LABEL"].str.len() > 0).all()
    assert frames["define"].query("KEY == 'Y'")["VARIABLE"].unique().tolist() == ["STUDYID", "USUBJID"]


def test_adam_holds_the_readings_and_their_changes(result) -> None:
    sets = adam.data_sets(result)
    assert set(sets) == {"ADSL", "ADTR", "ADRS", "ADTTE", "DEFINE"}
    adtr = sets["ADTR"]
    assert len(adtr) == len(result.readings)
    later = adtr[(adtr["ABLFL"] == "") & adtr["AVAL"].notna() & adtr["BASE"].notna()]
    assert later["CHG"].tolist() == pytest.approx((later["AVAL"] - later["BASE"]).tolist())
    assert adtr.loc[adtr["ABLFL"] == "Y", "CHG"].isna().all()
    assert adtr.groupby("PARAM")["PARAMCD"].nunique().eq(1).all()
    assert adtr["PARAMCD"].str.fullmatch(r"[A-Z][A-Z0-9]{0,7}").all()
    assert adtr["PARAMCD"].nunique() == adtr["PARAM"].nunique()
    assert set(adtr["USUBJID"]) <= set(sets["ADSL"]["USUBJID"])
    assert sets["ADSL"]["USUBJID"].is_unique
    events = {(item.patient, item.event) for item in result.outcomes if item.event is not None}
    assert (sets["ADTTE"]["CNSR"] == 0).sum() == sum(bool(event) for _, event in events)
    assert set(sets["ADRS"]["AVALC"]) <= {"CMR", "PMR", "SMD", "PMD", "NE"}


def test_there_is_no_study_day_zero() -> None:
    assert [adam.study_day(day) for day in (-3.0, -0.5, 0.0, 0.9, 1.0)] == [-3, -1, 1, 1, 2]
