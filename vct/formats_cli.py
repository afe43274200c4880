"""`vct prepare`, `vct fit`: real data in. `vct export`: what `vct` makes, for those with a PACS or a BIDS pipeline.

The command line mounts them with `mount`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vct.formats.exam import Exam
    from vct.training.prepare_study import Outcome

export_app = typer.Typer(no_args_is_help=True, help="the kept scans of a run as DICOM or BIDS")
prepare_app = typer.Typer(no_args_is_help=True, help="real PET/CT made ready for training and fidelity")
fit_app = typer.Typer(no_args_is_help=True, help="parts of a protocol fitted to real data")
RunArgument = Annotated[Path, typer.Argument(help="a run folder with scans (vct run --keep-scans)", metavar="RUN")]
OutOption = Annotated[Path, typer.Option(help="the folder to write; new or empty")]


def mount(app: typer.Typer) -> None:
    """Add the verbs of this file to the command line."""
    app.add_typer(export_app, name="export")
    app.add_typer(prepare_app, name="prepare")
    app.add_typer(fit_app, name="fit")


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


@prepare_app.command()
def autopet(
    source: Annotated[
        Path, typer.Option(help="AutoPET (DICOM, challenge or nnU-Net layout), BIDS, or any DICOM PET/CT")
    ],
    out: Annotated[Path, typer.Option(help="the folder to write; going on with one that was begun is fine")],
    table: Annotated[Path | None, typer.Option(help="CSV or TSV: patient, sex, age, height, weight, diagnosis")] = None,
    segmentations: Annotated[
        Path | None, typer.Option(help="finished organ labels: PATIENT/STUDY.nii.gz, in TotalSegmentator's numbers")
    ] = None,
    segmenter: Annotated[
        str,
        typer.Option(help="auto: TotalSegmentator where installed, else network, the shipped one; none; or a program"),
    ] = "auto",
    resolution: Annotated[float, typer.Option(help="voxel size across in mm: 2 as published, 4, 8 or 16")] = 2.0,
    about: Annotated[
        str, typer.Option(help="what the scans are, and their licence; stands in weights made of them")
    ] = "",
    workers: Annotated[int, typer.Option(help="processes; each needs up to 3 GB", min=1, max=256)] = 1,
) -> None:
    """Read real studies, screen them, crop the torso to the model's 2 mm grid; no name, date or number stays."""
    _needs("pydicom", "highdicom")
    from vct.training.prepare import prepare

    def watch(outcome: Outcome, done: int, total: int) -> None:
        typer.echo(f"{done}/{total} {outcome.id} {'refused: ' + outcome.said if outcome.reason else 'prepared'}")

    found = prepare(
        source,
        out,
        table=table,
        segmentations=segmentations,
        segmenter=segmenter,
        spacing_mm=resolution,
        workers=workers,
        about=about,
        watch=watch,
    )
    typer.echo(f"{found.prepared} prepared: {out}")
    for reason, count in sorted(found.refused.items(), key=lambda item: -item[1]):
        typer.echo(f"{count} refused: {reason}")


@prepare_app.command()
def label(
    folder: Annotated[Path, typer.Argument(help="a prepared or generated folder; labels there stay")],
    segmenter: Annotated[
        str,
        typer.Option(help="auto: TotalSegmentator where installed, else network, the shipped one; none; or a program"),
    ] = "auto",
    segmentations: Annotated[Path | None, typer.Option(help="finished organ labels: ID.nii.gz")] = None,
) -> None:
    """Label the organs of scans that have no labels, and write what they measure to FOLDER/organs.csv."""
    from vct.training.label import label_folder

    for name in label_folder(folder, segmenter, segmentations):
        typer.echo(str(folder / name))


@prepare_app.command()
def split(
    folder: Annotated[Path, typer.Argument(help="a prepared folder")],
    test: Annotated[int, typer.Option(help="scans to keep for testing; 200 as published", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="of the draw of patients", min=0)] = 0,
) -> None:
    """Split a prepared folder by patient into FOLDER/train and FOLDER/test (links, no copies)."""
    from vct.training.paper import split_by_patient

    train, kept = split_by_patient(folder, test, seed)
    typer.echo(f"{train} scans: {folder / 'train'}; {kept} scans: {folder / 'test'}")


@prepare_app.command()
def twins(
    folder: Annotated[Path, typer.Argument(help="whose sex, age, height and weight to take: FOLDER/test of a split")],
    out: Annotated[Path, typer.Option(help="the folder to write; scans that are there already stay")],
    engine: Annotated[str, typer.Option(help="what makes the scans: phantom, atlas:DIR, cascade:WEIGHTS")],
    resolution: Annotated[float, typer.Option(help="voxel size in mm", min=1.0, max=16.0)] = 4.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(help="processes", min=1, max=1024)] = 1,
    batch: Annotated[int, typer.Option(help="scans at once on a GPU", min=1, max=1024)] = 1,
    sampler: Annotated[
        str, typer.Option(help="of the cascade: default, or published: Heun with 100 steps")
    ] = "default",
) -> None:
    """Generate a scan for the demographics of every scan of a folder: the published protocol's synthetic arm."""
    from vct.engine import make
    from vct.engine.cascade.door import load as cascade
    from vct.errors import InputError, one_of
    from vct.training.folder import read_table
    from vct.training.population import Order, sample

    one_of("--sampler", sampler, ("default", "published"))
    name, _, weights = engine.partition(":")
    if sampler == "default":
        maker = make(engine, resolution)
    elif name == "cascade":
        maker = cascade(Path(weights) if weights else None, resolution, sampler)
    else:
        raise InputError(f"--sampler is of the cascade (--engine is {engine!r})")
    about = getattr(maker, "about", "") or f"synthetic scans by {maker.name} for the demographics of another folder"
    order = Order(engine=maker, out=out, seed=seed, about=about)
    for name in sample(order, read_table(folder), workers, batch):
        typer.echo(str(out / name))


@fit_app.callback()
def _fit() -> None:
    pass


@fit_app.command()
def course(
    folder: Annotated[Path, typer.Argument(help="a prepared folder: pet, labels and lesions of every scan")],
    out: Annotated[Path, typer.Option(help="the YAML fragment to write: `course:` of a protocol")],
    fwhm: Annotated[float, typer.Option(help="resolution of the scanner in mm; 0: do not correct uptake", min=0)] = 5.7,
    table: Annotated[Path | None, typer.Option(help="also write the lesions to this CSV file")] = None,
) -> None:
    """Read lesion masks as lesions (organ, size, uptake) and fit a course's disease to them."""
    from dataclasses import asdict

    import pandas as pd

    from vct.files import write_aside
    from vct.training.fit_course import as_yaml, fit_course
    from vct.training.folder import read_about
    from vct.training.lesions import seen_in_folder

    lesions, scans = seen_in_folder(folder)
    if table:
        seen = pd.DataFrame([asdict(lesion) for lesion in lesions]).drop(columns="log_axis_ratios", errors="ignore")
        write_aside(table, seen.to_csv(index=False, lineterminator="\n", float_format="%.4g").encode())
    fitted = fit_course(lesions, scans, fwhm, " ".join(read_about(folder).split()))
    write_aside(out, as_yaml(fitted).encode())
    typer.echo(f"{len(lesions)} lesions in {scans} scans: {out}")


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
