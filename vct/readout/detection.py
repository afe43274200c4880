"""The finder held against the planted truth: which lesions it missed, and which of its marks are none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from vct.forms import reach_mm
from vct.readout.base import Readout
from vct.readout.reader import study_of
from vct.readout.truth import lesions_in_view
from vct.records import Lesion, Mark, Reading, Scan

NEAR_MM = 10.0
"""A mark stands for a planted lesion when its hottest point lies within the lesion's reach plus this."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detection:
    """`hits` pairs planted lesions with the mark that stands for them; the rest was missed or is false."""

    hits: tuple[tuple[Lesion, Mark], ...]
    missed: tuple[Lesion, ...]
    false: tuple[Mark, ...]


def detection(scan: Scan) -> Detection:
    """Marks that are seen on the scan against the lesions planted in it, the nearest pairs first.

    A mark near a lesion that already has one is a part of it and not false; two lesions in one mark are both found.
    """
    lesions, marks = lesions_in_view(scan), [mark for mark in study_of(scan).marks if mark.seen]
    pairs = sorted(
        (math.dist(mark.at_mm, lesion.center_mm or mark.at_mm), number, index)
        for number, lesion in enumerate(lesions)
        for index, mark in enumerate(marks)
        if _stands_for(scan, lesion, mark)
    )
    of: dict[int, int] = {}
    for _, number, index in pairs:
        of.setdefault(number, index)
    near = {index for _, _, index in pairs}
    return Detection(
        hits=tuple((lesions[number], marks[index]) for number, index in sorted(of.items())),
        missed=tuple(lesion for number, lesion in enumerate(lesions) if number not in of),
        false=tuple(mark for index, mark in enumerate(marks) if index not in near),
    )


class MissedLesionCount(Readout):
    """How many planted lesions the reader did not mark. A perfect reader misses none: truth 0."""

    kind: Literal["missed_lesion_count"] = "missed_lesion_count"

    @property
    def default_name(self) -> str:
        """`missed_lesion_count`."""
        return "missed_lesion_count"

    @property
    def unit(self) -> str:
        """A count."""
        return "1"

    def measure(self, scan: Scan) -> Reading:
        """Count them."""
        return self.reading(scan, float(len(detection(scan).missed)), 0.0)


class FalseLesionCount(Readout):
    """How many of the reader's marks are no lesion. A perfect reader has none: truth 0."""

    kind: Literal["false_lesion_count"] = "false_lesion_count"

    @property
    def default_name(self) -> str:
        """`false_lesion_count`."""
        return "false_lesion_count"

    @property
    def unit(self) -> str:
        """A count."""
        return "1"

    def measure(self, scan: Scan) -> Reading:
        """Count them."""
        return self.reading(scan, float(len(detection(scan).false)), 0.0)


def _stands_for(scan: Scan, lesion: Lesion, mark: Mark) -> bool:
    """Near enough, or the lesion's centre lies in the mark."""
    if lesion.center_mm is None:
        return False
    if math.dist(mark.at_mm, lesion.center_mm) <= reach_mm(lesion) + NEAR_MM:
        return True
    grid = scan.pet.grid
    index = [
        round((c - o) / s) - piece.start
        for c, o, s, piece in zip(lesion.center_mm, grid.origin_mm, grid.spacing_mm, mark.region.box, strict=True)
    ]
    inside = all(0 <= at < n for at, n in zip(index, mark.region.mask.shape, strict=True))
    return inside and bool(mark.region.mask[index[0], index[1], index[2]])
