"""The summary as PDF, set by Typst: the answer, the tables and the charts. Needs the extra `pdf`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vct.errors import InputError
from vct.records import TrialResult
from vct.report import charts, consort, views
from vct.report.answer import sentences
from vct.report.cells import Table
from vct.report.html import TEMPLATES
from vct.report.page import title_of
from vct.report.wording import engine_note

WIDTH, HEIGHT = 640, 260


def summary_pdf(result: TrialResult) -> bytes:
    """The summary, the same bytes for the same result. Raises InputError when Typst is not installed."""
    try:
        import typst
    except ImportError:
        raise InputError("a PDF needs the package typst: pip install 'vct[pdf]'") from None
    engine = str(result.provenance.get("engine", "unnamed"))
    figures = [figure for chart in charts.OF_A_TRIAL if (figure := chart(result))]
    tables = [views.table_one(result), *views.primary_results(result), *views.secondary_results(result)]
    tables += [views.flow(consort.table(consort.flow(result))), views.measurement(result)]
    with TemporaryDirectory() as folder:
        drawn = [_drawn(figure, Path(folder)) for figure in figures]
        content = {
            "title": title_of(result),
            "answer": sentences(result),
            "engine": f"Images come from the engine “{engine}”: {engine_note(engine)}.",
            "tables": [_table(view) for view in tables if view.rows],
            "figures": drawn,
        }
        (Path(folder) / "summary.typ").write_bytes((TEMPLATES / "summary.typ").read_bytes())
        (Path(folder) / "content.json").write_text(json.dumps(content))
        made: bytes = typst.compile(str(Path(folder) / "summary.typ"), root=folder, ignore_system_fonts=True)
    return made


def _drawn(figure: charts.Figure, folder: Path) -> dict[str, str]:
    import vl_convert

    spec = {**figure.spec, "width": WIDTH, "height": min(figure.spec.get("height", HEIGHT), 420), "background": "white"}
    spec["$schema"] = "https://vega.github.io/schema/vega-lite/v5.json"
    (folder / f"{figure.name}.svg").write_text(vl_convert.vegalite_to_svg(spec))
    colours = "; ".join(f"{legend.title}: {', '.join(name for name, _ in legend.entries)}" for legend in figure.legends)
    return {
        "file": f"{figure.name}.svg",
        "title": figure.title,
        "caption": f"{figure.caption} {colours}".strip(),
        "alt": figure.alt,
        "legends": json.dumps([entry for legend in figure.legends for entry in legend.entries]),
    }


def _table(view: Table) -> dict[str, Any]:
    def padded(cells: Sequence[str]) -> list[str]:
        return [*cells, *[""] * (len(view.head) - len(cells))]

    rows = [{"group": row.group, "cells": padded(row.cells)} for row in view.rows]
    return {
        "caption": view.caption,
        "csv": f"tables/{view.csv}.csv",
        "head": list(view.head),
        "rows": rows,
        "left": view.left,
    }
