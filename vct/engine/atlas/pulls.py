"""Pull fields: where the template's layers and the case's map are read for every point of the patient's lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vct.engine.atlas.case import Case, Organ
from vct.engine.atlas.fit import Fit
from vct.engine.atlas.frame import ORGAN_TISSUES
from vct.engine.atlas.lattice import Field, Lattice
from vct.engine.atlas.template import SHOULDER_MM

Points = tuple[Field, Field, Field]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulls:
    """Coordinates on a lattice, in the mm of the layer that is read there; `depth` is radius over the wall's."""

    frame: Points
    tubes: Points
    case: Points
    arms: tuple[Points, Points]
    depth: Field


def pull_fields(fitted: Fit, case: Case, lattice: Lattice, wave: Points, arm_angle_deg: float) -> Pulls:
    """All pull fields of a body; `wave` is the patient's own small displacement in mm."""
    x, y, z = lattice.axes_mm()
    moved = (x + wave[0], y + wave[1], z + np.float32(0.5) * wave[2])
    *frame, depth = fitted.to_template(*moved)
    to_frame = _float32(frame)
    return Pulls(
        frame=to_frame,
        tubes=_float32(_tube_points(fitted, case, moved, to_frame)),
        case=_float32(fitted.pose.to_case(*moved)),
        arms=(
            _arm_points(fitted, moved, to_frame, 1, arm_angle_deg),
            _arm_points(fitted, moved, to_frame, -1, arm_angle_deg),
        ),
        depth=np.asarray(depth, np.float32),
    )


def _float32(points: Any) -> Points:
    x, y, z = (np.asarray(value, np.float32) for value in points)
    return x, y, z


def _tube_points(fitted: Fit, case: Case, moved: Any, to_frame: Any) -> tuple[Any, Any, Any]:
    """Where the inner tubes are read: the frame's map, drawn towards the real organs' own places."""
    total = np.full(to_frame[0].shape, 0.35, np.float32)
    sums = [np.zeros(to_frame[0].shape, np.float32) for _ in range(3)]
    for organ in ORGAN_TISSUES:
        points = fitted.pose.points(case, case.labels == organ)
        for side in (1, -1) if organ == Organ.KIDNEY else (0,):
            known = fitted.frame.centers_mm.get((organ, side))
            part = points[np.sign(points[:, 0]) == side] if side else points
            if known is None or not len(part):
                continue
            at = part.mean(axis=0)
            pulled = np.array([float(v) for v in fitted.to_template(*(np.array(c) for c in at))[:3]])
            gap = np.clip(known - pulled, -45.0, 45.0)
            square = sum((m - c) ** 2 for m, c in zip(moved, at, strict=True))
            weight = np.exp(-square / (2 * 45.0**2)).astype(np.float32)
            total += weight
            for held, value in zip(sums, gap, strict=True):
                held += weight * np.float32(value)
    x, y, z = (f + s / total for f, s in zip(to_frame, sums, strict=True))
    return x, y, z


def _arm_points(fitted: Fit, moved: Any, to_frame: Any, side: int, angle_deg: float) -> Points:
    """Arm layer coordinates: the hanging arm turned up about the shoulder, at the patient's own shoulder."""
    shoulder = np.array(fitted.frame.template.shoulder_mm) * (side, 1, 1)
    square = sum((f - s) ** 2 for f, s in zip(to_frame, shoulder, strict=True))
    at = np.unravel_index(int(np.argmin(square)), square.shape)
    here = np.array([float(m[at]) for m in moved]) - 0.9 * np.array([float(f[at]) for f in to_frame]) + 0.9 * shoulder
    joint = np.array(SHOULDER_MM) * (side, 1, 1)
    turn = np.radians(angle_deg) * side
    unit = fitted.wall_scale
    dx, dy, dz = ((m - h) / unit for m, h in zip(moved, here, strict=True))
    cos, sin = np.cos(turn), np.sin(turn)
    return _float32((joint[0] + cos * dx - sin * dz, joint[1] + dy, joint[2] + sin * dx + cos * dz))
