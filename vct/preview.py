"""What `vct check` and `vct cohort` print: a trial's plan and its cost, a cohort beside its targets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from vct.engine.base import Engine
from vct.protocol import Protocol
from vct.report.cells import Table as CellTable
from vct.trial import enrol_patients, walk_of

if TYPE_CHECKING:
    import pandas as pd

START_UP_S = 3.0
"""Seconds that a worker process needs before its first patient: imports (measured, 2 cores)."""


def plan_table(protocol: Protocol, engine: Engine, workers: int) -> Table:
    """The plan of a trial, and its cost from one patient simulated here; nothing is written."""
    enrolment = enrol_patients(protocol, protocol.seed)
    scans = sum(item.status == "done" for item in enrolment.attendance)
    seconds = _seconds_per_scan(protocol, engine)
    busy = min(workers, len(enrolment.patients))
    table = Table(title=protocol.title, show_header=False)
    names = protocol.names()
    for label, value in (
        ("arms", " : ".join(f"{arm.name} ({arm.ratio})" for arm in protocol.arms)),
        ("patients", f"{len(enrolment.patients)} of {enrolment.n_screened} screened in {protocol.cohort.title}"),
        ("visits", ", ".join(f"{visit.name} (day {visit.day:g})" for visit in protocol.visits)),
        ("readouts", ", ".join(names["readouts"])),
        ("endpoints", ", ".join(names["endpoints"]) or "none"),
        (
            "analyses",
            ", ".join(f"{getattr(item, 'kind', type(item).__name__)} of {item.endpoint}" for item in protocol.analyses)
            or "none",
        ),
        ("engine", engine.name),
        ("scans", f"{scans} of {len(enrolment.attendance)} planned (the rest missed, failed or after dropout)"),
        ("time", f"about {_clock(scans * seconds / busy + START_UP_S)} with {busy} processes ({seconds:.1f} s a scan)"),
    ):
        table.add_row(label, value)
    return table


def frame_table(title: str, frame: pd.DataFrame) -> Table:
    """A data frame for the terminal; missing cells stay empty."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in frame.columns:
        table.add_column(str(name), justify="left" if frame[name].dtype.kind in "OSU" else "right", no_wrap=True)
    for row in frame.itertuples(index=False):
        table.add_row(*(_cell(value) for value in row))
    return table


def _seconds_per_scan(protocol: Protocol, engine: Engine) -> float:
    enrolment = enrol_patients(protocol, protocol.seed)
    walk = walk_of(protocol, engine, protocol.seed, enrolment)
    patient = next((patient for patient in enrolment.patients if walk.visits[patient.id, patient.arm]), None)
    if patient is None:
        return 0.0
    walk(patient)
    begun = time.perf_counter()
    walk(patient)
    return (time.perf_counter() - begun) / len(walk.visits[patient.id, patient.arm])


def cells_table(view: CellTable) -> Table:
    """A table of the report for the terminal; nothing in a cell is taken as markup."""
    table = Table(title=Text(view.caption), title_justify="left")
    for index, name in enumerate(view.head):
        table.add_column(Text(name), justify="left" if index < view.left else "right")
    for row in view.rows:
        table.add_row(*(Text(cell) for cell in row.cells))
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _cell(value: Any) -> str:
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    return "" if text in ("<NA>", "nan") else text
