"""What happens in a run folder while patients are walked: who holds it, who is at work, since when, and how far.

It lies in `.vct` inside the folder, and is of no use once the run is over.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vct.errors import RunError, StorageError
from vct.files import ASIDE, LockedError, locked
from vct.records import Patient

HIDDEN = ".vct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Every `of`-th patient from the `number`-th on, counted from 1: what one job of an array does."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One call of `vct run`: who, `since` when (seconds since 1970), `to_do` patients of the `total` in the trial."""

    host: str
    pid: int
    since: float
    to_do: int
    total: int
    shard: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """A patient under way in a process."""

    patient: str
    host: str
    pid: int
    since: float


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of the run folder `path`."""

    path: Path

    @contextmanager
    def held(self, shard: Shard | None) -> Iterator[None]:
        """Keep other runs out of the folder; shards get along, each beside other shards than itself.

        What a killed run or process left half done is swept away. Raises RunError when the folder is in use.
        """
        folder = self.path / HIDDEN
        holder = f"process {os.getpid()} on {platform.node()} since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        try:
            with locked(folder / "lock", holder, shared=shard is not None):
                if shard is None:
                    self._sweep()
                    yield
                    self._sweep_unfinished()
                else:
                    with locked(folder / f"lock-{shard.number}-of-{shard.of}", holder):
                        yield
        except LockedError as error:
            who = f" ({error})" if str(error) else ""
            raise RunError(f"{self.path}: another run is at work in this folder{who}") from None

    def alone(self) -> AbstractContextManager[None]:
        """Wait for other shards to leave the block that this opens: one at a time writes what they share."""
        return locked(self.path / HIDDEN / "lock-alone", f"process {os.getpid()} on {platform.node()}", wait=True)

    def open_session(self, to_do: int, total: int, shard: Shard | None) -> None:
        """Note who begins to work on how many patients."""
        session = Session(
            host=platform.node(),
            pid=os.getpid(),
            since=_now(),
            to_do=to_do,
            total=total,
            shard=str(shard or ""),
        )
        name = f"session-{shard.number}-of-{shard.of}" if shard else "session"
        self._note(self.path / HIDDEN / f"{name}.json", asdict(session))

    @contextmanager
    def at_work(self, patients: Sequence[Patient]) -> Iterator[None]:
        """Note that these patients are under way in this process, for as long as the block runs."""
        notes = {patient: self.path / HIDDEN / "running" / f"{patient.key}.json" for patient in patients}
        for patient, note in notes.items():
            work = AtWork(patient=patient.key, host=platform.node(), pid=os.getpid(), since=_now())
            self._note(note, asdict(work))
        try:
            yield
        finally:
            for note in notes.values():
                with suppress(OSError):
                    note.unlink()

    def sessions(self) -> list[Session]:
        """Every call that worked here, the last of each shard."""
        return [Session(**found) for found in _notes(self.path / HIDDEN, "session*.json")]

    def under_way(self) -> list[AtWork]:
        """What is under way, the longest first; a process that was killed leaves its note behind."""
        found = [AtWork(**note) for note in _notes(self.path / HIDDEN / "running", "*.json")]
        return sorted(found, key=lambda work: work.since)

    def _sweep(self) -> None:
        shutil.rmtree(self.path / HIDDEN / "running", ignore_errors=True)
        for note in (self.path / HIDDEN).glob("session*.json"):
            note.unlink(missing_ok=True)
        self._sweep_unfinished()

    def _sweep_unfinished(self) -> None:
        for left in self.path.rglob(f"{ASIDE}*"):
            left.unlink(missing_ok=True)

    def _note(self, path: Path, content: dict[str, Any]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content), encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from error


def _notes(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(pattern)):
        with suppress(OSError, ValueError):  # just removed, or being written
            yield json.loads(path.read_text(encoding="utf-8"))


def _now() -> float:
    return datetime.now(UTC).timestamp()
