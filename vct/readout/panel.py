"""`Panel`: the protocol's `reading:` key. Who reads every scan, and which reading counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import mean, median
from typing import Literal, Self

from pydantic import Field, model_validator

from vct.part import Part
from vct.readout.base import Readout
from vct.readout.reader import Reader
from vct.records import Reading, Scan, Study

Adjudication = Literal["mean", "median", "adjudicator"]


class Panel(Part):
    """Readers of every scan, each blind to the others, and the rule that makes one reading of theirs.

    `mean` and `median` go over readers who could read. `adjudicator`: the last reader decides where the first two
    differ by more than `tolerance` of their mean; otherwise their mean stands (two readers and an adjudicator, as in
    FDA 2018, "Clinical Trial Imaging Endpoint Process Standards"). With several readers the readings of each are kept
    under their names beside the reading of record.
    """

    readers: tuple[Reader, ...] = Field(default=(Reader(),), min_length=1, max_length=20)
    adjudication: Adjudication = "median"
    tolerance: float = Field(default=0.1, ge=0.0, le=10.0, description="relative; for `adjudicator`")

    @model_validator(mode="after")
    def _readers_are_told_apart(self) -> Self:
        names = [reader.name for reader in self.readers]
        if len(set(names)) < len(names):
            raise ValueError("readers need distinct names")
        if len(names) > 1 and "" in names:
            raise ValueError("several readers need a name each")
        if self.adjudication == "adjudicator" and len(names) != 3:
            raise ValueError("adjudicator needs three readers, the last of whom decides")
        return self

    def desk(self, seed: int) -> Callable[[Scan, Sequence[Readout]], list[Reading]]:
        """Where one patient's scans are read in their order: readers remember what they marked."""
        studies: dict[str, Study | None] = {reader.name: None for reader in self.readers}

        def read(scan: Scan, readouts: Sequence[Readout]) -> list[Reading]:
            own = []
            for reader in self.readers:
                studies[reader.name] = study = reader.look(scan, studies[reader.name], seed)
                looked_at = replace(scan, study=study)
                own.append([replace(readout.measure(looked_at), reader=reader.name) for readout in readouts])
            return list(self._of_record(own))

        return read

    def _of_record(self, readings: Sequence[Sequence[Reading]]) -> Iterator[Reading]:
        """One reading a readout from those of every reader, in the readouts' order; then each reader's own."""
        if len(self.readers) == 1:
            yield from (replace(reading, reader="") for reading in readings[0])
            return
        for same in zip(*readings, strict=True):
            yield replace(same[0], value=self._settled([reading.value for reading in same]), reader="")
        for own in readings:
            yield from own

    def _settled(self, values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None and math.isfinite(value)]
        if not known:
            return None
        if self.adjudication == "mean":
            return mean(known)
        if self.adjudication == "median":
            return median(known)
        first, second, last = values
        if first is None or second is None:
            return last
        agree = abs(first - second) <= self.tolerance * abs(first + second) / 2.0
        return (first + second) / 2.0 if agree else last
