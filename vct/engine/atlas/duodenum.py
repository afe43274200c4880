"""The duodenum: a C round the head of the pancreas, from the bulb down on its right and back across the midline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.gut import stamp
from vct.engine.atlas.lattice import Field, Lattice

# from the middle of the pancreas's head, in mm (right, front, up); the last three are set from the midline instead
COURSE_MM = ((4, 14, 26), (22, 6, 24), (29, -3, 2), (27, -8, -26), (12, -6, -42))
CROSSING_MM = ((0, -3, -45), (-20, 1, -36), (-28, 6, -20))
HEAD_SHARE = 0.2
RADIUS_MM = 10.0
STEP_MM = 3.0


def draw_duodenum(
    pancreas: NDArray[np.bool_], room: NDArray[np.bool_], clearance: Field, lattice: Lattice, target_ml: float
) -> Field:
    """Depth inside the duodenum in mm (positive inside, at most `target_ml` of `room`); far outside without a pancreas.

    `clearance` (mm) is the distance from solid organs, off which the tube is pushed.
    """
    from scipy.interpolate import CubicSpline

    nothing = np.full(lattice.shape, -99.0, np.float32)
    points = np.argwhere(pancreas) * lattice.spacing_mm + np.array(lattice.origin_mm)
    if len(points) < 10:
        return nothing
    head = points[points[:, 0] >= np.quantile(points[:, 0], 1.0 - HEAD_SHARE)].mean(axis=0)
    crossing = np.array(CROSSING_MM, float) + head * np.array([0.0, 1.0, 1.0])
    knots = np.concatenate([head + np.array(COURSE_MM, float), crossing])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    line = CubicSpline(along, knots)(np.arange(0.0, along[-1], STEP_MM))
    line = _pushed(line, clearance, lattice)
    depth, _ = stamp(np.column_stack([line, np.full(len(line), 1.5 * RADIUS_MM), np.zeros(len(line))]), lattice)
    inside = np.sort(depth[room & (depth > 0)])[::-1]
    cells = int(target_ml / lattice.voxel_ml)
    limit = float(inside[cells]) if cells < inside.size else 0.0
    return np.where(room, depth - np.float32(limit), nothing)


def _pushed(line: NDArray[Any], clearance: Field, lattice: Lattice) -> NDArray[Any]:
    """The centre line moved off solid organs and smoothed, its ends held."""
    slopes: Any = np.gradient(clearance, lattice.spacing_mm)
    for _ in range(4):
        missing = np.clip(RADIUS_MM - lattice.at(clearance, line), 0.0, 8.0)
        line = line + 0.6 * missing[:, None] * np.stack([lattice.at(slope, line) for slope in slopes], axis=1)
        line[1:-1] = (line[:-2] + line[1:-1] + line[2:]) / 3.0
    return line
