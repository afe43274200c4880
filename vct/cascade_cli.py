"""`vct train`, `vct generate`, `vct card`, `vct cascade`: the diffusion engine from training to a folder of scans.

The command line mounts all of them with `mount(app)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vct.errors import one_of

cascade = typer.Typer(no_args_is_help=True, help="look at the cascaded diffusion engine")
train = typer.Typer(no_args_is_help=True, help="train the cascaded diffusion engine on a folder of labelled scans")

Data = Annotated[Path, typer.Option(help="folder of labelled bodies, as `vct atlas sample` writes it")]
Out = Annotated[Path, typer.Option(help="folder of the weights; an earlier training there goes on")]
Minutes = Annotated[float | None, typer.Option(help="stop after so many minutes; the next call goes on", min=0.01)]
Steps = Annotated[int | None, typer.Option(help="stop at this step, counted over all calls", min=1)]
Batch = Annotated[int | None, typer.Option(help="bodies or patches a step and device", min=1, max=65536)]
Rate = Annotated[float | None, typer.Option("--learning-rate", help="peak learning rate of AdamW", min=1e-7, max=1.0)]
Precision = Annotated[str, typer.Option(help="32-true or bf16-mixed")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Devices = Annotated[int, typer.Option(help="processes on the CPU, or GPUs", min=1, max=1024)]
Nodes = Annotated[int, typer.Option(help="computers; each runs this command, under torchrun or srun", min=1, max=1024)]
Seed = Annotated[int, typer.Option(help="of the start and of every step's data", min=0)]
Tensorboard = Annotated[bool, typer.Option("--tensorboard", help="also write TensorBoard events")]
LookMinutes = Annotated[float, typer.Option(help="minutes between pictures with organ deviations", min=0.01)]
SaveMinutes = Annotated[float, typer.Option(help="minutes between checkpoints", min=0.01)]
Preset = Annotated[str, typer.Option(help="size of the network: small, or published (arXiv 2505.22489)")]
Config = Annotated[Path | None, typer.Option(help="YAML file with the network's size, instead of --preset")]


def mount(app: typer.Typer) -> None:
    """Put the cascade's verbs on the command line."""
    app.add_typer(train, name="train")
    app.command()(generate)
    app.command()(card)
    app.add_typer(cascade, name="cascade")


@train.command()
def anatomy(
    context: typer.Context,
    data: Data,
    out: Out,
    minutes: Minutes = None,
    steps: Steps = None,
    batch: Batch = None,
    learning_rate: Rate = None,
    precision: Precision = "32-true",
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    seed: Seed = 0,
    tensorboard: Tensorboard = False,
    spacing_mm: Annotated[float, typer.Option(help="voxel size of the canonical body in mm: 2, 4, 8 or 16")] = 4.0,
    numbers: Annotated[
        Path | None, typer.Option(help="an organs.csv of more people, whose organ volumes are drawn instead of DIR's")
    ] = None,
) -> None:
    """Learn the anatomy blueprint: canonical body, registration, and the diffusion over what remains. CPU, hours."""
    verbs = _verbs()
    one_of("--spacing-mm", f"{spacing_mm:g}", ("2", "4", "8", "16"))
    settings = _settings(verbs.CODE_SETTINGS, context.params)
    if digest := verbs.train_anatomy(data, out, settings, _Said(), spacing_mm, numbers):
        typer.echo(f"{out}: anatomy weights {digest[:8]}")


@train.command()
def lowres(
    context: typer.Context,
    data: Data,
    out: Out,
    minutes: Minutes = None,
    steps: Steps = None,
    batch: Batch = None,
    learning_rate: Rate = None,
    precision: Precision = "32-true",
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    seed: Seed = 0,
    tensorboard: Tensorboard = False,
    look_minutes: LookMinutes = 10.0,
    save_minutes: SaveMinutes = 3.0,
    preset: Preset = "small",
    config: Config = None,
) -> None:
    """Learn the voxel blueprint: the torso at 8 mm as published. Wants a GPU."""
    verbs = _verbs()
    from vct.engine.cascade.lowres import LowresConfig
    from vct.engine.cascade.presets import LOWRES

    size = _size(LowresConfig, LOWRES, preset, config)
    done = verbs.train_lowres(data, out, _settings(verbs.VOXEL_SETTINGS, context.params), size, _Said())
    typer.echo(f"{out}: lowres weights after {done} steps")


@train.command()
def superres(
    context: typer.Context,
    data: Data,
    out: Out,
    fine_mm: Annotated[float, typer.Option(help="spacing to learn, from twice of it: 4 or 2")] = 4.0,
    patch: Annotated[int, typer.Option(help="voxels along each side of a training patch", min=8, max=384)] = 48,
    start: Annotated[
        Path | None, typer.Option(help="folder of superres weights to begin with; theirs is the network")
    ] = None,
    minutes: Minutes = None,
    steps: Steps = None,
    batch: Batch = None,
    learning_rate: Rate = None,
    precision: Precision = "32-true",
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    seed: Seed = 0,
    tensorboard: Tensorboard = False,
    look_minutes: LookMinutes = 10.0,
    save_minutes: SaveMinutes = 3.0,
    preset: Preset = "small",
    config: Config = None,
) -> None:
    """Learn stage 2: volumes at half the spacing, patch by patch."""
    verbs = _verbs()
    from vct.engine.cascade.presets import SUPERRES
    from vct.engine.cascade.superres import SuperresConfig

    one_of("--fine-mm", f"{fine_mm:g}", ("4", "2"))
    if start and (config or preset != "small"):
        from vct.errors import InputError

        raise InputError("--start brings its network: leave out --preset and --config")
    size = _size(SuperresConfig, SUPERRES, preset, config)
    settings = _settings(verbs.VOXEL_SETTINGS, context.params)
    done = verbs.train_superres(data, out, settings, fine_mm, size, _Said(), patch, start)
    typer.echo(f"{out}: superres weights after {done} steps")


@train.command()
def segmenter(
    context: typer.Context,
    data: Annotated[
        list[Path],
        typer.Option(help="folder of labelled bodies; may stand several times"),
    ],
    out: Out,
    start: Annotated[Path | None, typer.Option(help="folder of segmenter weights to begin with")] = None,
    spacing_mm: Annotated[float, typer.Option(help="voxel size of the network in mm: 2, 4 or 8")] = 4.0,
    minutes: Minutes = None,
    steps: Steps = None,
    batch: Batch = None,
    learning_rate: Rate = None,
    precision: Precision = "32-true",
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    seed: Seed = 0,
    tensorboard: Tensorboard = False,
    save_minutes: SaveMinutes = 3.0,
) -> None:
    """Learn to tell organs on CT. An hour on a CPU is a start; a GPU goes on from there."""
    verbs = _verbs()
    one_of("--spacing-mm", f"{spacing_mm:g}", ("2", "4", "8"))
    settings = _settings(verbs.SEGMENTER_SETTINGS, context.params)
    done = verbs.train_segmenter(data, out, settings, spacing_mm, _Said(), start)
    typer.echo(f"{out}: segmenter weights after {done} steps")


def generate(
    out: Annotated[Path, typer.Option(help="folder to write; scans that are there already stay")],
    sex: Annotated[str | None, typer.Option(help="F or M")] = None,
    age: Annotated[float | None, typer.Option("--age", "--age-years", min=18, max=100)] = None,
    height_cm: Annotated[float | None, typer.Option("--height-cm", "--height", min=130, max=215)] = None,
    weight_kg: Annotated[float | None, typer.Option("--weight-kg", "--weight", min=35, max=220)] = None,
    number: Annotated[int, typer.Option("-n", "--number", help="patients to make", min=1, max=1_000_000)] = 1,
    cohort: Annotated[
        str | None, typer.Option(help="draw the patients from this cohort: a file, or the name of a shipped one")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="folder of weights; without it the shipped ones")] = None,
    resolution: Annotated[float, typer.Option(help="voxel size in mm: 8, 4 or 2")] = 4.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    sampler: Annotated[str, typer.Option(help="default, or published: Heun with 100 steps")] = "default",
    batch: Annotated[int | None, typer.Option(help="scans at once; 8 on a GPU, else 1", min=1, max=1024)] = None,
    workers: Annotated[int, typer.Option(help="processes, where scans are made one at a time", min=1, max=1024)] = 1,
    keep_scans: Annotated[bool, typer.Option(help="write CT, PET and labels, or organ numbers only")] = True,
) -> None:
    """Make PET/CTs of people of given sex, age, height and weight, or of a cohort, with the diffusion engine."""
    from vct.engine.cascade.door import load
    from vct.errors import InputError
    from vct.training.population import Order, cohort_patients, named_patients, sample

    given = {"--sex": sex, "--age": age, "--height-cm": height_cm, "--weight-kg": weight_kg}
    if cohort is not None:
        if named := [name for name, value in given.items() if value is not None]:
            raise InputError(f"{named[0]} cannot go with --cohort, which draws it")
        patients = cohort_patients(cohort, number, seed)
    else:
        if sex is None or age is None or height_cm is None or weight_kg is None:
            missing = ", ".join(name for name, value in given.items() if value is None)
            raise InputError(f"who is to be scanned? give {missing}, or --cohort")
        one_of("--sex", sex, ("F", "M"))
        patients = named_patients(number, sex=sex, age_years=age, height_cm=height_cm, weight_kg=weight_kg)
    one_of("--sampler", sampler, ("default", "published"))
    engine = load(weights, resolution, sampler)
    order = Order(engine=engine, out=out, seed=seed, about=engine.about, keep_scans=keep_scans)
    for name in sample(order, patients, workers, batch or (8 if engine.device == "cuda" else 1)):
        typer.echo(f"{out / name}" if keep_scans else name)


def card(
    weights: Annotated[Path, typer.Argument(help="folder of weights; fidelity.json is written there")],
    out: Annotated[Path, typer.Option(help="the card to write")] = Path("model-card.md"),
    fidelity: Annotated[
        Path | None, typer.Option(help="folder of `vct fidelity`: generated against held-out patients")
    ] = None,
    mean: Annotated[Path | None, typer.Option(help="the same of the conditional mean alone, as a baseline")] = None,
    fresh: Annotated[Path | None, typer.Option(help="the same of fresh virtual patients, as a baseline")] = None,
    training: Annotated[Path | None, typer.Option(help="folder of the training, for its logs")] = None,
    picture: Annotated[list[Path] | None, typer.Option(help="a picture to show; may stand several times")] = None,
    goals: Annotated[Path | None, typer.Option(help="what benchmarks/cascade_goals.py found, .json")] = None,
) -> None:
    """Write the model card of weights from what they carry and from fidelity tables."""
    verbs = _verbs("vct.training.card")
    for text in verbs.write_card(weights, out, fidelity, mean, fresh, training, picture or (), goals):
        typer.echo(f"missed: {text}")
    typer.echo(f"{out}, and fidelity.json in {weights}")


@cascade.command()
def gallery(
    out: Annotated[Path, typer.Option(help="the picture to write")] = Path("cascade-gallery.png"),
    weights: Annotated[Path | None, typer.Option(help="folder of weights; without it the shipped ones")] = None,
    atlas: Annotated[Path | None, typer.Option(help="an atlas folder, to paint the same people beside")] = None,
    resolution: Annotated[float, typer.Option(help="voxel size in mm: 8, 4 or 2")] = 4.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """A contact sheet over sex, age and BMI: coronal, axial and projection, of CT and PET."""
    from vct.engine.atlas import Atlas
    from vct.engine.base import Engine
    from vct.engine.cascade.door import load
    from vct.training.gallery import contact_sheet

    engines: dict[str, Engine] = {"cascade": load(weights, resolution)}
    if atlas is not None:
        engines["atlas"] = Atlas(folder=atlas, spacing_mm=resolution)
    contact_sheet(engines, out, seed)
    typer.echo(str(out))


class _Said:
    """Prints progress with the minutes since the start."""

    def __init__(self) -> None:
        import time

        self._now, self._begin = time.monotonic, time.monotonic()

    def __call__(self, text: str) -> None:
        typer.echo(f"[{(self._now() - self._begin) / 60.0:6.1f} min] {text}")


def _verbs(module: str = "vct.training.verbs") -> Any:
    """A module of the training. Raises InputError when what it needs is not installed."""
    from importlib import import_module

    from vct.errors import InputError

    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "monai", "safetensors", "lightning_fabric"):
            raise
        raise InputError(f"this needs {error.name}: pip install 'vct[training]'") from error


def _settings(usual: Any, options: dict[str, Any]) -> Any:
    """`usual` with the options of a verb that are given. Raises InputError for a word that is no choice."""
    one_of("--precision", options["precision"], ("32-true", "bf16-mixed"))
    one_of("--accelerator", options["accelerator"], ("auto", "cpu", "cuda"))
    given = {name: options[name] for name in type(usual).model_fields if options.get(name) is not None}
    return usual.model_copy(update=given)


def _size(kind: Any, presets: dict[str, Any], preset: str, config: Path | None) -> Any:
    """The size of a network from a file or by name. Raises SpecError with every broken rule of the file."""
    from vct.yamlfile import check, read

    one_of("--preset", preset, tuple(presets))
    return presets[preset] if config is None else check(kind, read(config), config.parent)
