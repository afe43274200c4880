"""The verbs of `vct`. Heavy imports stay inside them, so that `vct --help` is instant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from vct import (
    __version__,
    atlas_cli,
    cascade_cli,
    cluster_cli,
    design_cli,
    formats_cli,
    measure_cli,
    report_cli,
    rule_cli,
)
from vct.devices import cores
from vct.errors import VctError
from vct.options import DEFAULT_ENGINE, EngineOption, ProtocolArgument, ResolutionOption, SeedOption, WorkersOption

app = typer.Typer(
    help="Virtual clinical trials of FDG PET/CT. Simulated patients only; not for clinical use.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TogetherOption = Annotated[int, typer.Option(help="scans made at once, by engines that can", min=1, max=4096)]
KeepScansOption = Annotated[
    str,
    typer.Option(help="whose scans to keep as NIfTI: none, all, so many patients (20), 5/arm, or a size (50GB)"),
]


def main() -> None:
    """Entry point: errors that a user can mend are printed without a traceback."""
    try:
        app()
    except VctError as error:
        _fail(error)


formats_cli.mount(app)
report_cli.mount(app, formats_cli.export_app)
app.add_typer(atlas_cli.app, name="atlas")
app.command()(atlas_cli.fidelity)
for verb in (cluster_cli.status, cluster_cli.merge, cluster_cli.doctor):
    app.command()(verb)
app.command()(measure_cli.nema)
app.command()(measure_cli.decompose)
cascade_cli.mount(app)
app.command()(design_cli.power)
app.command()(design_cli.search)
app.command()(rule_cli.design)


@app.command()
def run(
    protocol: ProtocolArgument,
    out: Annotated[Path, typer.Option(help="the run folder to write")],
    engine: EngineOption = DEFAULT_ENGINE,
    resolution: ResolutionOption = 4.0,
    seed: SeedOption = None,
    workers: WorkersOption = 0,
    cluster: Annotated[
        str | None, typer.Option(help="instead of --workers: a Dask scheduler's address, or a cluster file")
    ] = None,
    shard: Annotated[str | None, typer.Option(help="do part K of N only, as K/N; then vct merge")] = None,
    together: TogetherOption = 1,
    resume: Annotated[bool, typer.Option("--resume", help="go on with a run that was stopped")] = False,
    keep_scans: KeepScansOption = "none",
) -> None:
    """Run a trial and write its report."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from vct import trial
    from vct.cluster import load_cluster
    from vct.engine import make
    from vct.interrupt import stop_on_signal
    from vct.protocol import load

    part = cluster_cli.parse_shard(shard)
    parsed, maker = load(protocol), make(engine, resolution)
    place = load_cluster(cluster) if cluster else None
    with (
        Progress("patients", BarColumn(), MofNCompleteColumn(), "left", TimeRemainingColumn()) as progress,
        stop_on_signal(progress.console.print) as stop,
    ):
        task = progress.add_task("", total=None)
        how: dict[str, Any] = {
            "seed": seed,
            "out": out,
            "keep_scans": keep_scans,
            "together": together,
            "workers": workers or cores(),
            "cluster": place,
            "watch": lambda done, total: progress.update(task, completed=done, total=total),
            "stop": stop,
        }
        if part:
            done = trial.run_shard(part, parsed, maker, **how)
        else:
            result = trial.run(parsed, maker, resume=resume, **how)
    if part:
        typer.echo(f"Shard {part}: {done} patients done; vct merge {out} when all shards are")
    else:
        cluster_cli.conclude(result, out)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="a finished run folder", metavar="RUN")],
    study: Annotated[list[Path] | None, typer.Option(help="folder of `vct power` or `vct decompose` to join")] = None,
) -> None:
    """Write the report and the tables of a finished run again."""
    from vct import trial

    cluster_cli.conclude(trial.reopen(folder), folder, study)


@app.command()
def check(
    protocol: ProtocolArgument,
    engine: EngineOption = DEFAULT_ENGINE,
    resolution: ResolutionOption = 4.0,
    seed: SeedOption = None,
    workers: WorkersOption = 0,
    together: TogetherOption = 1,
    keep_scans: KeepScansOption = "none",
) -> None:
    """Validate a protocol; print its plan and what it will cost. Nothing is written."""
    from rich.console import Console

    from vct.engine import make
    from vct.preview import plan_table
    from vct.protocol import load
    from vct.trial import plan_of

    plan = plan_of(load(protocol), make(engine, resolution), seed=seed, keep_scans=keep_scans, together=together)
    Console().print(plan_table(plan, workers or cores()))


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
                f"  {sign} {check.design}, {check.quantity}: expected {check.expected:.7g}, is {check.actual:.7g} "
                f"(allowed: {check.tolerance:g} off)"
            )
    off = sum(not check.ok for check in checks)
    typer.echo(f"{len(checks)} numbers, {off} off")
    raise typer.Exit(0 if passed(checks) else 1)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    if version:
        typer.echo(f"vct {__version__}")
        raise typer.Exit


def _fail(error: VctError) -> NoReturn:
    typer.echo(f"vct: {error}", err=True)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
