"""The surfaces that everything hangs on: rib cage, diaphragm, abdominal cavity, lean body, skin.

All coordinates are canonical millimetres of a standard 1.75 m body lying on its back with raised arms (assumed: drawn
after textbook proportions of the trunk, checked against published organ and bone volumes in the tests).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vct.engine.phantom.space import (
    Array,
    Box,
    Point,
    Rows,
    Space,
    both,
    ellipsoid,
    melt,
    melt_in,
    oval,
    profile,
    section,
    tube,
)
from vct.records import Sex
from vct.volume import Triple

CAGE: Rows = (  # pleural surface: z, half width, front, back
    (190, 98, 68, -80), (230, 106, 73, -90), (270, 113, 77, -97), (310, 118, 79, -102), (350, 121, 78, -105),
    (400, 117, 69, -104), (445, 105, 54, -100), (480, 91, 39, -92), (505, 75, 25, -84), (525, 55, 12, -74),
    (540, 37, -2, -66), (552, 20, -18, -58),
)  # fmt: skip
CAVITY: Rows = (  # peritoneal and pelvic cavity, of a lean body
    (-75, 12, -24, -58), (-50, 24, -2, -68), (-20, 33, 20, -80), (10, 41, 33, -88), (40, 55, 43, -90),
    (70, 73, 47, -85), (100, 86, 45, -79), (140, 92, 43, -78), (180, 93, 47, -82), (215, 96, 56, -88),
    (250, 104, 66, -94), (290, 113, 74, -99), (340, 119, 77, -103), (400, 116, 68, -104),
)  # fmt: skip
TRUNK: Rows = (  # lean body without limbs: muscle surface
    (-95, 95, 14, -75), (-70, 122, 34, -92), (-40, 150, 50, -108), (0, 154, 60, -114), (40, 146, 66, -111),
    (90, 131, 66, -104), (130, 119, 65, -100), (165, 114, 66, -100), (200, 115, 73, -105), (250, 123, 85, -113),
    (300, 132, 93, -121), (345, 138, 94, -128), (400, 143, 87, -133), (450, 144, 75, -132), (490, 135, 59, -124),
    (515, 114, 44, -114), (540, 82, 31, -99), (565, 60, 21, -87),
)  # fmt: skip
FEMALE_WIDTH: Rows = (  # width of a woman's lean trunk over a man's: z, factor
    (-95, 1.05), (0, 1.09), (60, 1.05), (130, 0.97), (180, 0.94), (250, 0.95), (400, 0.97), (490, 0.95), (560, 0.93),
)  # fmt: skip
SPINE: Rows = (  # centre of the vertebral bodies: z, y
    (60, -66), (85, -56), (120, -45), (160, -39), (200, -41), (240, -49), (280, -60), (340, -73), (400, -81),
    (460, -79), (520, -67), (555, -57), (610, -44), (680, -40),
)  # fmt: skip
MUSCLE_GROWTH: Rows = (
    (-900, 0.3), (-480, 0.6), (-200, 1.2), (0, 1.2), (100, 0.8), (200, 0.5), (300, 0.5), (420, 0.9), (520, 1.0),
    (580, 0.5), (660, 0.25), (900, 0.7),
)  # fmt: skip
FAT_GROWTH: dict[Sex, Rows] = {  # subcutaneous fat over the mean: z, all round, extra in front
    "F": (
        (-900, 0.15, 0.0), (-480, 0.5, 0.0), (-250, 0.9, 0.0), (-60, 1.35, -0.1), (20, 1.45, -0.05), (90, 1.3, 0.0),
        (170, 1.05, 0.05), (260, 0.85, 0.0), (400, 0.75, 0.0), (500, 0.65, 0.0), (560, 0.5, 0.0), (640, 0.25, 0.0),
        (900, 0.5, 0.0),
    ),
    "M": (
        (-900, 0.15, 0.0), (-480, 0.4, 0.0), (-250, 0.65, 0.0), (-60, 1.1, -0.1), (20, 1.3, -0.05), (90, 1.4, 0.05),
        (170, 1.25, 0.1), (260, 1.0, 0.0), (400, 0.85, 0.0), (500, 0.75, 0.0), (560, 0.5, 0.0), (640, 0.3, 0.0),
        (900, 0.45, 0.0),
    ),
}  # fmt: skip

HEAD_CENTER: Point = (0.0, 0.0, 762.0)
CAVITY_BOX: Box = (-200.0, 200.0, -115.0, 210.0, -80.0, 420.0)
_REACH = 200.0
_BELLY_SIDE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What makes one patient's body differ from the standard one.

    `scale` turns canonical mm into the patient's (x, y, z). `diaphragm_mm` lifts the diaphragm, `belly_mm` pushes the
    abdominal wall out, `muscle_mm` and `fat_mm` thicken muscle and subcutaneous fat (all canonical). `wobble` are
    standard normal numbers that shift and bend organs, `volumes_ml` the targets by the organ names of `tables`, and
    `chest_fat` is the thickness of the fat in the chest over the standard one.
    """

    sex: Sex
    scale: Triple
    volumes_ml: Mapping[str, float]
    wobble: Array
    chest_fat: float = 1.0
    trabecular_hu: float = 160.0
    lung_hu: float = -820.0
    diaphragm_mm: float = 0.0
    belly_mm: float = 0.0
    muscle_mm: float = 0.0
    fat_mm: float = 6.0

    @property
    def hip(self) -> float:
        """Width of the pelvis over a man's of the same trunk (assumed)."""
        return 1.09 if self.sex == "F" else 1.0

    @property
    def shoulder(self) -> float:
        """Width of the shoulders over a man's of the same trunk (assumed)."""
        return 0.94 if self.sex == "F" else 1.0


def spine_y(z: Array) -> Array:
    """y of the centre of the vertebral bodies."""
    return profile(z, SPINE, 1)


def cage(space: Space) -> Array:
    """Distance to the inner surface of the ribs."""
    return section(space, CAGE, 0.55)


def diaphragm(space: Space, build: Build) -> Array:
    """Height above the diaphragm: two domes, the right one higher, steep to the sides and the back."""
    domes = []
    for side, top in ((1.0, 372.0), (-1.0, 360.0)):
        dx = (space.x * side - 68.0) / np.where(space.x * side > 68.0, 64.0, 118.0).astype(np.float32)
        dy = (space.y - 6.0) / np.where(space.y > 6.0, 118.0, 102.0).astype(np.float32)
        domes.append(86.0 * (dx * dx + dy * dy) - top)
    return space.z + melt(domes[0], domes[1], 30.0) - build.diaphragm_mm


def belly_bulge(z: Array, belly_mm: float) -> Array:
    """How far the abdominal wall stands out: bellies grow around the navel and shrink from ribs to pelvis."""
    above, below = (95.0, 112.0) if belly_mm > 0.0 else (150.0, 140.0)
    return np.asarray(belly_mm * np.exp(-(((z - 155.0) / np.where(z > 155.0, above, below)) ** 2)), dtype=np.float32)


def cavity(space: Space, build: Build) -> Array:
    """Abdominal and pelvic cavity up to the diaphragm, bulging to the front and sides by `belly_mm`."""
    bulge = belly_bulge(space.z, build.belly_mm)
    half_width, front, back = (profile(space.z, CAVITY, column) for column in (1, 2, 3))
    wall = oval(space, half_width + _BELLY_SIDE * bulge, front + bulge, back, 0.6)
    return np.maximum(np.maximum(wall, CAVITY[0][0] - space.z), diaphragm(space, build))


def in_cavity(field: Array, space: Space, build: Build, gap_mm: float = 2.5) -> Array:
    """The part of a shape that lies in the cavity, `gap_mm` off its wall."""
    return np.maximum(field, cavity(space, build) + gap_mm)


def trunk_rows(sex: Sex) -> Rows:
    """`TRUNK` for either sex."""
    if sex == "M":
        return TRUNK
    heights, factors = zip(*FEMALE_WIDTH, strict=True)
    return tuple((z, a * float(np.interp(z, heights, factors)), *rest) for z, a, *rest in TRUNK)


def lean(space: Space, build: Build) -> Array:
    """Distance to the muscle surface of the body before `muscle_mm`: trunk, abdominal wall, neck, head and limbs."""
    field = np.array(np.broadcast_to(section(space, trunk_rows(build.sex), 0.55), space.shape))
    melt_in(field, space, (-100.0, 420.0), lambda s: cavity(s, build) - 13.0, 25.0)
    melt_in(field, space, (430.0, 2000.0), lambda s: _neck_and_head(s, head_size(build)), 60.0)
    melt_in(field, space, (-2000.0, 160.0), lambda s: _leg(s, build.hip), 50.0)
    melt_in(field, space, (380.0, 2000.0), lambda s: _arm(s, build.shoulder), 70.0)
    return field


def head_size(build: Build) -> float:
    """Size of the head, which follows the brain's volume, over the standard one."""
    brain_mm3 = build.volumes_ml["brain"] * 1000.0 / float(np.prod(build.scale))
    return float(np.cbrt(brain_mm3 / (4.0 / 3.0 * np.pi * 65.0 * 82.0 * 76.0)))


def _neck_and_head(space: Space, size: float) -> Array:
    neck = tube(space, ((0, -34, 540), (0, -28, 600), (0, -14, 668)), (58, 52, 55), _REACH)
    melt_in(neck, space, (560.0, 2000.0), lambda s: ellipsoid(s, (0, 46, 690), (50, 44, 46)), 30.0)
    melt_in(neck, space, (580.0, 2000.0), lambda s: ellipsoid(s, HEAD_CENTER, (75 * size, 93 * size, 94 * size)), 30.0)
    return neck


def _leg(space: Space, hip: float) -> Array:
    side = Space(np.abs(space.x), space.y, space.z)
    chain = (
        (88 * hip, -16, -20), (92 * hip, -14, -160), (92, -18, -430), (90, -30, -550), (86, -24, -810), (86, 20, -890),
    )  # fmt: skip
    leg = tube(side, chain, (84, 76, 54, 54, 30, 28), _REACH)
    melt_in(leg, side, (-200.0, 160.0), lambda s: ellipsoid(s, (66 * hip, -78, -8), (74, 48, 84)), 40.0)
    return leg


def _arm(space: Space, out: float) -> Array:
    side = Space(np.abs(space.x), space.y, space.z)
    chain = ((142 * out, -48, 496), (160 * out, -32, 548), (172 * out, 0, 800), (145, 10, 1040), (125, 10, 1110))
    return tube(side, chain, (43, 42, 34, 24, 20), _REACH)


def muscle_growth(space: Space) -> Array:
    """How much the lean body thickens per mm of `muscle_mm`."""
    return profile(space.z, MUSCLE_GROWTH, 1)


def fat_growth(space: Space, build: Build) -> Array:
    """How much subcutaneous fat lies at a point per mm of `fat_mm`; less under the back, which lies on the table."""
    rows = FAT_GROWTH[build.sex]
    front = space.y / np.sqrt(space.y**2 + np.float32(60.0**2))
    arm = np.clip((np.abs(space.x) - 130.0) / 40.0, 0.0, 1.0) * np.clip((space.z - 500.0) / 40.0, 0.0, 1.0)
    return np.maximum(profile(space.z, rows, 1) + (profile(space.z, rows, 2) + 0.2) * front, 0.12) * (1.0 - 0.4 * arm)


def muscle(space: Space, build: Build) -> Array:
    """Distance to the surface of the lean body."""
    return lean(space, build) - build.muscle_mm * muscle_growth(space)


def muscle_gaps(space: Space, build: Build, step_mm: float) -> Array:
    """Share of fat (0 to 1) in the thin sheets between muscles of chest wall, buttock and thigh; for the CT only."""
    gaps = np.full(space.shape, np.float32(99.0))
    melt_in(gaps, space, (340.0, 512.0), _chest_gap, 0.1)
    melt_in(gaps, space, (-140.0, 110.0), lambda s: _seat_gap(s, build.hip), 0.1)
    melt_in(gaps, space, (-2000.0, -30.0), lambda s: _thigh_gap(s, build.hip), 0.1)
    width = max(1.6, 0.6 * step_mm)
    return np.asarray(np.exp(-((gaps / width) ** 2)) * (1.6 / width), dtype=np.float32)


def _chest_gap(space: Space) -> Array:
    return both(np.abs(cage(space) - 19.0), 58.0 - np.abs(space.x))


def _seat_gap(space: Space, hip: float) -> Array:
    side = Space(np.abs(space.x), space.y, space.z)
    return both(np.abs(ellipsoid(side, (74 * hip, -22, 30), (66, 66, 100))), space.y - 10.0)


def _thigh_gap(space: Space, hip: float) -> Array:
    """Three planes that fan out from the thigh bone."""
    bone_x = np.interp(space.z, (-420.0, -200.0, -40.0), (96.0, 116.0, 130.0)).astype(np.float32) * np.float32(hip)
    dx, dy = np.abs(space.x) - bone_x, space.y + 8.0
    sheets = []
    for angle in (2.2, 3.7, 5.3):
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        sheets.append(both(np.abs(dx * sin - dy * cos), 20.0 - dx * cos - dy * sin))
    return np.asarray(np.minimum.reduce(sheets))


def breasts(space: Space, build: Build) -> Array:
    """Women's breasts, lying on the chest and fallen a little to the sides."""
    side = Space(np.abs(space.x), space.y, space.z)
    size = float(np.cbrt(build.volumes_ml["breast"] / 560.0 / np.prod(build.scale)))
    return ellipsoid(side, (80, 82, 396), (66 * size, 40 * size, 62 * size))


def padded(muscle_field: Array, space: Space, build: Build) -> Array:
    """Distance to the inside of the skin, from that to the muscle: subcutaneous fat and breasts."""
    surface = muscle_field - build.fat_mm * fat_growth(space, build)
    if build.sex == "F":
        melt_in(surface, space, (300.0, 530.0), lambda s: breasts(s, build), 30.0)
    return surface
