"""One man's frame becomes two, arms up: a woman's skeleton by published sex differences, shoulder blades that follow.

Raised: of an arm's elevation the shoulder blade takes 0.43 degrees for each at the shoulder joint (Braman 2009,
PMC2841046), 45 of 150 degrees, of which 40 are drawn, so that it stays on the ribs. It turns in its own plane about the
shoulder, which rises by 22 mm as the clavicle's outer end does (about 10 degrees, assumed).

Female, at equal stature: bi-iliac breadth +4 % (Ruff 2000, Am J Phys Anthropol 113:461, recalled), the pelvis wider
still at inlet, spines and tuberosities, and an open pubic arch (subpubic angle about 85 against 65 degrees, recalled);
ribs that slope down more to the front and a rib cage of a tenth less volume, whose shape comes from women's own lungs
(Bellemare 2006, Respir Physiol Neurobiol 150:233; the slope's 4 degrees are assumed); a shorter body of the sternum
(Hyrtl's law); a spine of 7 % less breadth (vertebral bodies of about a fifth less cross-section, Gilsanz 1994,
recalled). The thickness of muscles and bones outside the cavity is scaled in `vct.engine.atlas.fit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.template import LAYERS, SHOULDER_MM, Template
from vct.engine.atlas.tissues import Tissue
from vct.structures import STRUCTURES

SCAPULA_TURN_DEG = 40.0
SCAPULAR_PLANE_DEG = 36.0
RISE_MM = np.array([-14.0, 0.0, 22.0])
OFF_RIBS_MM = 6.0
CLAVICLE_MM = 150.0
MUSCLE_COAT_MM = 8.0
RIB_SLOPE = float(np.tan(np.radians(4.0)))
BI_ILIAC = 0.04
SPINE_SHRINK = 0.07
SLAB = 24
Array = NDArray[Any]
Pull = Callable[[Array, Array, Array], tuple[Array, Array, Array]]


def feminine(template: Template) -> Template:
    """The template with a woman's skeleton; its shoulder joint moves with it."""
    out = warped(template, _to_male)
    point = np.array(template.shoulder_mm, float)
    for _ in range(4):
        point = point - (np.array([float(v) for v in _to_male(*point)]) - np.array(template.shoulder_mm))
    return replace(out, shoulder_mm=(float(point[0]), float(point[1]), float(point[2])))


def warped(template: Template, pull: Pull) -> Template:
    """Every layer read where `pull` says, nearest neighbour; `pull` takes and gives mm."""
    x, y, z = template.box()
    layers = {name: np.empty_like(getattr(template, name)) for name in LAYERS}
    origin, step = np.array(template.origin_mm), template.spacing_mm
    for start in range(0, len(z), SLAB):
        part = slice(start, min(start + SLAB, len(z)))
        points = pull(x[:, None, None], y[None, :, None], z[None, None, part])
        index = tuple(
            np.clip(np.rint((value - o) / step).astype(np.int32), 0, n - 1)
            for value, o, n in zip(points, origin, template.frame.shape, strict=True)
        )
        for name, layer in layers.items():
            layer[:, :, part] = getattr(template, name)[index]
    return replace(template, **layers)


def _to_male(x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    """Where a woman's point lies in the man's template (mm)."""
    x, y, z = np.broadcast_arrays(np.asarray(x, np.float32), np.asarray(y, np.float32), np.asarray(z, np.float32))
    wide = np.abs(x)
    out = wide - _pelvic_widening(wide, z)
    out = wide - _pelvic_widening(out, z)
    thorax = np.interp(z, (950.0, 1130.0), (0.0, 1.0))
    front = np.exp(-((x / 70.0) ** 2)) * np.interp(y, (110.0, 160.0), (0.0, 1.0))
    height = z + RIB_SLOPE * (y - 40.0) * thorax
    height = height - 12.0 * front * np.interp(z, (1040.0, 1150.0, 1330.0), (0.0, 1.0, 0.0))
    near = SPINE_SHRINK * np.exp(-((out / 45.0) ** 2) - ((y - 60.0) / 45.0) ** 2)
    near = near * np.interp(z, (900.0, 960.0), (0.0, 1.0))
    return np.sign(x) * out * (1.0 + near), 60.0 + (y - 60.0) * (1.0 + near), height


def _pelvic_widening(wide: Array, z: Array) -> Array:
    """How far (mm) a point of the pelvis at `wide` from the midline moves outward in a woman."""
    whole = BI_ILIAC * wide * np.interp(z, (700.0, 800.0, 985.0, 1060.0), (0.3, 1.0, 1.0, 0.0))
    ring = np.interp(z, (700.0, 770.0, 820.0, 850.0, 900.0, 985.0), (1.0, 10.0, 7.0, 5.0, 2.5, 0.0))
    share = wide / 55.0
    widening: Array = whole + ring * share**2 * np.exp(2.0 - 2.0 * share)
    return widening


def raised(template: Template) -> Template:
    """The template with shoulder blades and clavicles as they stand when the arms are up."""
    frame, names = template.frame.copy(), template.frame_name.copy()
    out = replace(template, frame=frame, frame_name=names)
    for side, sign in (("right", 1.0), ("left", -1.0)):
        if (template.frame_name == STRUCTURES[f"scapula_{side}"]).any():
            _turn_blade(out, side, sign)
            _lift_clavicle(out, side, sign)
    x, y, z = (float(value) for value in np.array(SHOULDER_MM) + RISE_MM)
    return replace(out, shoulder_mm=(x, y, z))


def _turn_blade(template: Template, side: str, sign: float) -> None:
    """Turn one shoulder blade and its coat of muscle upward, in place; ribs and cavity stay."""
    from scipy import ndimage

    number, step = STRUCTURES[f"scapula_{side}"], template.spacing_mm
    held = np.argwhere(template.frame_name == number)
    margin = round(80.0 / step)
    box = tuple(
        slice(max(int(a) - margin, 0), int(b) + margin + 1)
        for a, b in zip(held.min(axis=0), held.max(axis=0), strict=True)
    )
    frame, names = template.frame[box], template.frame_name[box]
    axes = [axis[part] for axis, part in zip(template.box(), box, strict=True)]
    blade = names == number
    codes = frame.copy()
    coat = (ndimage.distance_transform_edt(~blade) * step < MUSCLE_COAT_MM) & ((codes == Tissue.MUSCLE) | blade)
    solid = ndimage.gaussian_filter(blade.astype(np.float32), 0.6)
    frame[blade], names[blade] = Tissue.MUSCLE, STRUCTURES["skeletal_muscle"]
    at = np.meshgrid(sign * axes[0], axes[1], axes[2], indexing="ij")
    x, y, z = _lowered([value.astype(np.float32) for value in at])
    index = np.stack([(value - axis[0]) / step for value, axis in zip((sign * x, y, z), axes, strict=True)])
    bone = ndimage.map_coordinates(solid, index, order=1) > 0.3
    muscle = ndimage.map_coordinates(coat.view(np.uint8), index, order=0) > 0
    code = ndimage.map_coordinates(np.where(blade, codes, Tissue.CORTICAL), index, order=0, cval=int(Tissue.CORTICAL))
    soft = np.isin(frame, (Tissue.OUTSIDE, Tissue.FAT, Tissue.MUSCLE))
    frame[muscle & soft], names[muscle & soft] = Tissue.MUSCLE, STRUCTURES["skeletal_muscle"]
    frame[bone & soft], names[bone & soft] = code[bone & soft], number


def _lowered(points: list[Array]) -> tuple[Array, Array, Array]:
    """Where points of the raised right shoulder blade lay with the arm down: turned back in the scapular plane."""
    plane, turn = np.radians(SCAPULAR_PLANE_DEG), np.radians(SCAPULA_TURN_DEG)
    (ax, ay), (nx, ny) = (np.cos(plane), np.sin(plane)), (np.sin(plane), -np.cos(plane))
    joint = np.array(SHOULDER_MM)
    dx, dy, dz = (value - np.float32(at) for value, at in zip(points, joint + RISE_MM, strict=True))
    u, n = dx * ax + dy * ay, dx * nx + dy * ny - OFF_RIBS_MM
    back = u * np.cos(turn) + dz * np.sin(turn)
    height = -u * np.sin(turn) + dz * np.cos(turn)
    return joint[0] + back * ax + n * nx, joint[1] + back * ay + n * ny, joint[2] + height


def _lift_clavicle(template: Template, side: str, sign: float) -> None:
    """Raise the clavicle's outer end with the shoulder, column by column, in place."""
    frame, names, x = template.frame, template.frame_name, template.box()[0]
    number = STRUCTURES[f"clavicula_{side}"]
    bone = names == number
    columns = [int(i) for i in np.nonzero(bone.any(axis=(1, 2)))[0]]
    if not columns:
        return
    inner = min(sign * float(x[columns[0]]), sign * float(x[columns[-1]]))
    moved = [(i, np.argwhere(bone[i]), frame[i][bone[i]]) for i in columns]
    frame[bone], names[bone] = Tissue.MUSCLE, STRUCTURES["skeletal_muscle"]
    for i, rows, codes in moved:
        up = round(RISE_MM[2] * (sign * float(x[i]) - inner) / CLAVICLE_MM / template.spacing_mm)
        high = np.minimum(rows[:, 1] + up, frame.shape[2] - 1)
        free = frame[i][rows[:, 0], high] != Tissue.CAVITY
        frame[i][rows[free, 0], high[free]] = codes[free]
        names[i][rows[free, 0], high[free]] = number
