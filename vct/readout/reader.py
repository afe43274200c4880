"""`Reader`: who looks at a scan. Finds lesions on the image, knows them again, and errs as readers do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from vct.part import Part
from vct.readout.finder import Finder, Found
from vct.readout.heat import lesion_peak
from vct.readout.memo import once_per_scan
from vct.readout.segmenter import mm_from_physiological, spill_mm
from vct.readout.truth import lesions_in_view, true_peak
from vct.records import Mark, Scan, Study
from vct.rng import stream
from vct.shapes import Region, ellipsoid_box, ellipsoid_mask
from vct.volume import Triple

SAME_WITHIN_MM = 15.0
"""A place that stands out belongs to a known lesion when it lies within the lesion's own radius plus this; patients do
not lie still and tumours shrink to one side (assumed)."""
READ_AGAIN_MM = 8.0
"""Radius about a lesion's old place in which it is read when nothing stands out any more (assumed)."""
MOST_TARGETS, MOST_PER_ORGAN = 5, 2
"""PERCIST 1.0 and RECIST 1.1 follow up to five lesions, at most two an organ."""


class Reader(Part):
    """One reader. Every number left at 0 gives the perfect machine: it marks what its finder finds and errs in nothing.

    Numbers of experts, fitted to published agreement (`benchmarks/readers.md`): `choice_sd` 0.17 (Fledelius: PERCIST by
    eight readers), `grade_bias_sd` 0.1 and `grade_sd` 0.27 (Kluge 2016: Deauville by five). The others are assumed by
    whoever sets them.

    The reader's taste belongs to a patient's lesion and stays the same over visits; slips of the hand belong to one
    visit.
    """

    name: str = Field(default="", max_length=40, description="what the tables call this reader")
    finder: Finder = Finder()
    choice_sd: float = Field(
        default=0.0, ge=0.0, le=2.0, description="log-SD of how hot a lesion seems when the reader picks targets"
    )
    placement_sd_mm: float = Field(
        default=0.0, ge=0.0, le=20.0, description="by which the peak's sphere misses its best place, along each axis"
    )
    contour_sd: float = Field(default=0.0, ge=0.0, le=1.0, description="log-SD of the contour's threshold")
    overlooks_1_ml: float = Field(
        default=0.0, ge=0.0, le=1.0, description="probability of missing a lesion of 1 ml; goes with 1 / volume"
    )
    grade_bias_sd: float = Field(
        default=0.0, ge=0.0, le=1.0, description="SD between readers of perceived uptake, in units of the liver's"
    )
    grade_sd: float = Field(default=0.0, ge=0.0, le=1.0, description="SD of the same from scan to scan")

    def look(self, scan: Scan, earlier: Study | None, seed: int) -> Study:
        """What this reader makes of a scan, knowing what he or she made of the `earlier` one (None: the first).

        Known lesions keep their id; those that no longer stand out are read at their place. The rest is new. Randomness
        comes from streams named after patient, visit and reader.
        """
        patient, visit = scan.snapshot.patient.id, scan.snapshot.visit.name
        hand = stream(seed, patient, visit, "reader", self.name)
        known = () if earlier is None else earlier.marks
        marks = _matched(scan, _found(scan, self.finder), known)
        if earlier is None:
            marks = [replace(mark, is_new=False) for mark in marks]
        overlooked = hand.random(len(marks))
        marks = [
            replace(
                mark,
                offset_mm=self._slip(hand),
                appeal=math.exp(self.choice_sd * stream(seed, patient, "reader", self.name, mark.id).standard_normal()),
            )
            for mark, luck in zip(marks, overlooked, strict=True)
            if mark.id in {old.id for old in known} or luck >= self._overlooks(mark)
        ]
        bias = self.grade_bias_sd * stream(seed, "reader", self.name, "grade").standard_normal()
        return Study(
            reader=self.name,
            marks=tuple(marks),
            targets=_targets(scan, marks) if earlier is None else earlier.targets,
            contour_factor=math.exp(self.contour_sd * hand.standard_normal()),
            grade_shift=bias + self.grade_sd * hand.standard_normal(),
            true_targets=_true_targets(scan) if earlier is None else earlier.true_targets,
        )

    def _slip(self, hand: np.random.Generator) -> Triple:
        x, y, z = (self.placement_sd_mm * hand.standard_normal(3)).tolist()
        return x, y, z

    def _overlooks(self, mark: Mark) -> float:
        return min(1.0, self.overlooks_1_ml / mark.volume_ml)


def study_of(scan: Scan) -> Study:
    """What the scan's reader made of it; where nobody has looked yet, what the perfect machine makes of it alone."""
    return scan.study or _first_look(scan)


@once_per_scan
def _first_look(scan: Scan) -> Study:
    return Reader().look(scan, None, 0)


@once_per_scan
def _found(scan: Scan, finder: Finder) -> tuple[Found, ...]:
    """Several readers with the same finder look at the same findings."""
    return finder.find(scan)


def _matched(scan: Scan, found: Sequence[Found], known: Sequence[Mark]) -> list[Mark]:
    """Marks of a scan: known lesions first, in their order, then the rest, numbered on, as new.

    The nearest pairs are matched first. What lies as near to a known lesion that is already matched, or touches it, is
    a part of it that stands out by itself, and not new: the rim about a dead core has several summits.
    """
    pairs = sorted(
        (math.dist(item.at_mm, mark.at_mm), number, mark.id)
        for number, item in enumerate(found)
        for mark in known
        if math.dist(item.at_mm, mark.at_mm) <= SAME_WITHIN_MM + _radius_mm(mark)
    )
    place: dict[str, int] = {}
    for _, number, name in pairs:
        if name not in place and number not in place.values():
            place[name] = number
    marks = [
        replace(mark, **_seen(scan, found[place[mark.id]]), seen=True)
        if mark.id in place
        else replace(mark, region=_around(scan, mark.at_mm), seen=False)
        for mark in known
    ]
    near_known = {number for _, number, _ in pairs}
    near_known |= _touching(found, set(place.values()))
    for number, item in enumerate(found):
        if number not in place.values():
            name = f"M{len(marks) + 1:02d}"
            marks.append(Mark(id=name, organ=item.organ, is_new=number not in near_known, **_seen(scan, item)))
    return [mark for mark in marks if mark.region.mask.any()]


def _touching(found: Sequence[Found], known: set[int]) -> set[int]:
    """Numbers of the findings whose voxels touch those of `known` findings, or of others that do."""
    reached, edge = set(known), set(known)
    while edge:
        edge = {
            number
            for number, item in enumerate(found)
            if number not in reached and any(_touch(item.region, found[other].region) for other in edge)
        }
        reached |= edge
    return reached


def _touch(one: Region, other: Region) -> bool:
    """Whether a voxel of one region is a neighbour of one of the other's."""
    from scipy import ndimage

    if any(a.start > b.stop or b.start > a.stop for a, b in zip(one.box, other.box, strict=True)):
        return False
    low = [min(a.start, b.start) - 1 for a, b in zip(one.box, other.box, strict=True)]
    size = [max(a.stop, b.stop) + 1 - start for a, b, start in zip(one.box, other.box, low, strict=True)]
    masks = np.zeros((2, *size), dtype=np.bool_)
    for mask, region in zip(masks, (one, other), strict=True):
        box = (slice(piece.start - start, piece.stop - start) for piece, start in zip(region.box, low, strict=True))
        mask[tuple(box)] = region.mask
    return bool((ndimage.binary_dilation(masks[0], np.ones((3, 3, 3), dtype=np.bool_)) & masks[1]).any())


def _seen(scan: Scan, item: Found) -> dict[str, Any]:
    volume_ml = float(np.count_nonzero(item.region.mask)) * scan.pet.grid.voxel_ml
    return {"region": item.region, "at_mm": item.at_mm, "volume_ml": volume_ml}


def _around(scan: Scan, at_mm: Triple) -> Region:
    """The ball in which a lesion is read again that no longer stands out; empty outside the field of view.

    Physiological organs and their spill are left out; where they fill the ball, what lies farthest from them is read.
    """
    grid, radii, reach_mm = scan.pet.grid, (READ_AGAIN_MM, READ_AGAIN_MM, READ_AGAIN_MM), spill_mm(scan)
    box = ellipsoid_box(grid, at_mm, radii)
    ball = ellipsoid_mask(grid, at_mm, radii, box)
    away = mm_from_physiological(scan, box, 2.0 * reach_mm)
    clear = ball & (away > reach_mm)
    return Region(box, clear if clear.any() else ball & (away == away.max(where=ball, initial=0.0)))


def _radius_mm(mark: Mark) -> float:
    return float(np.cbrt(3000.0 * mark.volume_ml / (4.0 * math.pi)))


def _targets(scan: Scan, marks: Sequence[Mark]) -> tuple[str, ...]:
    """The marks that seem hottest, at most five and two an organ."""
    ranked = sorted(marks, key=lambda mark: -lesion_peak(scan, mark) * mark.appeal)
    return _at_most([(mark.id, mark.organ) for mark in ranked])


def _true_targets(scan: Scan) -> tuple[str, ...]:
    """The planted lesions that a perfect reader of the truth would follow."""
    peaks = [(true_peak(scan, lesion) or 0.0, lesion) for lesion in lesions_in_view(scan)]
    ranked = sorted(peaks, key=lambda item: -item[0])
    return _at_most([(lesion.id, lesion.organ) for _, lesion in ranked])


def _at_most(ranked: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    chosen: list[str] = []
    organs: list[str] = []
    for name, organ in ranked:
        if len(chosen) < MOST_TARGETS and organs.count(organ) < MOST_PER_ORGAN:
            chosen.append(name)
            organs.append(organ)
    return tuple(chosen)
