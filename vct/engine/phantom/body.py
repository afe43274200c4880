"""A body: the order in which its pieces are painted, and the field of view that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vct.engine.phantom import abdomen, frame, skeleton, thorax
from vct.engine.phantom.frame import Build
from vct.engine.phantom.paint import Canvas, Piece, averaged_field, chain, filled, occupancy
from vct.engine.phantom.physiology import Traits
from vct.engine.phantom.space import Path
from vct.engine.phantom.tissue import TISSUES
from vct.records import Patient
from vct.volume import Grid

STANDARD_CM = 175.0
_BOTTOM_MM = -135.0
_SIDE_MM = 448.0
_WIDER_MM = 16.0
_RIM_MM = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A settled body: `levels` cut the shapes; `reach_mm` is half width, back and front in the torso field."""

    traits: Traits
    build: Build
    levels: Mapping[str, float]
    reach_mm: tuple[float, float, float]


def paint(body: Body, canvas: Canvas, bladder_ml: float, suv: Mapping[str, float]) -> None:
    """Paint the whole body on `canvas`, front to back; `suv` holds the uptake by structure."""
    build, hu = body.build, body.traits.hu
    for piece in (*hard_pieces(build), *soft_pieces(build, bladder_ml)):
        canvas.paint(piece, body.levels.get(piece.key, 0.0), hu[TISSUES[piece.name][1]], suv[piece.name])
    space, window = canvas.space()
    step = max(canvas.grid.spacing_mm)
    muscle = frame.muscle(space, build)
    padded = frame.padded(muscle, space, build)
    meat: Any = hu["muscle"]
    if canvas.with_images:
        meat = meat + frame.muscle_gaps(space, build, step) * (hu["fat"] - hu["muscle"])
    canvas.lay("skeletal_muscle", "around", window, occupancy(muscle, 0.0, step), meat, suv["skeletal_muscle"])
    wrapped = averaged_field(padded, step)
    canvas.lay("subcutaneous_fat", "around", window, filled(*wrapped, 0.0), hu["fat"], suv["subcutaneous_fat"])
    canvas.lay("skin", "around", window, filled(*wrapped, body.levels["skin"]), hu["skin"], suv["skin"])


def hard_pieces(build: Build) -> Iterator[Piece]:
    """Bones and vessels, which stay where they are when the body is settled."""
    yield from skeleton.pieces(build)
    yield from thorax.vessels(build)


def soft_pieces(build: Build, bladder_ml: float) -> Iterator[Piece]:
    """All other pieces inside the muscles, and breast tissue."""
    yield from thorax.heart(build)
    yield from abdomen.psoas(build)
    yield from abdomen.back_muscles(build)
    yield from abdomen.organs(build, bladder_ml)
    yield abdomen.visceral_fat(build)
    yield thorax.mediastinum(build)
    yield from thorax.lungs(build)
    yield from _fat_pockets(build)
    if build.sex == "F":
        yield Piece(
            name="breast",
            field=lambda s: frame.breasts(s, build) + 15.0,
            box=(-180.0, 180.0, 20.0, 200.0, 300.0, 520.0),
        )


def torso_grid(patient: Patient, body: Body, spacing_mm: float) -> Grid:
    """The torso at a voxel size: 448 mm square, wider in steps of 16 mm for large bodies."""
    half, back, front = body.reach_mm
    needed = 2.0 * max(half, (front - back) / 2.0) + 2.0 * _RIM_MM
    side = _SIDE_MM + _WIDER_MM * float(np.ceil(max(needed - _SIDE_MM, 0.0) / _WIDER_MM))
    low, high = field_mm(patient)
    across, along = max(2, round(side / spacing_mm)), max(2, round((high - low) / spacing_mm))
    first = spacing_mm / 2.0
    return Grid(
        shape=(across, across, along),
        spacing_mm=(spacing_mm, spacing_mm, spacing_mm),
        origin_mm=(first - side / 2.0, first - side / 2.0 + round((front + back) / 2.0), first + low),
    )


def field_mm(patient: Patient) -> tuple[float, float]:
    """z of the lower and upper end of the torso field: shoulders to pelvis, as AutoPET's crop.

    Length: 347.23 height [m] + 121.46 mm, fitted on 550 AutoPET studies (residual SD 17.5 mm).
    """
    low = _BOTTOM_MM * patient.height_cm / STANDARD_CM
    return low, low + 347.23 * patient.height_cm / 100.0 + 121.46


def _fat_pockets(build: Build) -> Iterator[Piece]:
    """Fat between muscles where nodes lie: armpits, above the collar bones, groins, beside the rectum."""
    for flip in (1.0, -1.0):
        hip, out = build.hip, build.shoulder
        chains: tuple[tuple[str, Path, tuple[float, ...]], ...] = (
            ("subcutaneous_fat", ((118, -14, 440), (126 * out, -24, 478), (134 * out, -26, 500)), (9, 17, 10)),
            ("subcutaneous_fat", ((36, -6, 530), (64, -22, 536), (92 * out, -26, 530)), (9, 11, 7)),
            ("subcutaneous_fat", ((70 * hip, 52, -2), (76 * hip, 52, -50)), (11, 12)),
            ("torso_fat", ((26, -62, -48), (34, -70, -70)), (14, 12)),
        )
        for name, points, radii in chains:
            yield chain(name, tuple((x * flip, y, z) for x, y, z in points), radii)
