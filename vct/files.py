"""Files written whole or not at all: aside first, forced to disk, then renamed into place. And locks."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vct.errors import StorageError, VctError

ASIDE = ".tmp-"
"""How the names of unfinished files begin. One that a killed process left behind can be removed."""


class LockedError(VctError):
    """A lock that somebody else holds; says who."""


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


@contextmanager
def locked(path: Path, holder: str, *, shared: bool = False, wait: bool = False) -> Iterator[None]:
    """Hold the lock file `path` for as long as the block runs; the system lets go of it when the process dies.

    Several may hold a `shared` lock, but not beside one that is not. `holder` is written into the file, to tell the
    next who it is. When somebody else holds it, raises LockedError with what the holder wrote, or `wait`s. A file
    system that knows no locks is warned about, and the block runs. POSIX only.
    """
    import fcntl

    with _opened(path) as handle:
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(os.pread(handle, 1000, 0).decode(errors="replace").strip()) from None
        except OSError as error:
            warnings.warn(f"{path}: cannot be locked ({error.strerror}); run one process a folder", stacklevel=3)
        os.ftruncate(handle, 0)
        os.pwrite(handle, holder.encode(), 0)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from error
    try:
        yield handle
    finally:
        os.close(handle)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
