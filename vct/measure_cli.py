"""`vct nema` and `vct decompose`: what a scanner does to a known object, and where a trial's variance comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vct.options import DEFAULT_ENGINE, EngineOption, ProtocolArgument, ResolutionOption, SeedOption


def nema(
    scanner: Annotated[
        str, typer.Argument(help="a scanner's kind, such as biograph_mct; 'all' for every preset")
    ] = "all",
    harmonised: Annotated[str, typer.Option(help="earl_1, earl_2, or none")] = "none",
    minutes: Annotated[float, typer.Option(help="scan time; 0: without noise", min=0.0, max=60.0)] = 10.0,
    repeats: Annotated[int, typer.Option(help="scans to average over", min=1, max=1000)] = 5,
    spacing_mm: Annotated[float, typer.Option(help="voxel size", min=1.0, max=5.0)] = 2.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="folder for nema.csv and nema.svg")] = None,
) -> None:
    """Scan the NEMA image-quality phantom: recovery of its spheres, noise, EARL's bands."""
    from vct.files import write_aside
    from vct.nema_report import chart_svg, frame, lines, scanners_named

    table = frame(
        scanners_named(scanner, harmonised), minutes=minutes, repeats=repeats, spacing_mm=spacing_mm, seed=seed
    )
    for line in lines(table):
        typer.echo(line)
    if out:
        write_aside(out / "nema.csv", table.to_csv(index=False, lineterminator="\n").encode())
        write_aside(out / "nema.svg", chart_svg(table).encode())
        typer.echo(str(out))


def decompose(
    protocol: ProtocolArgument,
    endpoint: Annotated[str, typer.Option(help="name of a numeric endpoint")],
    visit: Annotated[str | None, typer.Option(help="the visit; the endpoint's last when left out")] = None,
    patients: Annotated[int, typer.Option(help="patients to simulate", min=4, max=100_000)] = 60,
    effect: Annotated[float | None, typer.Option(help="difference between arms, for the cost in patients")] = None,
    engine: EngineOption = DEFAULT_ENGINE,
    resolution: ResolutionOption = 4.0,
    workers: Annotated[int, typer.Option(help="processes", min=1, max=1024)] = 1,
    seed: SeedOption = None,
    out: Annotated[Path | None, typer.Option(help="folder for decompose.csv; a run folder's report draws it")] = None,
) -> None:
    """Split an endpoint's variance into biology, physiology, noise, scanner, reader and target choice."""
    from dataclasses import asdict

    import pandas as pd

    from vct.decompose import decompose as split
    from vct.engine import make
    from vct.files import write_aside
    from vct.protocol import load

    parts = split(
        load(protocol),
        make(engine, resolution),
        endpoint,
        visit=visit,
        patients=patients,
        seed=seed,
        effect=effect,
        workers=workers,
    )
    typer.echo(f"{endpoint}, {patients} patients")
    typer.echo(f"  {'source':22s} {'variance':>10s} {'MC SE':>10s} {'share':>7s} {'patients':>9s}")
    for part in parts:
        cost = "" if part.patients_cost is None else f"{part.patients_cost:9.1f}"
        typer.echo(f"  {part.source:22s} {part.variance:10.4g} {part.mc_se:10.3g} {100 * part.share:6.1f}% {cost}")
    if out:
        table = pd.DataFrame([asdict(part) for part in parts])
        write_aside(out / "decompose.csv", table.to_csv(index=False, lineterminator="\n").encode())
        typer.echo(str(out / "decompose.csv"))
