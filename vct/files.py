"""Files written whole or not at all: aside first, forced to disk, then renamed into place."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vct.errors import StorageError

ASIDE = ".tmp-"
"""How the names of unfinished files begin. One that a killed process left behind can be removed."""


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A path beside `path` (same suffixes) to write to; when the block ends well, that file takes the place of `path`.

    Then it is on disk, and outlives a power cut. When the block fails, `path` is as it was. Makes missing folders.
    Raises StorageError, which names `path`, when the disk is full, the folder read-only, and so on.
    """
    written = path.with_name(f"{ASIDE}{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield written
        _to_disk(written)
        written.replace(path)
        if os.name == "posix":
            _to_disk(path.parent)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            written.unlink(missing_ok=True)


def write_aside(path: Path, content: bytes) -> None:
    """Write `content` as by `aside`. Raises StorageError."""
    with aside(path) as written:
        written.write_bytes(content)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
