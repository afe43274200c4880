"""Arguments and options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

from vct.shipped import DEFAULT_ENGINE as DEFAULT_ENGINE

ProtocolArgument = Annotated[
    str, typer.Argument(help="a protocol file, or the name of a shipped one", metavar="PROTOCOL")
]
EngineOption = Annotated[
    str, typer.Option(help="what makes the scans: cascade, cascade:WEIGHTS, atlas:DIR, or the quick phantom")
]
ResolutionOption = Annotated[float, typer.Option(help="voxel size of the engine's scans in mm", min=1.0, max=16.0)]
WorkersOption = Annotated[int, typer.Option(help="processes; 0 takes every core", min=0, max=1024)]
SeedOption = Annotated[int | None, typer.Option(help="instead of the protocol's seed", min=0)]
