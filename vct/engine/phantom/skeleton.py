"""Bones: vertebrae one by one, sacrum, curved ribs, sternum, shoulder girdle, pelvis, limbs, skull.

Positions and sizes (canonical mm) are assumed after anatomical atlases; the tests hold the volumes against hedyPET's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from vct.engine.phantom.frame import HEAD_CENTER, Build, cage, head_size, spine_y
from vct.engine.phantom.paint import Hounsfield, Piece, chain
from vct.engine.phantom.space import (
    Array,
    Box,
    Path,
    Point,
    Rows,
    Space,
    both,
    ellipsoid,
    mirrored,
    oval,
    plane,
    profile,
    section,
    tube,
)

SIDES = (("right", 1.0), ("left", -1.0))

_HEIGHTS = (
    ("L5", 36), ("L4", 37), ("L3", 37), ("L2", 36), ("L1", 35), ("T12", 28), ("T11", 27), ("T10", 26), ("T9", 25),
    ("T8", 24), ("T7", 23.5), ("T6", 23), ("T5", 22.5), ("T4", 22), ("T3", 22), ("T2", 21.5), ("T1", 21), ("C7", 18),
    ("C6", 17), ("C5", 17), ("C4", 17), ("C3", 17), ("C2", 22), ("C1", 15),
)  # fmt: skip
_LOWEST_MM = 85.0
_BODY: Rows = (  # vertebral body: z, half width, half depth, length of the spinous process
    (85, 27, 18, 26), (180, 25, 17.5, 30), (266, 23, 16.5, 28), (345, 19, 16, 31), (430, 17, 14.5, 31),
    (552, 17, 10.5, 32), (674, 12, 8, 18),
)  # fmt: skip
_SACRUM: Rows = (
    (-40, 6, -65, -73), (-12, 16, -76, -90), (18, 32, -75, -99), (50, 46, -63, -102), (74, 50, -52, -95),
    (90, 30, -48, -78),
)  # fmt: skip
_STERNUM: Rows = ((335, 6), (352, 9), (362, 18), (440, 17), (465, 20), (478, 29), (510, 30))
_RIB_TILT = (0.55, 0.5, 0.46, 0.44, 0.43, 0.42, 0.42, 0.42, 0.42, 0.4, 0.36, 0.3)
_RIB_END_Y = (8.0, 22.0, 36.0, 44.0, 48.0, 52.0, 54.0, 50.0, 38.0, 14.0, -30.0, -66.0)
_CARTILAGE_Z = (492.0, 458.0, 438.0, 418.0, 398.0, 380.0, 364.0)
_RIB_ROOT_Y = -92.0


def vertebra_spans() -> dict[str, tuple[float, float]]:
    """z of the lower and upper face of every vertebra."""
    spans, low = {}, _LOWEST_MM
    for name, height in _HEIGHTS:
        spans[name] = (low, low + height)
        low += height
    return spans


def bone_hu(spongy: float, cortical: float, shell_mm: float = 3.0) -> Hounsfield:
    """Attenuation that rises from the spongy inside to the cortical surface over `shell_mm` (the latter assumed)."""

    def attenuation(_: Space, depth: Array) -> Array:
        return np.asarray(spongy + (cortical - spongy) * np.clip(1.0 + depth / shell_mm, 0.0, 1.0))

    return attenuation


def pieces(build: Build) -> Iterator[Piece]:
    """All bones with the spinal canal, front to back."""
    spongy = build.trabecular_hu
    yield Piece(name="spinal_cord", field=_canal, box=(-12, 12, -120, -30, 70, 690))
    yield from _spine(spongy)
    sacrum = partial(section, rows=_SACRUM, squareness=0.2)
    yield Piece(name="sacrum", field=sacrum, box=(-60, 60, -110, -40, -45, 95), hu=bone_hu(0.7 * spongy, 420.0))
    yield from _chest(spongy)
    for name, side in SIDES:
        yield from _shoulder(name, side, build.shoulder, spongy)
        yield from _hip_and_leg(name, side, build.hip, spongy)
    yield from _head(build)


def _half(side: float, width: float) -> tuple[float, float]:
    """x range of one side of the body."""
    return (0.0, width) if side > 0.0 else (-width, 0.0)


def _sided(points: Path, side: float, width: float = 1.0) -> tuple[Point, ...]:
    return tuple((x * side * width, y, z) for x, y, z in points)


def _canal(space: Space) -> Array:
    center = spine_y(space.z) - profile(space.z, _BODY, 2) - 9.0
    return np.asarray(np.sqrt((space.x / 1.15) ** 2 + (space.y - center) ** 2) - 8.0)


def _spine(spongy: float) -> Iterator[Piece]:
    for name, (low, high) in vertebra_spans().items():
        y = float(spine_y(np.asarray((low + high) / 2.0)))
        yield Piece(
            name=f"vertebrae_{name}",
            field=partial(_vertebra, low=low, high=high),
            box=(-46, 46, y - 76, y + 24, low - 14, high + 3),
            hu=bone_hu(spongy, 380.0),
        )
        disc = partial(_disc, z=low)
        yield Piece(name="body", field=disc, box=(-30, 30, y - 30, y + 26, low - 5, low + 5), hu=85.0)


def _vertebra(space: Space, low: float, high: float) -> Array:
    """Body, arch around the canal, spinous and transverse processes."""
    middle, y = (low + high) / 2.0, spine_y(space.z)
    width, depth, length = (profile(space.z, _BODY, column) for column in (1, 2, 3))
    canal_y = y - depth - 9.0
    body = both(oval(space, width, y + depth, y - depth, 0.3), np.abs(space.z - middle) - ((high - low) / 2.0 - 2.5))
    arch = np.sqrt((space.x / 1.2) ** 2 + (space.y - canal_y) ** 2) - 14.5
    arch = both(arch, np.abs(space.z - middle) - 0.4 * (high - low))
    droop = middle - 0.25 * (canal_y - 10.0 - space.y)
    thorn = both(np.abs(space.x) - 4.0, np.abs(space.y - (canal_y - 8.0 - length / 2.0)) - length / 2.0)
    thorn = both(thorn, np.abs(space.z - droop) - 8.0)
    reach = 1.0 if low > 560.0 else 1.6 * float(np.interp(middle, (85, 266, 430, 552), (26, 21, 17, 18)))
    wing = both(np.sqrt((space.y - canal_y + 2.0) ** 2 + (space.z - middle - 3.0) ** 2) - 5.5, np.abs(space.x) - reach)
    return np.minimum(np.minimum(body, arch), np.minimum(thorn, wing))


def _disc(space: Space, z: float) -> Array:
    y, width, depth = spine_y(space.z), profile(space.z, _BODY, 1), profile(space.z, _BODY, 2)
    return both(oval(space, width, y + depth, y - depth, 0.3), np.abs(space.z - z) - 3.0)


def _rib_z(number: int, y: Array) -> Array:
    """z of the middle of a rib where it passes y: it sinks from its vertebra towards the front."""
    low, high = vertebra_spans()[f"T{number}"]
    return np.asarray((low + 2.0 * high) / 3.0 - _RIB_TILT[number - 1] * (y - _RIB_ROOT_Y))


def _rib(space: Space, number: int, side: float) -> Array:
    tilt = np.float32(np.hypot(1.0, _RIB_TILT[number - 1]))
    band = np.abs(space.z - _rib_z(number, space.y)) / tilt - 6.0
    shell = np.abs(cage(space) - 4.5) - 3.5
    return both(shell, band, space.y - _RIB_END_Y[number - 1], 14.0 - side * space.x)


def _cartilage(space: Space, number: int, side: float) -> Array:
    """From the rib's front end back up to the breastbone."""
    attached, end_y = _CARTILAGE_Z[number - 1], _RIB_END_Y[number - 1]
    end = float(_rib_z(number, np.asarray(end_y)))
    z = attached + (end - attached) * np.clip((side * space.x - 18.0) / 62.0, 0.0, 1.0)
    return both(np.abs(cage(space) - 4.5) - 4.0, np.abs(space.z - z) - 6.0, end_y - space.y, 14.0 - side * space.x)


def _chest(spongy: float) -> Iterator[Piece]:
    for name, side in SIDES:
        x = _half(side, 140.0)
        for number in range(1, 13):
            end_y, high = _RIB_END_Y[number - 1], vertebra_spans()[f"T{number}"][1]
            end = float(_rib_z(number, np.asarray(end_y)))
            yield Piece(
                name=f"rib_{name}_{number}",
                field=partial(_rib, number=number, side=side),
                box=(*x, -125, end_y + 2, end - 14, high + 22),
                hu=bone_hu(spongy, 480.0),
                detail_mm=4.0,
            )
            if number <= len(_CARTILAGE_Z):
                bottom, top = sorted((end, _CARTILAGE_Z[number - 1]))
                gristle = partial(_cartilage, number=number, side=side)
                yield Piece(name="costal_cartilages", field=gristle, box=(*x, end_y - 4, 100, bottom - 10, top + 10))
        arch = ((112, 16, 254), (98, 44, 272), (74, 64, 302), (48, 74, 330), (20, 77, 352))
        yield chain("costal_cartilages", _sided(arch, side), 6.5)
    yield Piece(name="sternum", field=_sternum, box=(-36, 36, 0, 100, 335, 515), hu=bone_hu(spongy, 330.0))


def _sternum(space: Space) -> Array:
    half_width = profile(space.z, _STERNUM, 1)
    plate = np.abs(cage(space) - 6.0) - 5.5
    return both(plate, np.abs(space.x) - half_width, np.abs(space.z - 424.0) - 84.0, -space.y)


def _shoulder(name: str, side: float, width: float, spongy: float) -> Iterator[Piece]:
    collar = ((22, 28, 498), (50, 36, 514), (92, 12, 530), (126, -16, 543), (148, -42, 551))
    yield chain(f"clavicula_{name}", _sided(collar, side, width), (9, 6.5, 6, 6, 7), hu=bone_hu(spongy, 600.0))
    yield Piece(
        name=f"scapula_{name}",
        field=partial(_scapula, side=side, width=width),
        box=(*_half(side, 170.0), -135, 0, 380, 570),
        hu=bone_hu(spongy, 550.0),
    )
    upper = ((152, -50, 514), (155, -46, 522), (162, -32, 562), (172, 0, 785))
    yield chain(f"humerus_{name}", _sided(upper, side, width), (22, 22, 12.5, 12), hu=bone_hu(40.0, 800.0, 6.0))
    lower = ((172, 2, 800), (146, 8, 1040), (127, 10, 1100))
    yield chain("body", _sided(lower, side, width), (13, 11, 9), hu=bone_hu(0.0, 700.0, 5.0))


def _scapula(space: Space, side: float, width: float) -> Array:
    """A triangular blade with its ridge and socket."""
    corners = np.asarray(_sided(((64, -110, 526), (92, -109, 392), (138, -60, 505)), side, width))
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    blade = np.abs(plane(space, tuple(corners[0]), tuple(normal))) - 4.2
    for first, second in ((0, 1), (1, 2), (2, 0)):
        edge = np.cross(corners[second] - corners[first], normal)
        inward = float(np.dot(edge, corners.mean(axis=0) - corners[first]))
        blade = both(blade, plane(space, tuple(corners[first]), tuple(edge if inward < 0.0 else -edge)))
    ridge = tube(space, _sided(((70, -116, 500), (112, -106, 526), (150, -62, 546)), side, width), (6, 7, 10))
    socket = tube(space, _sided(((120, -72, 500), (138, -54, 508), (130, -34, 526)), side, width), (10, 14, 7))
    return np.minimum(blade, np.minimum(ridge, socket))


def _hip_and_leg(name: str, side: float, width: float, spongy: float) -> Iterator[Piece]:
    x = _half(side, 190.0)
    yield Piece(
        name=f"femur_{name}",
        field=partial(_femur, side=side, width=width),
        box=(*x, -40, 30, -440, 30),
        hu=bone_hu(0.9 * spongy, 750.0, 5.0),
    )
    yield Piece(
        name=f"hip_{name}",
        field=partial(_hip, side=side, width=width),
        box=(0.8 * x[0], 0.8 * x[1], -100, 75, -92, 152),
        hu=bone_hu(0.8 * spongy, 480.0),
    )
    shin = _sided(((92, -14, -425), (91, -18, -480), (88, -24, -820), (88, 10, -880)), side)
    yield chain("body", shin, (24, 20, 14, 12), hu=bone_hu(0.0, 700.0, 5.0))


def _femur(space: Space, side: float, width: float) -> Array:
    head = ellipsoid(space, (88.0 * side * width, 0.0, 0.0), (24, 24, 24))
    neck = tube(space, _sided(((88, 0, 0), (112, -6, -14), (133, -14, -20)), side, width), (17, 15, 19))
    shaft = _sided(((134, -14, -24), (131, -12, -60), (118, -8, -200), (96, -12, -410)), side, width)
    return np.minimum(head, np.minimum(neck, tube(space, shaft, (20, 15, 14, 22))))


def _hip(space: Space, side: float, width: float) -> Array:
    """Iliac wing, cup of the joint, ischium and pubis."""
    joint: Point = (88.0 * side * width, 0.0, 0.0)
    hollow = 26.0 - np.sqrt((space.x - joint[0]) ** 2 + space.y**2 + space.z**2)
    cup = both(ellipsoid(space, joint, (39, 39, 39)), space.x * side - 100.0 * width)
    pillar = tube(space, _sided(((66, -40, 62), (82, -14, 36), (84, -2, 24)), side, width), (12, 17, 22))
    seat = tube(space, _sided(((78, -28, -12), (68, -44, -46), (58, -44, -70)), side, width), (15, 13, 17))
    upper = tube(space, _sided(((72, 20, 4), (44, 38, -8), (12, 42, -24)), side, width), (12, 8, 10))
    lower = tube(space, _sided(((54, -36, -76), (30, 8, -62), (11, 38, -42)), side, width), (9, 7, 8))
    socket = both(np.minimum(cup, pillar), hollow)
    return np.asarray(np.minimum.reduce([_wing(space, side, width), socket, seat, upper, lower]))


def _wing(space: Space, side: float, width: float) -> Array:
    """The iliac wing: a slightly hollow plate, thicker towards its rim."""
    joint, spike, crest = np.asarray(_sided(((46, -74, 78), (116, 48, 86), (112, -26, 136)), side, width))
    normal = np.cross(spike - joint, crest - joint)
    middle = _sided(((88, -14, 76),), side, width)[0]
    away = np.sqrt((space.x - middle[0]) ** 2 + (space.y - middle[1]) ** 2 + (space.z - middle[2]) ** 2)
    outward = np.sign(normal[0]) * side
    hollow = 0.0011 * away * away - 3.0
    plate = np.abs(plane(space, tuple(joint), tuple(normal)) * outward + hollow) - (3.2 + away / 22.0)
    return both(plate, away - 74.0, 8.0 - space.z)


def _head(build: Build) -> Iterator[Piece]:
    size = head_size(build)
    box: Box = (-92, 92, -105, 105, 650, 870)
    semi: Point = (65 * size, 82 * size, 76 * size)
    yield Piece(name="brain", field=partial(ellipsoid, center=HEAD_CENTER, semi_axes=semi), box=box)
    yield Piece(name="skull", field=partial(_skull, semi=semi), box=box, hu=bone_hu(400.0, 1000.0))


def _skull(space: Space, semi: Point) -> Array:
    """Vault around the brain, face with its cavities, lower jaw."""
    vault = ellipsoid(space, HEAD_CENTER, (semi[0] + 7.0, semi[1] + 7.0, semi[2] + 7.0))
    face = both(ellipsoid(space, (0, 58, 712), (46, 24, 30)), -ellipsoid(space, (0, 52, 712), (36, 18, 24)))
    half_jaw = ((44, 8, 706), (40, 22, 676), (26, 66, 668), (0, 78, 668))
    jaws = (tube(space, half_jaw, 7.0), tube(space, mirrored(half_jaw), 7.0))
    return np.asarray(np.minimum.reduce([vault, face, *jaws]))
