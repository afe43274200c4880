"""`vct export`: what `vct` makes, for those with a PACS or a BIDS pipeline.

The command line mounts them with `mount`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vct.formats.exam import Exam

export_app = typer.Typer(no_args_is_help=True, help="the kept scans of a run as DICOM or BIDS")
RunArgument = Annotated[Path, typer.Argument(help="a run folder with scans (vct run --keep-scans)", metavar="RUN")]
OutOption = Annotated[Path, typer.Option(help="the folder to write; new or empty")]


def mount(app: typer.Typer) -> None:
    """Add the verbs of this file to the command line."""
    app.add_typer(export_app, name="export")


@export_app.command()
def bids(run: RunArgument, out: OutOption) -> None:
    """Write a BIDS dataset: PET in Bq/mL with sidecars, CT, participants; SUV and segmentations as derivatives."""
    from vct.formats.bids import write_bids
    from vct.store import RunFolder

    title = str(RunFolder(run).manifest()["protocol"].get("title", "virtual trial"))
    written = write_bids(_told(run), _fresh(out), title)
    typer.echo(f"{len(written)} files: {out}")


@export_app.command()
def dicom(
    run: RunArgument,
    out: OutOption,
    send: Annotated[str | None, typer.Option(help="also store at this archive by C-STORE", metavar="HOST:PORT")] = None,
    aet: Annotated[str, typer.Option(help="the archive's AE title")] = "ANY-SCP",
    calling_aet: Annotated[str, typer.Option(help="our AE title")] = "VCT",
) -> None:
    """Write PET and CT series, organ and lesion SEG and a TID 1500 report; with --send, store them at a PACS."""
    _needs("pydicom", "highdicom")
    from vct.formats.dicom_export import write_dicom
    from vct.formats.dicom_send import Archive
    from vct.formats.dicom_send import send as store

    archive = Archive.parsed(send, aet, calling_aet) if send else None
    root, count, stored = _fresh(out), 0, 0
    for exam in _told(run):
        files = write_dicom(exam, root / exam.key / exam.visit.name)
        count += len(files)
        if archive:
            stored += store(files, archive)
    typer.echo(f"{count} files: {out}" + (f"; {stored} stored at {send}" if archive else ""))


def _told(run: Path) -> Iterator[Exam]:
    from vct.export import exams

    for exam in exams(run):
        typer.echo(f"{exam.key} {exam.visit.name}")
        yield exam


def _fresh(out: Path) -> Path:
    """The folder to write. Raises InputError when it holds something."""
    from vct.errors import InputError

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: must be new or empty")
    return out


def _needs(*modules: str) -> None:
    """Raise InputError where an optional package is not installed."""
    from importlib.util import find_spec

    from vct.errors import InputError

    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise InputError(f"{missing[0]} is not installed; pip install 'vct[formats]'")
