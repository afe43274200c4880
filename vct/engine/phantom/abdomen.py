"""Belly and pelvis: solid organs, urinary tract, psoas, muscles of the back, visceral fat.

Courses and sizes are assumed after anatomical atlases; volumes follow `Build.volumes_ml`, and organs give way to each
other in the order in which they are listed. What is left of the cavity is visceral fat.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from vct.engine.phantom.frame import CAVITY_BOX, Build, cavity, diaphragm, in_cavity
from vct.engine.phantom.gut import bowel, duodenum, stomach
from vct.engine.phantom.paint import Piece, chain
from vct.engine.phantom.skeleton import SIDES
from vct.engine.phantom.space import Array, Path, Point, Rows, Space, both, ellipsoid, tube

_PANCREAS: Path = ((30, 10, 226), (26, 14, 244), (4, 20, 256), (-30, 10, 266), (-66, -18, 288))
_PORTAL: Path = ((-58, -18, 284), (-20, 8, 262), (8, 8, 252), (34, 18, 278))
_ADRENALS: dict[str, Path] = {
    "right": ((40, -38, 298), (46, -46, 284), (54, -54, 278)),
    "left": ((-30, -34, 300), (-38, -42, 288), (-50, -46, 282)),
}
_BACK: Path = (
    (22, -104, 20), (28, -98, 70), (34, -88, 130), (34, -88, 200), (32, -102, 260), (28, -116, 330), (26, -121, 400),
    (26, -118, 460), (26, -102, 530), (22, -86, 600), (20, -76, 660),
)  # fmt: skip
_BACK_R = (8, 16, 22, 22, 20, 16, 13, 13, 14, 14, 10)
_LIVER_X: Rows = (
    (-95, 1), (-75, 6), (-55, 30), (-20, 52), (0, 66), (30, 104), (68, 146), (98, 142), (118, 104), (140, 42), (160, 4),
)  # fmt: skip
_LIVER_Y: Rows = ((-100, 0.35), (-60, 0.65), (-20, 0.95), (20, 1.0), (80, 0.98))


def organs(build: Build, bladder_ml: float) -> Iterator[Piece]:
    """Organs of belly and pelvis, front to back."""
    yield _bladder(build, bladder_ml)
    yield _prostate(build) if build.sex == "M" else _uterus(build)
    yield from _kidneys(build)
    for name, points in _ADRENALS.items():
        yield chain(f"adrenal_gland_{name}", points, (3.0, 4.0, 2.5), target_ml=build.volumes_ml["adrenals"] / 2.0)
    yield chain("portal_vein_and_splenic_vein", _PORTAL, (4, 5, 6.5, 6))
    yield Piece(
        name="pancreas",
        field=lambda s: in_cavity(tube(s, _PANCREAS, (13, 14, 9, 9.5, 8)), s, build),
        box=(-95, 60, -45, 50, 195, 315),
        key="pancreas",
        target_ml=build.volumes_ml["pancreas"],
    )
    yield duodenum(build)
    yield from _upper(build)
    yield stomach(build)
    yield from bowel(build)


def visceral_fat(build: Build) -> Piece:
    """All of the cavity that no organ takes."""
    return Piece(name="torso_fat", field=partial(cavity, build=build), box=CAVITY_BOX, mode="around")


def psoas(build: Build) -> Iterator[Piece]:
    """Psoas with iliacus on both sides."""
    hip = build.hip
    core: Path = (
        (24, -48, 262), (36, -46, 190), (46, -40, 130), (62 * hip, -14, 66), (76 * hip, 22, 8), (88 * hip, 8, -44)
    )  # fmt: skip
    fan: Path = ((84 * hip, -30, 110), (84 * hip, 0, 60), (80 * hip, 20, 14))
    for name, flip in SIDES:

        def field(space: Space, flip: float = flip) -> Array:
            side = Space(space.x * flip, space.y, space.z)
            return np.minimum(tube(side, core, (7, 16, 20, 20, 16, 10)), tube(side, fan, (12, 16, 14)))

        x = (0.0, 125.0) if flip > 0.0 else (-125.0, 0.0)
        yield Piece(
            name=f"iliopsoas_{name}",
            field=field,
            box=(*x, -90, 60, -65, 285),
            key=f"iliopsoas_{name}",
            target_ml=build.volumes_ml["iliopsoas_muscle"] / 2.0,
        )


def back_muscles(build: Build) -> Iterator[Piece]:
    """The long muscles on both sides of the spine."""
    for name, flip in SIDES:
        points = tuple((x * flip, y, z) for x, y, z in _BACK)
        yield chain(f"autochthon_{name}", points, _BACK_R, target_ml=build.volumes_ml["autochthon_muscle"] / 2.0)


def _bladder(build: Build, volume_ml: float) -> Piece:
    """An egg on the pelvic floor that rises as it fills."""
    size = float(np.cbrt(volume_ml * 1000.0 / np.prod(build.scale) / (4.0 / 3.0 * np.pi * 1.15 * 0.95 * 0.92)))
    center: Point = (0.0, 16.0, -16.0 + 0.92 * size)
    semi: Point = (1.15 * size, 0.95 * size, 0.92 * size)
    return Piece(
        name="urinary_bladder",
        field=partial(ellipsoid, center=center, semi_axes=semi),
        box=(-semi[0], semi[0], center[1] - semi[1], center[1] + semi[1], -17.0, center[2] + semi[2]),
    )


def _prostate(build: Build) -> Piece:
    return Piece(
        name="prostate",
        field=partial(ellipsoid, center=(0, 6, -31), semi_axes=(22, 16, 17)),
        box=(-34, 34, -22, 34, -62, -8),
        key="prostate",
        target_ml=build.volumes_ml["prostate"],
    )


def _uterus(build: Build) -> Piece:
    tilt = 8.0 * float(build.wobble[0])
    points: Path = ((0, -22, -6), (tilt, -24, 22), (1.5 * tilt, -6, 46))
    return chain("uterus", points, (9, 14, 21), target_ml=build.volumes_ml["uterus"])


def _kidneys(build: Build) -> Iterator[Piece]:
    for index, (name, flip) in enumerate(SIDES):
        height = (226.0, 242.0)[index] + 0.4 * build.diaphragm_mm + 5.0 * float(build.wobble[2 + index])
        x = (15.0, 110.0) if flip > 0.0 else (-110.0, -15.0)
        yield Piece(
            name="renal_pelvis",
            field=partial(ellipsoid, center=(44 * flip, -54, height), semi_axes=(10, 7, 14)),
            box=(*x, -75, -30, height - 20, height + 20),
        )
        yield Piece(
            name=f"kidney_{name}",
            field=partial(_kidney, build=build, flip=flip, height=height),
            box=(*x, -110, -15, height - 85, height + 85),
            key=f"kidney_{name}",
            target_ml=build.volumes_ml["kidneys"] / 2.0,
        )


def _kidney(space: Space, build: Build, flip: float, height: float) -> Array:
    """A bean, upper pole tilted inwards, with a hilum towards the aorta."""
    turn = np.asarray(((0.96, 0.05, 0.22), (0.05, 0.97, -0.18), (-0.22, 0.18, 0.96)))
    side = Space(space.x * flip, space.y, space.z)
    bean = ellipsoid(side, (61, -61, height), (26, 24, 55), turn)
    return in_cavity(both(bean, -ellipsoid(side, (34, -48, height), (19, 16, 19))), space, build, 1.0)


def _upper(build: Build) -> Iterator[Piece]:
    """Gallbladder, spleen and liver, which move with the diaphragm."""
    lift = build.diaphragm_mm
    z = 234.0 + lift + 4.0 * float(build.wobble[4])
    yield Piece(
        name="gallbladder",
        field=lambda s: in_cavity(ellipsoid(s, (48, 44, z), (13, 19, 24)), s, build),
        box=(15, 85, 5, 90, z - 50, z + 50),
        key="gallbladder",
        target_ml=build.volumes_ml["gallbladder"],
    )
    tilt = np.asarray(((0.84, 0.5, 0.2), (-0.5, 0.86, -0.1), (-0.22, 0.0, 0.97)))
    yield Piece(
        name="spleen",
        field=lambda s: in_cavity(ellipsoid(s, (-92, -50, 280 + 0.9 * lift), (25, 38, 56), tilt), s, build),
        box=(-160, -20, -120, 40, 170 + lift, 400 + lift),
        key="spleen",
        target_ml=build.volumes_ml["spleen"],
    )
    yield Piece(
        name="liver",
        field=partial(_liver, build=build),
        box=(-130, 150, -115, 120, 90 + min(lift, 0.0), 400 + lift),
        key="liver",
        target_ml=build.volumes_ml["liver"],
    )


def _liver(space: Space, build: Build) -> Array:
    """A wedge under the diaphragm: thick on the right, thin on the left and there in front of the stomach only."""
    xs, across = zip(*_LIVER_X, strict=True)
    ys, deep = zip(*_LIVER_Y, strict=True)
    left = np.clip((space.y + 28.0) / 45.0, 0.02, 1.0) ** np.clip((12.0 - space.x) / 30.0, 0.0, 1.0)
    thickness = np.interp(space.x, xs, across) * np.interp(space.y, ys, deep) * left
    thickness = np.maximum(thickness, 1.0).astype(np.float32)
    depth = -diaphragm(space, build)
    return in_cavity((depth - thickness) * (55.0 / (thickness + 55.0)), space, build)
