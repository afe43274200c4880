"""How far a run is, from what lies in its folder; it may still be going on, also on other computers."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from vct.journal import AtWork, Session
from vct.records import Failure
from vct.store import RunFolder

SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`done` of `total` patients have readings; `left_s` is None while no patient of the last calls is finished."""

    path: Path
    total: int
    done: int
    failed: tuple[Failure, ...]
    under_way: tuple[AtWork, ...]
    lost: tuple[AtWork, ...]
    left_s: float | None

    @property
    def state(self) -> str:
        """In one word or two."""
        if self.done + len(self.failed) >= self.total:
            return "finished, without the patients that failed" if self.failed else "finished"
        return "running" if self.under_way else "stopped; go on with --resume"


def progress_of(path: Path) -> Progress:
    """Look at a run folder. Raises RunError when it holds no run."""
    folder = RunFolder(path)
    folder.manifest()
    sessions = folder.journal.sessions()
    done = folder.finished()
    failed = tuple(failure for key, failure in folder.failures() if key not in done)
    work = folder.journal.under_way()
    lost = tuple(item for item in work if _is_dead(item))
    total = max((session.total for session in sessions), default=len(done) + len(failed))
    return Progress(
        path=path,
        total=total,
        done=len(done),
        failed=failed,
        under_way=tuple(item for item in work if item not in lost),
        lost=lost,
        left_s=_left_s(sessions, list(done.values()), total - len(done) - len(failed)),
    )


def _left_s(sessions: list[Session], finished_at: list[float], to_do: int) -> float | None:
    """At the pace since the first of the last calls began, in all shards together."""
    if not sessions or to_do == 0:
        return 0.0 if sessions else None
    since = min(session.since for session in sessions)
    recent = [moment for moment in finished_at if moment >= since]
    return to_do * (max(recent) - since) / len(recent) if recent else None


def _is_dead(work: AtWork) -> bool:
    """Whether the process is known to be gone; of other computers nobody knows."""
    if work.host != platform.node():
        return False
    try:
        os.kill(work.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def progress_table(found: Progress) -> Table:
    """For the terminal."""
    table = Table(title=str(found.path), show_header=False)
    now = time.time()
    table.add_row("state", found.state)
    table.add_row("done", f"{found.done} of {found.total} patients")
    for label, items in (("under way", found.under_way), ("lost", found.lost)):
        for item in items[:SHOWN]:
            table.add_row(label, f"{item.patient} for {clock(now - item.since)} by process {item.pid} on {item.host}")
        if len(items) > SHOWN:
            table.add_row(label, f"and {len(items) - SHOWN} more")
    for failure in found.failed[:SHOWN]:
        table.add_row("failed", f"{failure.patient} {failure.arm}: {failure.error}")
    if len(found.failed) > SHOWN:
        table.add_row("failed", f"and {len(found.failed) - SHOWN} more")
    if found.state == "running":
        table.add_row("time left", "unknown yet" if found.left_s is None else f"about {clock(found.left_s)}")
    return table


def clock(seconds: float) -> str:
    """A time for people: 2 h 5 min, 3 min 20 s, 7 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size(count: float) -> str:
    """A number of bytes for people: 3.2 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
