"""A table as it is read: cells of text under a caption."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of a row, the first one its heading; a `group` row has one cell that heads those below."""

    cells: tuple[str, ...]
    group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table and the CSV files that hold its numbers in full. `left` counts the columns of words; others are numbers.

    A line break in a cell starts a remark in small print.
    """

    caption: str
    csv: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    left: int = 1
