"""Chest: airway, great vessels, heart, oesophagus, thyroid, mediastinal fat, lungs with their vessels.

Courses and sizes are assumed after anatomical atlases; volumes follow `Build.volumes_ml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from vct.engine.phantom.frame import Build, cage, diaphragm
from vct.engine.phantom.paint import Field, Hounsfield, Piece, chain
from vct.engine.phantom.physiology import HEART_SHARES
from vct.engine.phantom.skeleton import SIDES
from vct.engine.phantom.space import Array, Box, Path, Point, Rows, Space, both, ellipsoid, mirrored, plane, tube

_AIRWAY: Path = ((0, -10, 650), (0, -22, 560), (1, -30, 500), (3, -36, 460))
_BRONCHI: tuple[Path, ...] = (
    ((3, -36, 460), (30, -40, 440), (46, -38, 428)),
    ((3, -36, 460), (-32, -42, 438), (-46, -40, 424)),
)
_GULLET: Path = (
    (0, -34, 650), (0, -40, 560), (-3, -50, 500), (-3, -54, 440), (-6, -50, 390), (-14, -40, 338), (-34, -32, 312),
)  # fmt: skip
_AORTA: Path = (
    (-4, 8, 414), (14, 16, 440), (14, 8, 468), (2, -12, 484), (-13, -36, 478), (-21, -54, 456), (-21, -60, 400),
    (-18, -53, 345), (-11, -42, 300), (-7, -28, 255), (-6, -16, 200), (-5, -16, 142),
)  # fmt: skip
_AORTA_R = (15, 15, 14.5, 13.5, 12.5, 12, 12, 11.5, 11, 10.5, 9.5, 8.5)
_CAVA: Path = ((20, -20, 140), (21, -22, 200), (24, -20, 250), (28, -6, 300), (28, 0, 345), (24, 2, 378))
_THYROID: Path = ((16, -16, 590), (18, -14, 570), (14, -8, 554))
_CHAINS: tuple[tuple[str, Path, tuple[float, ...]], ...] = (
    ("superior_vena_cava", ((28, 4, 400), (29, 8, 440), (25, 8, 476)), (10, 9, 8)),
    ("pulmonary_artery", ((-16, 32, 410), (-18, 18, 442), (-14, 0, 452), (20, -10, 448), (44, -24, 444)),
     (14, 13, 12, 9, 7)),
    ("pulmonary_artery", ((-14, 0, 452), (-34, -20, 452), (-46, -32, 442)), (12, 9, 7)),
    ("pulmonary_vein", ((-30, -30, 420), (-46, -40, 416)), (7, 5)),
    ("pulmonary_vein", ((14, -32, 420), (42, -38, 414)), (7, 5)),
    ("brachiocephalic_vein_right", ((25, 8, 476), (40, 12, 504)), (7, 6.5)),
    ("brachiocephalic_vein_left", ((25, 8, 476), (-8, 20, 486), (-40, 12, 504)), (7, 6.5, 6.5)),
    ("brachiocephalic_trunk", ((8, 0, 482), (24, -12, 512)), (6.5, 6)),
    ("common_carotid_artery_right", ((24, -12, 512), (26, -16, 560), (30, -14, 650)), (4.5, 4, 4)),
    ("common_carotid_artery_left", ((-6, -20, 486), (-24, -18, 540), (-30, -14, 650)), (4.5, 4, 4)),
    ("subclavian_artery_right", ((24, -12, 512), (50, -14, 526), (76, -20, 526)), (4, 3.5, 2.5)),
    ("subclavian_artery_left", ((-13, -32, 486), (-28, -24, 516), (-50, -14, 526), (-76, -20, 526)),
     (4.5, 4, 3.5, 2.5)),
)  # fmt: skip
_MEDIASTINUM: Rows = ((-110, 8), (-75, 17), (-58, 27), (-30, 31), (0, 28), (30, 21), (50, 14), (90, 11))
_HEART_SEMI = np.asarray((66.0, 50.0, 46.0))
_VENTRICLE_SEMI = np.asarray((46.0, 23.0, 23.0))
_LUNG_TWIGS = (
    (62, -50, 520), (70, -10, 505), (88, 20, 470), (95, -40, 470), (100, 35, 425), (106, -10, 430), (104, -70, 420),
    (100, -62, 360), (86, -88, 330), (60, -90, 300), (104, -20, 372), (64, 52, 400),
)  # fmt: skip
_OBLIQUE: tuple[Point, Point] = ((0.0, -90.0, 466.0), (0.0, 0.78, 1.0))
_HORIZONTAL: tuple[Point, Point] = ((0.0, 20.0, 420.0), (0.0, -0.15, 1.0))
_VESSEL_HU = 30.0  # assumed: unenhanced blood with its wall and air around it


def _heart_axes() -> Array:
    """(3, 3) unit directions: to the apex (left, front, down), towards the right ventricle, and across."""
    apex = np.asarray((-0.72, 0.42, -0.55)) / np.linalg.norm((-0.72, 0.42, -0.55))
    front = np.cross(np.cross(apex, (0.55, 0.83, 0.1)), apex)
    front /= np.linalg.norm(front)
    return np.stack([apex, front, np.cross(apex, front)])


_AXES = _heart_axes()


def vessels(build: Build) -> Iterator[Piece]:
    """Airway, vessels of chest and abdomen, oesophagus, thyroid."""
    volumes = build.volumes_ml
    yield Piece(
        name="trachea", field=_windpipe, box=(-55, 55, -55, 5, 415, 655), key="trachea", target_ml=volumes["trachea"]
    )
    yield chain("esophagus", _GULLET, 7.5)
    yield chain("aorta", _AORTA, _AORTA_R, target_ml=volumes["aorta"])
    yield chain("inferior_vena_cava", _CAVA, (9, 9.5, 10, 11, 12, 12), target_ml=volumes["inferior_vena_cava"])
    for name, points, radii in _CHAINS:
        yield chain(name, points, radii)
    yield from _iliac_vessels(build.hip)
    yield Piece(
        name="thyroid_gland",
        field=_thyroid,
        box=(-40, 40, -40, 15, 530, 610),
        key="thyroid",
        target_ml=volumes["thyroid"],
    )


def _windpipe(space: Space) -> Array:
    bronchi = (tube(space, points, (8, 6.5, 4.5)) for points in _BRONCHI)
    return np.asarray(np.minimum.reduce([tube(space, _AIRWAY, 8.0), *bronchi]))


def _thyroid(space: Space) -> Array:
    return np.minimum(tube(space, _THYROID, (5, 8, 6)), tube(space, mirrored(_THYROID), (5, 8, 6)))


def _iliac_vessels(hip: float) -> Iterator[Piece]:
    for name, side in SIDES:
        h = hip * side
        artery: Path = (
            (-5, -16, 142), (26 * h, -30, 104), (50 * h, -22, 62), (62 * h, 14, 22), (72 * h, 40, -24),
            (78 * h, 36, -140),
        )  # fmt: skip
        vein: Path = (
            (20, -20, 140), (30 * h, -42, 100), (46 * h, -34, 60), (54 * h, 4, 20), (62 * h, 34, -24),
            (70 * h, 26, -140),
        )  # fmt: skip
        yield chain(f"iliac_artery_{name}", artery, 4.5)
        yield chain(f"iliac_vena_{name}", vein, 5.5)


class _Heart:
    """The heart of one patient: a tilted egg that rides on the diaphragm, with its chambers."""

    def __init__(self, build: Build) -> None:
        scale = float(np.prod(build.scale))
        volume = build.volumes_ml["heart"] * 1000.0 / scale
        self.size = float(np.cbrt(volume / (4.0 / 3.0 * np.pi * np.prod(_HEART_SEMI))))
        self.fat_thickness = build.chest_fat
        self.center = np.asarray((-20.0, 12.0, 396.0 + 0.6 * build.diaphragm_mm))
        self.left = self.center + (12.0 * _AXES[0] - 15.0 * _AXES[1]) * self.size

    def box(self) -> Box:
        (x, y, z), reach = self.center, 78.0 * self.size
        return x - reach, x + reach, y - reach, y + reach, z - reach, z + reach

    def outer(self, space: Space) -> Array:
        return ellipsoid(space, tuple(self.center), tuple(_HEART_SEMI * self.size), _AXES)

    def ventricle(self, space: Space) -> Array:
        """The left ventricle: an egg that is open at the valves."""
        egg = ellipsoid(space, tuple(self.left), tuple(_VENTRICLE_SEMI * self.size), _AXES)
        return both(egg, -plane(space, tuple(self.left - 26.0 * self.size * _AXES[0]), tuple(_AXES[0])))

    def chamber(self, space: Space, apical: bool, anterior: bool) -> Array:
        """A quarter of the egg within the outer wall: ventricle or atrium, right (in front) or left (behind)."""
        base = plane(space, tuple(self.left - 22.0 * self.size * _AXES[0]), tuple(_AXES[0]))
        septum = plane(space, tuple(self.center - 2.0 * self.size * _AXES[1]), tuple(_AXES[1]))
        return both(self.outer(space) + 3.0, (-base if apical else base) + 2.0, (-septum if anterior else septum) + 1.5)

    def fat(self, space: Space) -> Array:
        return both(self.outer(space) - 5.0 * self.fat_thickness, cage(space))


def heart(build: Build) -> Iterator[Piece]:
    """Chambers, left ventricular wall, what is left of the heart, and the fat around it."""
    shape, total = _Heart(build), build.volumes_ml["heart"]
    box = shape.box()
    shapes: dict[str, Field] = {
        "heart_ventricle_left": shape.ventricle,
        "heart_myocardium": shape.ventricle,
        "heart_ventricle_right": partial(shape.chamber, apical=True, anterior=True),
        "heart_atrium_left": partial(shape.chamber, apical=False, anterior=False),
        "heart_atrium_right": partial(shape.chamber, apical=False, anterior=True),
        "heart": shape.outer,
    }
    for name, field in shapes.items():
        yield Piece(name=name, field=field, box=box, key=name, target_ml=HEART_SHARES[name] * total)
    yield Piece(name="torso_fat", field=shape.fat, box=box, mode="around")


def mediastinum(build: Build) -> Piece:
    """Fat between the lungs around everything in the middle of the chest."""

    def between(space: Space) -> Array:
        ys, halves = zip(*_MEDIASTINUM, strict=True)
        half = np.interp(space.y, ys, halves).astype(np.float32)
        upper = np.clip((space.z - 455.0) / 50.0, 0.0, 1.0) * 6.0
        return both(np.abs(space.x + 2.0) - (half + upper) * build.chest_fat, cage(space), -diaphragm(space, build))

    return Piece(name="torso_fat", field=between, box=(-45, 45, -130, 100, 290, 556), mode="around")


def lungs(build: Build) -> Iterator[Piece]:
    """The five lobes: all that is left of the rib cage above the diaphragm; vessels show on the CT only."""
    attenuation = _lung_hu(build.lung_hu)
    for name, side in SIDES:
        twigs = partial(_lung_vessels, side=side, bends=build.wobble[40:60])
        x = (30.0, 125.0) if side > 0.0 else (-125.0, -30.0)
        yield Piece(name=f"lung_lower_lobe_{name}", field=twigs, box=(*x, -105, 70, 290, 530), hu=_VESSEL_HU)
        box: Box = (
            (-2.0, 140.0, -130.0, 110.0, 200.0, 560.0) if side > 0.0 else (-140.0, 2.0, -130.0, 110.0, 200.0, 560.0)
        )
        lobes = ("middle", "upper", "lower") if side > 0.0 else ("upper", "lower")
        for lobe in lobes:
            field = partial(_lobe, build=build, side=side, lobe=lobe)
            yield Piece(name=f"lung_{lobe}_lobe_{name}", field=field, box=box, hu=attenuation)


def _lobe(space: Space, build: Build, side: float, lobe: str) -> Array:
    """A lung above its fissures; earlier lobes have taken their part."""
    lung = both(cage(space), -side * space.x, -diaphragm(space, build) - 1.5)
    if lobe == "lower":
        return lung
    lung = both(lung, -plane(space, *_OBLIQUE))
    return both(lung, plane(space, *_HORIZONTAL)) if lobe == "middle" else lung


def _lung_hu(mean: float) -> Hounsfield:
    def attenuation(space: Space, depth: Array) -> Array:
        """Denser at the back, where the lung of a lying patient is compressed (slope assumed)."""
        return np.broadcast_to(mean - 0.45 * (space.y + 15.0), depth.shape)

    return attenuation


def _lung_vessels(space: Space, side: float, bends: Array) -> Array:
    field = np.full(space.shape, np.float32(8.0))
    root: Point = (42.0 * side, -30.0, 436.0)
    for index, (x, y, z) in enumerate(_LUNG_TWIGS):
        bend = 7.0 * float(bends[index])
        fork: Point = ((0.45 * x + 22.0) * side, 0.5 * y - 15.0 + bend, 0.5 * (z + 436.0) + 0.5 * bend)
        twig: Point = ((0.6 * x + 14.0) * side, 0.85 * y + 2.0 * bend + 14.0, 0.85 * z + 70.0 - bend)
        field = np.minimum(field, tube(space, (root, fork, (x * side, y, z)), (5.5, 3.4, 1.4), 8.0))
        field = np.minimum(field, tube(space, (fork, twig), (2.8, 1.3), 8.0))
    return both(field, cage(space) + 3.0)
