"""`vct nema` and `vct decompose`: what a scanner does to a known object, and where a trial's variance comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
