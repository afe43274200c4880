"""Columns of numbers from a user's CSV file, read with suspicion."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from vct.errors import nearest

MAX_BYTES = 1_000_000
SHOWN_PROBLEMS = 5


def read_columns(folder: Path, name: str, columns: Sequence[str], max_rows: int) -> list[tuple[float, ...]]:
    """The named columns of `folder/name`, in the order asked for.

    Raises ValueError when the name leads out of `folder` (absolute, "..", a link), when the file is missing, too large
    or not UTF-8, when a column is missing, or when a row lacks a finite number; rows are named by their line.
    """
    rows = csv.DictReader(io.StringIO(_text(folder, name), newline=""), restkey="")
    try:
        header = rows.fieldnames or []
        for column in columns:
            if column not in header:
                near = nearest(column, header)
                raise ValueError(f"{name} has no column {column!r}" + (f"; did you mean {near!r}?" if near else ""))
        found: list[tuple[float, ...]] = []
        problems: list[str] = []
        for row in rows:
            numbers = tuple(_number(row[column]) for column in columns)
            if len(found) == max_rows:
                raise ValueError(f"{name} must have at most {max_rows} rows")
            problems += [
                f"line {rows.line_num}: {column} must be a finite number (got {str(row[column])[:40]!r})"
                for column, number in zip(columns, numbers, strict=True)
                if not math.isfinite(number)
            ]
            found.append(numbers)
    except csv.Error as error:
        raise ValueError(f"{name}, line {rows.line_num}: is not valid CSV ({error})") from None
    if problems:
        more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        raise ValueError(f"{name}: " + "; ".join(problems[:SHOWN_PROBLEMS]) + more)
    if not found:
        raise ValueError(f"{name} has no rows")
    return [tuple(column) for column in zip(*found, strict=True)]


def beside(folder: Path, name: str) -> Path:
    """The file `name` in `folder` or below. Raises ValueError when the name leads out (absolute, "..", a link)."""
    if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name or ":" in name:
        raise ValueError(f"the file must lie in the YAML file's folder, named without '..' (got {name!r})")
    try:
        path = (folder / name).resolve(strict=True)
        if not path.is_relative_to(folder.resolve(strict=True)):
            raise ValueError(f"the file {name!r} is a link out of the YAML file's folder")
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not path.is_file():
        raise ValueError(f"{name!r} is not a file")
    return path


def _text(folder: Path, name: str) -> str:
    path = beside(folder, name)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{name} must be at most {MAX_BYTES} bytes (got {path.stat().st_size})")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} must be UTF-8 text ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror or error}") from None


def _number(text: object) -> float:
    try:
        return float(str(text)) if text is not None else math.nan
    except ValueError:
        return math.nan
