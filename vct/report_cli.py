"""`vct compare`, `vct view`, `vct export summary` and `vct export adam`: what is made of finished runs.

The command line mounts them with `mount`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vct.options import DEFAULT_ENGINE

if TYPE_CHECKING:
    from vct.records import TrialResult

RunArgument = Annotated[Path, typer.Argument(help="a finished run folder", metavar="RUN")]


def mount(app: typer.Typer, export_app: typer.Typer) -> None:
    """Add the verbs of this file to the command line, and to its `export`."""
    app.command()(compare)
    app.command()(view)
    export_app.command()(summary)
    export_app.command()(adam)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="two or more finished run folders", metavar="RUN...")],
    by: Annotated[
        str, typer.Option(help="effect, bias, precision, measurement, p, power, patients or scans")
    ] = "precision",
    out: Annotated[Path | None, typer.Option(help="folder for compare.html and its tables")] = None,
) -> None:
    """Hold finished runs side by side: what differs between their protocols, and which answers best."""
    from rich.console import Console

    from vct.errors import InputError
    from vct.files import write_aside
    from vct.preview import cells_table
    from vct.report import comparison
    from vct.report.companions import companions
    from vct.report.tables import to_csv
    from vct.trial import reopen

    if len(runs) < 2:
        raise InputError("compare needs two or more run folders")
    scenarios = [
        comparison.Scenario(name, reopen(folder), companions(folder).get("power"))
        for name, folder in comparison.named(runs).items()
    ]
    ranked, differing = comparison.side_by_side(scenarios, by), comparison.differences(scenarios)
    Console().print(cells_table(comparison.ranking_table(ranked, by)))
    Console().print(cells_table(comparison.differences_table(differing)))
    if out:
        write_aside(out / "tables" / "compare.csv", to_csv(ranked))
        write_aside(out / "tables" / "differences.csv", to_csv(differing))
        write_aside(out / "compare.html", comparison.html(ranked, differing, by).encode())
        typer.echo(f"Comparison: {out / 'compare.html'}")


def view(
    run: RunArgument,
    patients: Annotated[list[str], typer.Argument(help="ids of patients, such as P0007", metavar="PATIENT...")],
    engine: Annotated[str, typer.Option(help="the engine of the run, as `vct run` was given it")] = DEFAULT_ENGINE,
    resolution: Annotated[float, typer.Option(help="its voxel size in mm", min=1.0, max=16.0)] = 4.0,
) -> None:
    """Simulate chosen patients of a finished run again and add their viewers to its report."""
    from vct import trial
    from vct.engine import make

    result = trial.picture(run, patients, make(engine, resolution))
    write_report(result, run)


def summary(
    run: RunArgument, out: Annotated[Path, typer.Option(help="the file to write: .pdf (needs the extra pdf) or .md")]
) -> None:
    """Write the summary of a run as PDF or Markdown."""
    from vct.errors import InputError
    from vct.files import write_aside
    from vct.report import pdf
    from vct.report import summary as markdown
    from vct.trial import reopen

    if out.suffix not in (".pdf", ".md"):
        raise InputError(f"{out}: the summary is written as .pdf or .md")
    result = reopen(run)
    write_aside(out, pdf.summary_pdf(result) if out.suffix == ".pdf" else markdown.markdown(result).encode())
    typer.echo(str(out))


def adam(run: RunArgument, out: Annotated[Path, typer.Option(help="the folder to write")]) -> None:
    """Write analysis data sets in the manner of ADaM (ADSL, ADTR, ADRS, ADTTE) as CSV and Parquet, with DEFINE."""
    from vct.report.adam import write_data_sets
    from vct.trial import reopen

    for path in write_data_sets(reopen(run), out):
        typer.echo(str(path))


def write_report(result: TrialResult, out: Path, studies: list[Path] | None = None) -> None:
    """Write a run's report; `studies` are folders of `vct power` and `vct decompose` whose tables join it."""
    from vct.report import pictures_in, write
    from vct.report.companions import adopt

    adopt(out, studies or ())
    page = write(result, out, pictures_in(out, result.enrolment.patients))
    typer.echo(f"Report: {page}")
