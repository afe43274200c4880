"""What a training leaves to read: `log.csv`, `looks.csv`, `pictures/`, and TensorBoard events where asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.errors import InputError
from vct.files import write_aside

LOG = "log.csv"
LOG_COLUMNS = ("step", "minutes", "loss", "learning_rate")
LOOKS = "looks.csv"
LOOK_COLUMNS = ("step", "organ", "quantity", "mean", "reference", "deviation_percent", "n")
PICTURES = "pictures"
EVENTS = "events"
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganLook:
    """One organ's quantity in `n` samples of the weights, and in the bodies that they are held against."""

    organ: str
    quantity: str
    mean: float
    reference: float
    n: int

    @property
    def deviation_percent(self) -> float:
        """Of the reference."""
        return 100.0 * (self.mean / self.reference - 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the averaged weights make at one step: a grey picture (rows, columns) uint8 and organ numbers."""

    picture: NDArray[np.uint8]
    organs: tuple[OrganLook, ...]

    def worst(self) -> OrganLook:
        """The organ that is farthest off."""
        return max(self.organs, key=lambda item: abs(item.deviation_percent))


class Journal:
    """The files of one training below `out`, from step `done` on: what was written beyond it is forgotten.

    Raises InputError when TensorBoard is asked for and tensorboardX is not installed.
    """

    def __init__(self, out: Path, done: int, tensorboard: bool = False) -> None:
        self.out = out
        self._rows: list[Row] = []
        for name, columns in ((LOG, LOG_COLUMNS), (LOOKS, LOOK_COLUMNS)):
            kept = [row for row in _read(out / name) if int(row[0]) <= done]
            if kept or (out / name).exists():
                _write(out / name, columns, kept)
        self._events = _events(out / EVENTS, done) if tensorboard else None

    def step(self, step: int, minutes: float, loss: float, rate: float) -> None:
        """One training step; it reaches the disk with `flush`."""
        self._rows.append((step, round(minutes, 3), loss, rate))
        if self._events is not None:
            self._events.add_scalar("loss", loss, step)
            self._events.add_scalar("learning_rate", rate, step)

    def recent_loss(self, steps: int) -> float:
        """Mean loss of the last steps that are not flushed."""
        losses = [row[2] for row in self._rows[-steps:]]
        return float(np.mean(losses)) if losses else float("nan")

    def flush(self) -> None:
        """Append the steps since the last flush to the log."""
        if not self._rows:
            return
        _append(self.out / LOG, LOG_COLUMNS, self._rows)
        self._rows = []
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        """Flush, and end the TensorBoard events."""
        self.flush()
        if self._events is not None:
            self._events.close()

    def look(self, step: int, look: Look) -> Path:
        """Keep a look at the weights; returns where its picture lies."""
        from PIL import Image

        rows: list[Row] = [
            (step, item.organ, item.quantity, f"{item.mean:.5g}", f"{item.reference:.5g}",
             f"{item.deviation_percent:.2f}", item.n)
            for item in look.organs
        ]  # fmt: skip
        _append(self.out / LOOKS, LOOK_COLUMNS, rows)
        buffer = io.BytesIO()
        Image.fromarray(look.picture).save(buffer, "PNG", optimize=True)
        path = self.out / PICTURES / f"step-{step:08d}.png"
        write_aside(path, buffer.getvalue())
        if self._events is not None:
            self._events.add_image("samples", look.picture, step, dataformats="HW")
            for item in look.organs:
                self._events.add_scalar(f"{item.quantity}/{item.organ}", item.deviation_percent, step)
        return path


def _events(folder: Path, done: int) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError as error:
        raise InputError("--tensorboard needs tensorboardX: pip install 'vct[training]'") from error
    return SummaryWriter(str(folder), purge_step=done + 1)


def _read(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        return [row for row in csv.reader(handle) if row and row[0].isdigit()]


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    write_aside(path, text.getvalue().encode())


def _append(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        if fresh:
            writer.writerow(columns)
        writer.writerows(rows)
