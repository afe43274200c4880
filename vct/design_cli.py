"""`vct power` and `vct search`: the same trial many times, and the smallest one that reaches a power."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vct.options import DEFAULT_ENGINE, EngineOption, ProtocolArgument, ResolutionOption, SeedOption, WorkersOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from vct.engine.base import Engine
    from vct.protocol import Protocol
    from vct.replicate.measurement import MeasurementModel
    from vct.replicate.power import Figure
    from vct.replicate.simulate import Job

OutOption = Annotated[Path, typer.Option(help="folder for power.csv, the measurement model and its scans")]
ReplicatesOption = Annotated[int, typer.Option(help="trials to simulate for each scenario", min=2, max=10_000_000)]
PilotOption = Annotated[int, typer.Option(help="patients to scan for the measurement model", min=6, max=100_000)]
ModelOption = Annotated[Path | None, typer.Option(help="a model.json of an earlier run, in place of a pilot")]
PerfectOption = Annotated[bool, typer.Option("--perfect", help="a perfect reader: no scans, no measurement error")]
CheckOption = Annotated[
    int, typer.Option(help="trials to run through the images as a check; 0 for none", min=0, max=1000)
]
CheckPatientsOption = Annotated[int, typer.Option(help="patients of each checking trial", min=4, max=100_000)]


def power(
    protocol: ProtocolArgument,
    out: OutOption,
    replicates: ReplicatesOption = 10_000,
    n: Annotated[str, typer.Option(help="sample sizes, such as 40,60,80; the protocol's when left out")] = "",
    effect: Annotated[
        str, typer.Option(help="multiples of the treatment effect, such as 0,0.5,1; 0 is the null hypothesis")
    ] = "0,1",
    engine: EngineOption = DEFAULT_ENGINE,
    resolution: ResolutionOption = 4.0,
    pilot: PilotOption = 40,
    model: ModelOption = None,
    perfect: PerfectOption = False,
    check: CheckOption = 2,
    check_patients: CheckPatientsOption = 20,
    seed: SeedOption = None,
    workers: WorkersOption = 0,
) -> None:
    """Simulate a trial many times: power, type I error, bias, coverage, expected size, stopping, duration."""
    from vct.protocol import load
    from vct.replicate.simulate import Job

    parsed = load(protocol)
    sizes = _numbers(n, "--n", whole=True) or (float(parsed.sample_size),)
    effects = _numbers(effect, "--effect")
    job = Job(
        protocol=parsed,
        model=None,
        seed=parsed.seed if seed is None else seed,
        sizes=tuple(int(size) for size in sizes),
        effects=effects,
    )
    for size in job.sizes:
        parsed.sized(size)
    job = _with_model(job, out, engine, resolution, pilot, model, perfect, check, check_patients, workers)
    found = _simulated(job, replicates, workers)
    _write_csv(out / "power.csv", found)
    _print_figures(parsed.title, found)
    typer.echo(f"Power: {out / 'power.csv'}")


def search(
    protocol: ProtocolArgument,
    out: OutOption,
    target: Annotated[float, typer.Option("--power", help="power to reach")] = 0.9,
    endpoint: Annotated[str, typer.Option(help="whose power; the design's when left out")] = "",
    analysis: Annotated[str, typer.Option(help="kind of its analysis; the first that tests when left out")] = "",
    effect: Annotated[float, typer.Option(help="multiple of the treatment effect", min=0.0, max=100.0)] = 1.0,
    low: Annotated[int, typer.Option(help="smallest size tried", min=4)] = 8,
    high: Annotated[int, typer.Option(help="largest size tried", max=100_000)] = 2000,
    step: Annotated[int, typer.Option(help="sizes are tried in steps of this; the sum of the arms' ratios", min=0)] = 0,
    replicates: ReplicatesOption = 10_000,
    engine: EngineOption = DEFAULT_ENGINE,
    resolution: ResolutionOption = 4.0,
    pilot: PilotOption = 40,
    model: ModelOption = None,
    perfect: PerfectOption = False,
    check: CheckOption = 0,
    check_patients: CheckPatientsOption = 20,
    seed: SeedOption = None,
    workers: WorkersOption = 0,
) -> None:
    """Find the smallest trial that reaches a power, and say how sure that is."""
    from vct.errors import InputError
    from vct.protocol import load
    from vct.replicate import search as finder
    from vct.replicate.simulate import Job

    parsed = load(protocol)
    if not 0.0 < target < 1.0:
        raise InputError(f"--power must lie between 0 and 1 (got {target:g})")
    if high < low:
        raise InputError(f"--high {high} must not be below --low {low}")
    whose, pick = _picker(parsed, endpoint, analysis)
    for option, size in (("--low", low), ("--high", high)):
        try:
            parsed.sized(size)
        except InputError as error:
            raise InputError(f"{option}: {error}") from None
    job = Job(protocol=parsed, model=None, seed=parsed.seed if seed is None else seed, sizes=(low,), effects=(effect,))
    job = _with_model(job, out, engine, resolution, pilot, model, perfect, check, check_patients, workers)
    typer.echo(
        f"Searching {low} to {high} patients for a power of {target:g} of {whose}, at {effect:g} times the effect"
    )
    answer = finder.search(
        job,
        pick,
        target,
        low=low,
        high=high,
        step=step or sum(arm.ratio for arm in parsed.arms),
        replicates=replicates,
        workers=workers or _cores(),
        watch=lambda one: typer.echo(
            f"  n = {one.n}: power {one.power:.4f} (MC SE {one.mc_se:.4f}, {one.replicates} replicates), {one.side}"
        ),
    )
    _write_csv(out / "search.csv", answer.tried)
    typer.echo(f"smallest n with an estimated power of at least {target:g}: {answer.n}")
    enough = "no size tried" if answer.surely_enough is None else f"n = {answer.surely_enough}"
    typer.echo(f"surely too few (99 %): below {answer.surely_below}; surely enough: {enough}")
    typer.echo(f"Search: {out / 'search.csv'}")


def _picker(protocol: Protocol, endpoint: str, analysis: str) -> tuple[str, Callable[[Figure], bool]]:
    """Whose power is asked for, in words, and whether a figure is it."""
    from vct.errors import InputError, nearest

    design = protocol.design
    if not endpoint and design is not None:
        if design.by_arm:
            raise InputError(
                f"the design fixes its own size, {design.arm_size()} patients an arm (`vct design`): nothing to "
                "search; an --endpoint has a power that grows with the size"
            )
        return (
            f"the design ({design.primary})",
            lambda item: item.quantity in ("power", "type_i_error") and not item.endpoint,
        )
    tests = [item for item in protocol.analyses if item.tests]
    names = [item.endpoint for item in tests]
    if endpoint and endpoint not in names:
        near = nearest(endpoint, names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise InputError(f"--endpoint {endpoint!r} is tested by no analysis ({', '.join(dict.fromkeys(names))}){hint}")
    kinds = [str(getattr(item, "kind", "")) for item in tests if not endpoint or item.endpoint == endpoint]
    if analysis and analysis not in kinds:
        raise InputError(f"--analysis {analysis!r} is none of that endpoint's ({', '.join(dict.fromkeys(kinds))})")
    if not kinds:
        raise InputError("the protocol has no analysis that tests a hypothesis")
    wanted = endpoint or names[0], analysis or kinds[0]
    return ", ".join(
        wanted
    ), lambda item: item.quantity in ("power", "type_i_error") and (item.endpoint, item.analysis) == wanted


def _with_model(
    job: Job,
    out: Path,
    engine: str,
    resolution: float,
    pilot: int,
    model: Path | None,
    perfect: bool,
    check: int,
    check_patients: int,
    workers: int,
) -> Job:
    """The job with its measurement model: read from a file, or fitted to scans made now; and checked if asked."""
    from dataclasses import replace

    from vct.engine import make
    from vct.errors import InputError

    if perfect:
        if model is not None:
            raise InputError("--perfect reads without a model: leave --model out")
        return job
    maker = None if model is not None and not check else make(engine, resolution)
    if model is not None:
        fitted = _load_model(model, job.protocol)
    else:
        assert maker is not None  # noqa: S101
        fitted = _fit(job, maker, out, pilot, workers)
    _print_model(fitted)
    if check and maker is not None:
        _check(job.protocol, fitted, maker, out, check, check_patients, job.seed, workers)
    return replace(job, model=fitted)


def _fit(job: Job, engine: Engine, out: Path, patients: int, workers: int) -> MeasurementModel:
    from vct.files import write_aside
    from vct.replicate.measurement import fit_model
    from vct.replicate.pilot import pilot_of, scanned

    seed = job.seed + PILOT_SEED
    with _bar("pilot scans") as watch:
        result = scanned(
            job.protocol,
            engine,
            patients=patients,
            seed=seed,
            out=out / "pilot",
            workers=workers or _cores(),
            watch=watch,
        )
    fitted = fit_model(job.protocol.readouts, pilot_of(job.protocol, result, seed))
    write_aside(out / "model.json", fitted.model_dump_json(indent=1).encode() + b"\n")
    _write_csv(out / "model.csv", fitted.fits)
    return fitted


def _load_model(path: Path, protocol: Protocol) -> MeasurementModel:
    from vct.errors import InputError
    from vct.part import read_json
    from vct.replicate.measurement import MeasurementModel

    found = read_json(path, MeasurementModel, "measurement model of vct")
    wanted, known = [item.label for item in protocol.readouts], [fit.readout for fit in found.fits]
    if wanted != known:
        raise InputError(f"{path}: models {', '.join(known)}; this protocol reads {', '.join(wanted)}")
    return found


PILOT_SEED, CHECK_SEED = 7_000_001, 8_000_001
"""What is added to the seed, so that pilot, check and replicates draw different patients."""


def _check(
    protocol: Protocol,
    model: MeasurementModel,
    engine: Engine,
    out: Path,
    trials: int,
    patients: int,
    seed: int,
    workers: int,
) -> None:
    from vct.replicate.pilot import check

    with _bar("checking scans") as watch:
        rows = check(
            protocol,
            model,
            engine,
            trials=trials,
            patients=patients,
            seed=seed + CHECK_SEED,
            out=out / "check",
            workers=workers or _cores(),
            watch=watch,
        )
    _write_csv(out / "check.csv", rows)
    typer.echo(f"Check: {trials} trials of {patients} patients through the images, against the model")
    for row in rows:
        sign = "agrees" if row.agrees else "DISAGREES"
        which = f"trial {row.trial}: " if row.trial else ""
        typer.echo(
            f"  {sign} {row.level} {which}{row.name}: images {row.images:.4g}, model {row.model:.4g} "
            f"(SD {row.model_sd:.3g}), p {row.p:.3f}"
        )
    off = sum(not row.agrees for row in rows)
    both = "image and model agree" if not off else f"image and model DISAGREE in {off} of {len(rows)} statements"
    typer.echo(f"Check: {both} ({out / 'check.csv'})")


def _simulated(job: Job, replicates: int, workers: int) -> tuple[Figure, ...]:
    from vct.replicate.power import characteristics

    with _bar("replicates") as watch:
        return characteristics(job, replicates, workers=workers or _cores(), watch=watch)


def _print_model(model: MeasurementModel) -> None:
    typer.echo(f"Measurement model: {model.patients} patients scanned by {model.made_by}")
    for fit in model.fits:
        gap = fit.truth_gap_percent
        truth = "" if gap is None else f", the model's truth off the engine's by {gap:.1f} %"
        error = (
            f"{100 * fit.detected:.0f} % of the lesions found, {fit.mean[1]:.2f} false a scan, R2 {fit.r_squared:.3f}"
            if fit.kind == "count"
            else f"bias {fit.bias_percent:+.1f} %, SD {fit.sd_percent:.1f} % ({100 * fit.patient_share:.0f} % of the "
            f"variance stays with the patient), R2 {fit.r_squared:.3f}, skewness {fit.skewness:+.1f}"
        )
        typer.echo(f"  {fit.readout}: {fit.n} of {fit.scans} read, {error}{truth}")


def _print_figures(title: str, found: tuple[Figure, ...]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("n", "effect", "what", "quantity", "value", "MC SE"):
        table.add_column(name, justify="left" if name in ("what", "quantity") else "right")
    for item in found:
        what = ", ".join(part for part in (item.endpoint, item.analysis, item.arm) if part) or "trial"
        table.add_row(str(item.n), f"{item.effect:g}", what, item.quantity, f"{item.value:.4g}", f"{item.mc_se:.2g}")
    Console().print(table)


def _write_csv(path: Path, rows: Any) -> None:
    from dataclasses import asdict

    import pandas as pd

    from vct.files import write_aside

    plain = [row.model_dump(mode="json") if hasattr(row, "model_dump") else asdict(row) for row in rows]
    text = pd.DataFrame(plain).to_csv(index=False, lineterminator="\n", float_format="%.10g")
    write_aside(path, text.encode())


def _bar(title: str) -> Any:
    from contextlib import contextmanager

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    @contextmanager
    def shown() -> Any:
        with Progress(title, BarColumn(), MofNCompleteColumn(), "left", TimeRemainingColumn()) as progress:
            task = progress.add_task("", total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)

    return shown()


def _numbers(text: str, option: str, *, whole: bool = False) -> tuple[float, ...]:
    from vct.errors import InputError

    try:
        found = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InputError(f"{option} takes numbers with commas between them (got {text!r})") from None
    wrong = [x for x in found if not 0 <= x <= 1e6 or (whole and (x != int(x) or x < 1))]
    if wrong or len(set(found)) < len(found):
        kind = "whole numbers from 1 on" if whole else "numbers from 0 on"
        raise InputError(f"{option} takes {kind}, each once (got {text!r})")
    return found


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
