"""Stomach, duodenum, colon and small bowel: tubes along bent courses that spread with the belly.

Courses are assumed after anatomical atlases. The gut's uptake is patchy, and its gas and contents show on the CT.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from vct.engine.phantom.frame import CAVITY_BOX, Build, belly_bulge, in_cavity
from vct.engine.phantom.paint import Hounsfield, Piece
from vct.engine.phantom.space import Array, Path, Point, Space, tube

_STOMACH: Path = ((-52, -40, 314), (-64, -24, 290), (-62, 4, 262), (-44, 26, 238), (-12, 36, 224), (20, 32, 224))
_STOMACH_R = (30, 32, 27, 23, 17, 11)
_DUODENUM: Path = ((20, 34, 226), (46, 24, 234), (54, 2, 214), (46, -8, 190), (12, -2, 182), (-14, 6, 194))
_DUODENUM_R = (11, 12, 12, 11, 11, 10)
_COLON: Path = (
    (74, 2, 90), (78, -10, 134), (78, -18, 176), (76, 6, 202), (48, 34, 190), (8, 40, 172), (-36, 40, 186),
    (-74, 24, 228), (-88, -20, 254), (-86, -38, 216), (-82, -32, 160), (-76, -6, 108), (-52, 14, 70), (-26, -8, 56),
    (2, 0, 74), (18, -30, 66), (6, -62, 54), (0, -70, 18), (0, -64, -32), (0, -52, -66),
)  # fmt: skip
_COLON_R = (25, 22, 20, 19, 18, 17, 17, 18, 18, 15, 14, 14, 13, 13, 13, 13, 15, 19, 17, 8)
_LOOPS = ((30.0, (158, 131, 104, 77, 52)), (9.0, (34, 62, 90, 118, 144)), (-10.0, (154, 130, 106, 82)))
_GAS_HU, _CONTENT_HU = -800.0, 10.0  # assumed
_WALL_HU = 38.0  # assumed


def stomach(build: Build) -> Piece:
    """The stomach, with gas in front as in a patient who lies on the back."""
    lift = 0.6 * build.diaphragm_mm
    course = tuple((x, y, z + lift) for x, y, z in _STOMACH)
    return Piece(
        name="stomach",
        field=lambda s: in_cavity(tube(s, course, _STOMACH_R), s, build),
        box=(-130, 60, -105, 110, 165 + lift, 385 + lift),
        key="stomach",
        target_ml=build.volumes_ml["stomach"],
        hu=lambda s, depth: _contents(depth, np.clip((s.y - 34.0) / 6.0, 0.0, 1.0)),
    )


def duodenum(build: Build) -> Piece:
    """The C around the head of the pancreas."""
    return Piece(
        name="duodenum",
        field=lambda s: in_cavity(tube(s, _DUODENUM, _DUODENUM_R), s, build),
        box=(-40, 85, -35, 65, 155, 265),
        key="duodenum",
        target_ml=build.volumes_ml["duodenum"],
    )


def bowel(build: Build) -> Iterator[Piece]:
    """Colon, then small bowel."""
    course = _spread(_COLON, build, build.wobble[6:66].reshape(20, 3) * 3.0)
    loops = small_bowel_course(build)

    def haustra(space: Space) -> Array:
        ripple = 1.6 * np.sin(space.z / 5.2 + 0.4) * np.sin(space.x / 6.1)
        return in_cavity(tube(space, course, _COLON_R) + ripple, space, build)

    yield Piece(
        name="colon",
        field=haustra,
        box=CAVITY_BOX,
        key="colon",
        target_ml=build.volumes_ml["colon"],
        hu=_colon_hu(2.0 * build.wobble[30:32]),
        uptake=partial(_patchy, waves=build.wobble[160:180].reshape(5, 4), length_mm=80.0),
    )
    yield Piece(
        name="small_bowel",
        field=lambda s: in_cavity(tube(s, loops, 9.5), s, build),
        box=CAVITY_BOX,
        key="small_bowel",
        target_ml=build.volumes_ml["small_bowel"],
        uptake=partial(_patchy, waves=build.wobble[180:200].reshape(5, 4), length_mm=60.0),
    )


def small_bowel_course(build: Build) -> Path:
    """Centre line of the small bowel: loops that run to and fro in three layers between the colon's limbs."""
    points: list[Point] = []
    bends = build.wobble[66:156].reshape(30, 3)
    for layer, (y, rows) in enumerate(_LOOPS):
        for row, z in enumerate(rows):
            tilt, stretch, _ = bends[(5 * layer + row) % len(bends)].tolist()
            wide = float(np.interp(z, (40, 90, 160), (40, 58, 58))) + 4.0 * stretch
            across = np.linspace(-wide, wide, 6) * (1.0 if (row + layer) % 2 else -1.0)
            for step, x in enumerate(across.tolist()):
                dx, dy, dz = (4.5 * bends[len(points) % len(bends)]).tolist()
                points.append((x + dx, y + 6.0 * (-1.0) ** step + dy, z + 0.14 * tilt * x + dz))
    return _spread(points, build)


def _spread(course: Path, build: Build, bends: Array | None = None) -> Path:
    """Move the gut with the wall of a bulging belly, and bend it by `bends` (N, 3) mm."""
    points = np.asarray(course, dtype=np.float64)
    bulge = belly_bulge(points[:, 2], build.belly_mm)
    forward = np.clip((points[:, 1] + 60.0) / 105.0, 0.0, 1.0)
    moved = points + np.stack([points[:, 0] * 0.75 * bulge / 95.0, 0.85 * forward * bulge, 0.0 * bulge], axis=1)
    x_y_z = moved if bends is None else moved + bends
    return tuple((x, y, z) for x, y, z in x_y_z.tolist())


def _contents(depth: Array, gas: Array) -> Array:
    """Attenuation of a hollow organ: wall outside, contents or gas (0 to 1) more than 4 mm inside."""
    lumen = np.clip((-depth - 4.0) / 3.0, 0.0, 1.0)
    return np.asarray(_WALL_HU + lumen * (_CONTENT_HU - _WALL_HU + gas * (_GAS_HU - _CONTENT_HU)))


def _colon_hu(phases: Array) -> Hounsfield:
    def attenuation(space: Space, depth: Array) -> Array:
        wave = np.sin(space.x / 21.0 + phases[0]) + np.sin(space.z / 26.0 + phases[1]) + 0.02 * (space.y - 10.0)
        return _contents(depth, np.clip((wave - 0.8) / 0.3, 0.0, 1.0))

    return attenuation


def _patchy(space: Space, waves: Array, length_mm: float) -> Array:
    """Uptake of the gut over its mean: some loops take up more than others (assumed).

    `waves` (N, 4) are random directions and phases of waves of about `length_mm`.
    """
    total: Array = np.zeros(space.shape, dtype=np.float32)
    for index, wave in enumerate(waves):
        turn = 2.0 * np.pi / length_mm * (0.7 + 0.15 * index)
        x, y, z = (turn * wave[:3] / np.linalg.norm(wave[:3])).astype(np.float32)
        total += np.sin(space.x * x + space.y * y + space.z * z + np.float32(3.0 * wave[3]))
    return np.asarray(np.exp(0.2 * total) / 1.05, dtype=np.float32)
