"""The report's answer and tables as Markdown, for mails, issues and pull requests."""

from __future__ import annotations

import html
import re

from vct.records import TrialResult
from vct.report import consort, design, tables, views
from vct.report.answer import sentences
from vct.report.cells import Table
from vct.report.wording import engine_note

_SPECIAL = re.compile(r"([\\`*_\[\]|#~])")


def markdown(result: TrialResult) -> str:
    """The summary; text from the protocol is escaped, so that it stays text."""
    engine = str(result.provenance.get("engine", "unnamed"))
    parts = [
        f"# {escaped(str(result.protocol.get('title') or 'Virtual trial'))}",
        escaped(" ".join(sentences(result))),
        "> **Synthetic data: virtual patients, not for clinical use.** "
        + escaped(f"Images come from the engine “{engine}”: {engine_note(engine)}."),
        "## Design",
        "\n".join(f"- {escaped(term)}: {escaped('; '.join(text))}" for term, text in design.facts(result)),
        *(_table(view) for view in (design.arms(result), design.visits(result)) if view.rows),
        "## Patient flow",
        _table(views.flow(consort.table(consort.flow(result)))),
        "## Patients",
        _table(views.table_one(result)),
    ]
    results = [*views.primary_results(result), *views.secondary_results(result)]
    parts += ["## Results", *map(_table, results)] if results else []
    for title, view in (
        ("Subgroups", views.subgroups(result)),
        ("Readings against the planted truth", views.measurement(result)),
    ):
        parts += [f"## {title}", _table(view)] if view.rows else []
    origin = [f"- {escaped(key)}: {escaped(value)}" for key, value in tables.origin(result)]
    parts += ["## Provenance", "\n".join(origin)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text in which Markdown and HTML mean nothing, on one line."""
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _table(view: Table) -> str:
    rule = ["---" if index < view.left else "---:" for index in range(len(view.head))]
    lines = [f"{escaped(view.caption)} (`tables/{view.csv}.csv`)", "", _line(view.head), f"| {' | '.join(rule)} |"]
    for row in view.rows:
        cells = (f"**{escaped(row.cells[0])}**",) if row.group else tuple(map(_cell, row.cells))
        lines.append(f"| {' | '.join(cells + ('',) * (len(view.head) - len(cells)))} |")
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return ", ".join(escaped(part) for part in text.split("\n"))
