"""An engine that costs a millisecond, for tests of everything around engines. With tests/doubles on the path it is
installed like any plug-in: `--engine quick`, or `quick:delay=0.2,fail=P0002,kill=P0003`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vct.records import Scan, Snapshot
from vct.rng import stream
from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

GRID = Grid(shape=(10, 10, 20), spacing_mm=(16.0, 16.0, 16.0), origin_mm=(0.0, 0.0, 0.0))
LIVER = STRUCTURES["liver"]


@dataclass(frozen=True)
class Quick:
    """A block of liver in noise. It waits, fails or kills its process where asked to."""

    delay_s: float = 0.0
    fail: str = ""
    kill: str = ""
    spec_name: ClassVar[str] = "quick"
    name: ClassVar[str] = "quick"

    @classmethod
    def from_spec(cls, argument: str, resolution_mm: float | None) -> Quick:
        given = dict(item.split("=") for item in argument.split(",") if item)
        return cls(delay_s=float(given.get("delay", 0)), fail=given.get("fail", ""), kill=given.get("kill", ""))

    def generate(self, snapshot: Snapshot, seed: int) -> Scan:
        time.sleep(self.delay_s)
        patient, visit = snapshot.patient, snapshot.visit
        if patient.id == self.fail:
            raise ZeroDivisionError("no counts")
        if patient.id == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        noise = stream(seed, patient.id, visit.name, "quick").random(GRID.shape, dtype=np.float32)
        labels = np.zeros(GRID.shape, np.uint8)
        labels[2:8, 2:8, 4:16] = LIVER
        return Scan(
            snapshot=snapshot,
            ct=Volume(data=noise * 100, grid=GRID, unit="HU"),
            pet=Volume(data=noise * 4, grid=GRID, unit="SUVbw"),
            labels=Volume(data=labels, grid=GRID, unit="label"),
            made_by=self.name,
            planted_suv={"liver": 2.0},
        )

    def generate_many(self, snapshots: Sequence[Snapshot], seed: int) -> tuple[Scan, ...]:
        return tuple(self.generate(snapshot, seed) for snapshot in snapshots)
