"""What `vct check` and `vct cohort` print: a trial's plan and its cost, a cohort beside its targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from vct.cost import measured, predicted
from vct.progress import clock, size
from vct.report.cells import Table as CellTable
from vct.trial import Plan

if TYPE_CHECKING:
    import pandas as pd


def plan_table(plan: Plan, workers: int) -> Table:
    """The plan of a trial, and its cost from one patient simulated here; nothing stays on disk."""
    protocol, enrolment = plan.protocol, plan.enrolment
    rates = measured(plan)
    cost = predicted(plan, rates, workers)
    kept = f", scans of {cost.kept_patients} patients at {size(rates.scan_bytes)}" if cost.kept_patients else ""
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
        ("engine", plan.engine.name),
        ("scans", f"{cost.scans} of {len(enrolment.attendance)} planned (the rest missed, failed or after dropout)"),
        ("time", f"about {clock(cost.seconds)} with {cost.processes} processes ({rates.seconds:.1f} s a scan)"),
        ("memory", f"about {size(cost.memory_bytes)} ({size(rates.memory_bytes)} a process)"),
        ("disk", f"about {size(cost.disk_bytes)} (tables of {size(rates.table_bytes)} a patient{kept})"),
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


def cells_table(view: CellTable) -> Table:
    """A table of the report for the terminal; nothing in a cell is taken as markup."""
    table = Table(title=Text(view.caption), title_justify="left")
    for index, name in enumerate(view.head):
        table.add_column(Text(name), justify="left" if index < view.left else "right")
    for row in view.rows:
        table.add_row(*(Text(cell) for cell in row.cells))
    return table


def _cell(value: Any) -> str:
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    return "" if text in ("<NA>", "nan") else text
