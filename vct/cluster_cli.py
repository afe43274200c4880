"""`vct status`, `vct merge`, `vct doctor`: looking after runs, and after the computers that they run on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vct.options import DEFAULT_ENGINE, EngineOption, ResolutionOption
from vct.report_cli import write_report

if TYPE_CHECKING:
    from vct.journal import Shard
    from vct.records import TrialResult

RunArgument = Annotated[Path, typer.Argument(help="a run folder", metavar="RUN")]


def status(run: RunArgument) -> None:
    """What is done in a run, what is under way and where, what failed, and how long the rest will take."""
    from rich.console import Console

    from vct.progress import progress_of, progress_table

    Console().print(progress_table(progress_of(run)))


def merge(
    run: RunArgument,
    shards: Annotated[list[Path] | None, typer.Argument(help="run folders of other shards, to be taken in")] = None,
) -> None:
    """Bring the shards of a run together and write its report; the result is that of one run."""
    from vct import trial
    from vct.journal import Journal
    from vct.store import RunFolder

    with Journal(run).held(None):
        for other in shards or []:
            typer.echo(f"{other}: {RunFolder(run).take_in(RunFolder(other))} files taken in")
        result = trial.reopen(run)
    conclude(result, run)


def doctor(
    engine: EngineOption = DEFAULT_ENGINE,
    resolution: ResolutionOption = 4.0,
) -> None:
    """What this computer has: versions, devices, memory, batch systems; and how many processes of an engine fit."""
    from rich.console import Console

    from vct.doctor import findings_table

    Console().print(findings_table(engine, resolution))


def parse_shard(text: str | None) -> Shard | None:
    """`K/N` as a shard. Raises BadParameter when it is anything else."""
    from vct.journal import Shard

    if text is None:
        return None
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) <= 1_000_000):
        raise typer.BadParameter(f"must be K/N with K from 1 to N (got {text!r})", param_hint="--shard")
    return Shard(number=int(number), of=int(of))


def conclude(result: TrialResult, out: Path, studies: list[Path] | None = None) -> None:
    """Write the report of a run; see `write_report`. Raises SetAsideError then when patients are missing from it."""
    from vct.errors import SetAsideError

    write_report(result, out, studies)
    failed = result.provenance["failed"]
    if failed:
        first = failed[0]
        raise SetAsideError(
            f"{len(failed)} of {len(result.enrolment.patients)} patients failed and are missing from the result; "
            f"the first: {first['patient']} {first['arm']}: {first['error']}. They are tried again with --resume"
        )
