"""`vct atlas` and `vct fidelity`: make an atlas, paint people from it, look at them, hold populations side by side.

The command line mounts `app` with `add_typer(app, name="atlas")` and `fidelity` with `command()`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vct.errors import one_of

app = typer.Typer(no_args_is_help=True, help="the virtual population: real organs in fitted bodies")
AtlasFolder = Annotated[Path, typer.Argument(help="an atlas folder, made by `vct atlas build`")]
Out = Annotated[Path, typer.Option(help="where to write")]


@app.command()
def template(
    meshes: Annotated[Path, typer.Option(help="folder of surface meshes (Wavefront OBJ, mm), e.g. BodyParts3D's")],
    table: Annotated[Path, typer.Option(help="CSV: layer (frame, organs, arms), file, tissue; painted in its order")],
    out: Out,
    axes: Annotated[str, typer.Option(help="where the meshes' x, y, z grow to: LPS (BodyParts3D) or RAS")] = "LPS",
    stature_cm: Annotated[float, typer.Option(min=100.0, max=230.0, help="the donor's height")] = 172.6,
    spacing_mm: Annotated[float, typer.Option(min=1.0, max=6.0, help="voxel size")] = 2.0,
) -> None:
    """Make a frame template, what `vct atlas build` needs beside organ maps, from surface meshes of one adult."""
    from vct.engine.atlas.meshes import make_template

    counts = make_template(meshes, table, out, axes, stature_cm, spacing_mm)
    for tissue, voxels in counts.items():
        typer.echo(f"{tissue:16} {voxels * spacing_mm**3 / 1000.0:10.0f} ml")
    typer.echo(f"{out}: three layers for `vct atlas build --template`")


@app.command()
def build(
    organs: Annotated[Path, typer.Option(help="folder of organ label maps (NIfTI)")],
    table: Annotated[Path, typer.Option(help="CSV with the columns file, sex, age_years")],
    template: Annotated[Path, typer.Option(help="folder of the frame template (three NIfTI layers)")],
    out: Out,
    naming: Annotated[str, typer.Option(help="label numbers: autopet or totalsegmentator")] = "autopet",
    seed: Annotated[int, typer.Option(min=0, help="for the cases' imputed heights and weights")] = 0,
) -> None:
    """Screen real organ maps and pack them with the frame template into an atlas folder."""
    from vct.engine.atlas.build import build as run

    summary = run(organs, table, template, out, naming, seed)
    typer.echo(f"{out}: {summary['n_cases']} cases, {summary['n_refused']} refused (see refused.csv)")


@app.command()
def sample(
    atlas: AtlasFolder,
    out: Out,
    n: Annotated[int, typer.Option("-n", min=1, help="patients to draw")] = 1,
    sex: Annotated[
        str | None, typer.Option(help="F or M, with --age, --height-cm and --weight-kg: one given patient")
    ] = None,
    age: Annotated[float, typer.Option(min=18, max=100)] = 60.0,
    height_cm: Annotated[float, typer.Option(min=130, max=215)] = 170.0,
    weight_kg: Annotated[float, typer.Option(min=35, max=220)] = 75.0,
    resolution: Annotated[float, typer.Option(help="voxel size in mm: 2, 4 or 8")] = 4.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=1, max=256)] = 1,
    keep_scans: Annotated[bool, typer.Option(help="write CT, PET and labels, or organ numbers only")] = True,
    noise_cov: Annotated[
        float, typer.Option(help="counting noise of the PET: coefficient of variation in the liver", min=0.0, max=1.0)
    ] = 0.07,
) -> None:
    """Paint virtual patients: AutoPET's sex and age with US body sizes, or one patient of given demographics."""
    from vct.engine.atlas import Atlas
    from vct.training.population import Order, draw_patients, named_patients
    from vct.training.population import sample as run

    if sex is None:
        patients = draw_patients(atlas, n, seed)
    else:
        one_of("--sex", sex, ("F", "M"))
        patients = named_patients(n, sex=sex, age_years=age, height_cm=height_cm, weight_kg=weight_kg)
    engine = Atlas(folder=atlas, spacing_mm=resolution, noise_cov=noise_cov)
    order = Order(engine=engine, out=out, seed=seed, keep_scans=keep_scans)
    for name in run(order, patients, workers):
        typer.echo(name)


@app.command()
def plan(
    atlas: AtlasFolder,
    out: Annotated[Path, typer.Option(help="the table to write, as `vct train anatomy --numbers` reads it")],
    n: Annotated[int, typer.Option("-n", min=1, help="patients to draw")] = 1000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Organ volumes and uptake that the patients of `vct atlas sample` are planned with, unpainted: 1 ms each."""
    from vct.training.organs import write_numbers
    from vct.training.planned import planned
    from vct.training.population import draw_patients

    write_numbers(out, planned(atlas, draw_patients(atlas, n, seed), seed))
    typer.echo(str(out))


@app.command()
def gallery(
    atlas: AtlasFolder,
    out: Out = Path("gallery.png"),
    resolution: Annotated[float, typer.Option(help="voxel size in mm: 2, 4 or 8")] = 2.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """A contact sheet over sex, age and BMI."""
    from vct.engine.atlas.gallery import gallery as run

    run(atlas, out, resolution, seed)
    typer.echo(str(out))


def fidelity(
    population: Annotated[Path, typer.Argument(help="folder of scans with participants.csv, or an organs.csv")],
    out: Out,
    reference: Annotated[Path | None, typer.Option(help="another such folder or organs.csv")] = None,
    published: Annotated[
        Path | None, typer.Option(help="CSV: organ, quantity, sex, mean[, sd, p5, p95, source]")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="the scans that the population's generator learned from: is any of them copied?")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="for the bootstrap")] = 0,
) -> None:
    """Hold a population against another one, or against published values, organ by organ: CSV and violin plots."""
    from vct.errors import InputError
    from vct.training.fidelity import as_table, compare, compare_published, read_published
    from vct.training.organs import QUANTITIES, measure_folder, write_numbers
    from vct.training.paper import paper_table
    from vct.training.violins import save_violins

    if reference is None and published is None:
        raise InputError("fidelity needs --reference, --published or both")
    if training is not None and reference is None:
        raise InputError("--training needs --reference: held-out scans say how near is too near")
    numbers = measure_folder(population)
    out.mkdir(parents=True, exist_ok=True)
    write_numbers(out / "organs.csv", numbers)
    populations = {"population": numbers}
    if reference is not None:
        populations["reference"] = measure_folder(reference)
        table = as_table(compare(numbers, populations["reference"], seed))
        table.to_csv(out / "fidelity.csv", index=False, float_format="%.5g")
        as_table(paper_table(numbers, populations["reference"])).to_csv(
            out / "paper_table.csv", index=False, float_format="%.5g"
        )
        typer.echo(table[table["subgroup"] == "all"].to_string(index=False, float_format=lambda v: f"{v:.3g}"))
    if published is not None:
        table = as_table(compare_published(numbers, read_published(published), seed))
        table.to_csv(out / "fidelity_published.csv", index=False, float_format="%.5g")
        typer.echo(table.to_string(index=False, float_format=lambda v: f"{v:.3g}"))
    if training is not None and reference is not None:
        _tell_copies(population, reference, training, out)
    for quantity in QUANTITIES:
        save_violins(out / f"violins_{quantity}.png", quantity, populations)
        save_violins(out / f"violins_{quantity}_by_age.png", quantity, populations, by_age=True)


def _tell_copies(population: Path, reference: Path, training: Path, out: Path) -> None:
    """Write memorisation.csv and say what is wrong."""
    from vct.training.memorisation import judge, look

    held_out = look(reference)[1]
    found = judge(*look(population), *look(training), held_out)
    found.table().to_csv(out / "memorisation.csv", index=False, float_format="%.5g")
    typer.echo(
        f"memorisation: {sum(item.copy for item in found.neighbours)} copies, "
        f"{sum(item.twin for item in found.neighbours)} twins of {len(found.neighbours)} scans; nearer to the training "
        f"than held-out scans: p = {found.nearer_p:.2g}; diversity {found.diversity:.2f} of theirs"
    )
    for text in found.warnings:
        typer.echo(f"warning: {text}")
