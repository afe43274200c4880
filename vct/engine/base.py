"""What an engine is: anything that turns a snapshot into a PET/CT."""

from __future__ import annotations

import typing

from vct.records import Scan, Snapshot


@typing.runtime_checkable
class Engine(typing.Protocol):
    """Makes a scan of a patient on a day, lesions included.

    `name` stands in the manifest and in `Scan.made_by`. The body comes from `stream(seed, patient.id, "body")`, so it
    is the same at every visit; the day's physiology from `stream(seed, patient.id, visit.name, "day")`.
    """

    @property
    def name(self) -> str:
        """What the manifest calls the engine and its settings."""
        ...

    def generate(self, snapshot: Snapshot, seed: int) -> Scan:
        """The PET/CT of `snapshot`; the returned scan's lesions have been placed (`center_mm`)."""
        ...
