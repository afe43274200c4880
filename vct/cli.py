"""The verbs of `vct`. Heavy imports stay inside them, so that `vct --help` is instant."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from vct import __version__, atlas_cli, cascade_cli, formats_cli, measure_cli
from vct.errors import VctError
from vct.shipped import DEFAULT_ENGINE

app = typer.Typer(
    help="Virtual clinical trials of FDG PET/CT. Simulated patients only; not for clinical use.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ProtocolArgument = Annotated[
    str, typer.Argument(help="a protocol file, or the name of a shipped one", metavar="PROTOCOL")
]
EngineOption = Annotated[str, typer.Option(help="what makes the scans: phantom, atlas:DIR, cascade, cascade:DIR")]
ResolutionOption = Annotated[float, typer.Option(help="voxel size of the engine's scans in mm", min=1.0, max=16.0)]
SeedOption = Annotated[int | None, typer.Option(help="instead of the protocol's seed", min=0)]


def main() -> None:
    """Entry point: errors that a user can mend are printed without a traceback."""
    try:
        app()
    except VctError as error:
        _fail(error)


formats_cli.mount(app)
app.add_typer(atlas_cli.app, name="atlas")
app.command()(atlas_cli.fidelity)
app.command()(measure_cli.nema)
cascade_cli.mount(app)


@app.command()
def run(
    protocol: ProtocolArgument,
    out: Annotated[Path, typer.Option(help="the run folder to write")],
    engine: EngineOption = DEFAULT_ENGINE,
    resolution: ResolutionOption = 4.0,
    seed: SeedOption = None,
    workers: Annotated[int, typer.Option(help="processes; 0 takes every core", min=0, max=1024)] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="go on with a run that was stopped")] = False,
    keep_scans: Annotated[
        str, typer.Option(help="scans to keep as NIfTI: none, all, or of how many patients")
    ] = "none",
) -> None:
    """Run a trial and write its report."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from vct import trial
    from vct.engine import make
    from vct.protocol import load

    parsed = load(protocol)
    maker = make(engine, resolution)
    kept = _kept(keep_scans, parsed.sample_size * len(parsed.arms))
    with Progress("patients", BarColumn(), MofNCompleteColumn(), "left", TimeRemainingColumn()) as progress:
        task = progress.add_task("", total=None)
        result = trial.run(
            parsed,
            maker,
            seed=seed,
            out=out,
            resume=resume,
            keep_scans=kept,
            workers=workers or _cores(),
            watch=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _write_report(result, out)


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="a finished run folder")]) -> None:
    """Write the report and the tables of a finished run again."""
    from vct import trial

    _write_report(trial.reopen(folder), folder)


@app.command()
def check(
    protocol: ProtocolArgument,
    engine: EngineOption = DEFAULT_ENGINE,
    resolution: ResolutionOption = 4.0,
    workers: Annotated[int, typer.Option(help="processes; 0 takes every core", min=0, max=1024)] = 0,
) -> None:
    """Validate a protocol; print its plan and what it will cost. Nothing is written."""
    from rich.console import Console

    from vct.engine import make
    from vct.preview import plan_table
    from vct.protocol import load

    Console().print(plan_table(load(protocol), make(engine, resolution), workers or _cores()))


@app.command()
def cohort(
    name: Annotated[str, typer.Argument(help="a cohort file, or the name of a shipped one", metavar="COHORT")],
    number: Annotated[int, typer.Option("-n", "--number", help="patients to draw", min=1, max=1_000_000)] = 1000,
    out: Annotated[Path | None, typer.Option(help="write the patients to this CSV file")] = None,
    seed: Annotated[int, typer.Option(help="seed of the draw", min=0)] = 0,
) -> None:
    """Draw patients from a cohort; show their distributions beside the cohort's targets."""
    from rich.console import Console

    from vct.cohort import against_target, draw, load_population
    from vct.files import write_aside
    from vct.preview import frame_table

    population = load_population(name)
    patients = draw(population, number, seed)
    Console().print(frame_table(population.title, against_target(population, patients).drop(columns="n")))
    if out:
        write_aside(out, patients.to_csv(index=False, lineterminator="\n").encode())
        typer.echo(f"{number} patients: {out}")


@app.command()
def schema(out: Annotated[Path, typer.Option(help="folder for the two schema files")] = Path("schemas")) -> None:
    """Write the JSON Schemas that editors use to complete and check protocols and cohorts."""
    from vct.files import write_aside
    from vct.schema import SCHEMAS, as_bytes

    for name, make_schema in SCHEMAS.items():
        write_aside(out / name, as_bytes(make_schema()))
        typer.echo(str(out / name))


@app.command()
def verify() -> None:
    """Recompute every anchored number of the statistics; the exit code is 1 if one is off."""
    from itertools import groupby

    from vct.stats.verify import passed
    from vct.stats.verify import verify as recompute

    checks = recompute()
    for (source, checked), found in groupby(checks, key=lambda check: (check.source, check.checked)):
        typer.echo(f"{source} ({checked})")
        for check in found:
            sign = "ok " if check.ok else "OFF"
            typer.echo(
                f"  {sign} {check.design}, {check.quantity}: expected {check.expected:.7g}, is {check.actual:.7g}"
            )
    off = sum(not check.ok for check in checks)
    typer.echo(f"{len(checks)} numbers, {off} off")
    raise typer.Exit(0 if passed(checks) else 1)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    if version:
        typer.echo(f"vct {__version__}")
        raise typer.Exit


def _write_report(result: Any, out: Path) -> None:
    from vct.report import pictures_in, write

    page = write(result, out, pictures_in(out, result.enrolment.patients))
    typer.echo(f"Report: {page}")


def _kept(text: str, patients: int) -> int:
    if text in ("none", "all"):
        return 0 if text == "none" else patients
    if text.isdecimal() and len(text) < 10:
        return int(text)
    raise typer.BadParameter("must be none, all or a number of patients", param_hint="--keep-scans")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _fail(error: VctError) -> NoReturn:
    typer.echo(f"vct: {error}", err=True)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
