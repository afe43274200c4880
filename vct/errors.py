"""Every error that `vct` raises on purpose.

VctError              anything that a user can mend or must know; the CLI prints it without a traceback
├── InputError        exit code 2: what the user gave breaks a rule; nothing was written
│   ├── SpecError     a YAML file: every broken rule at once, each with its place
│   └── RunError      a run folder that cannot be used (another protocol, damaged, not a run)
├── PatientError      exit code 1: no patient could be simulated
├── StorageError      exit code 1: a file could not be written (disk full, read-only); what was finished stays
├── ClusterError      exit code 1: no cluster to be had, or it is gone; what was finished stays
├── SetAsideError     exit code 3: the run is done and reported, without the patients that failed
└── StoppedError      exit code 130: stopped by Ctrl-C or SIGTERM; what was finished stays
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

MAX_VALUE_CHARS = 80


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known name closest to `word`, or None when nothing is close."""
    found = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.5)
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One broken rule: where it is, what the rule says, what was found, what was probably meant."""

    rule: str
    file: str = ""
    line: int | None = None
    column: int | None = None
    key: str = ""
    value: object = None
    nearest: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part not in ("", None))
        text = ": ".join(part for part in (place, self.key, self.rule) if part)
        if self.value is not None:
            shown = repr(self.value)
            text += f" (got {shown if len(shown) <= MAX_VALUE_CHARS else shown[: MAX_VALUE_CHARS - 3] + '...'})"
        return text + (f"; did you mean {self.nearest!r}?" if self.nearest else "")


class VctError(Exception):
    """Root of the tree; `exit_code` is what the CLI returns."""

    exit_code = 1


class InputError(VctError):
    """Input that breaks a rule."""

    exit_code = 2


class SpecError(InputError):
    """A YAML file that breaks one or more rules; `problems` holds them all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RunError(InputError):
    """A run folder that cannot be used as asked."""


class PatientError(VctError):
    """A patient whose simulation failed, when every patient's did."""


class StorageError(VctError):
    """A file that could not be written; whatever stood there before is untouched."""


class ClusterError(VctError):
    """A cluster that cannot be reached or started, or that was lost."""


class SetAsideError(VctError):
    """A finished run in which patients failed again and again and are missing."""

    exit_code = 3


class StoppedError(VctError):
    """A run that was asked to stop and did."""

    exit_code = 130


def one_of(option: str, word: str, known: tuple[str, ...]) -> None:
    """Raises SpecError, with the nearest known word, when an option of the command line is no word of `known`."""
    if word not in known:
        rule = f"must be one of {', '.join(known)}"
        raise SpecError([Problem(key=option, rule=rule, value=word, nearest=nearest(word, known))])
