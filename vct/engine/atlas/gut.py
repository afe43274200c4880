"""Bowel: a colon along a drawn course, and loops of small bowel that fill what room the abdomen has.

Loops are tubes round the lines where two random fields are both zero: such lines tangle without ends and without
crossing, as bowel does. The colon follows points given relative to the cavity's wall, pushed off solid organs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vct.engine.atlas.cage import LEVEL_MM, look_up
from vct.engine.atlas.fit import Fit
from vct.engine.atlas.lattice import Field, Lattice

LOOP_SIGMA_MM = 17.0
# height (0 pelvic floor, 1 lung base), angle in degrees (0 right, 90 front), distance over the wall's, radius in mm
COURSE = (
    (0.36, 35, 0.74, 21),
    (0.46, 22, 0.80, 24),
    (0.62, 8, 0.82, 22),
    (0.76, 5, 0.82, 20),
    (0.80, 30, 0.80, 19),
    (0.70, 55, 0.80, 18),
    (0.62, 90, 0.80, 18),
    (0.70, 125, 0.80, 17),
    (0.86, 158, 0.84, 16),
    (0.94, 182, 0.84, 15),
    (0.80, 184, 0.86, 14),
    (0.60, 176, 0.86, 13),
    (0.40, 160, 0.82, 13),
    (0.27, 140, 0.72, 14),
    (0.22, 105, 0.45, 15),
    (0.25, 60, 0.35, 15),
    (0.21, 275, 0.20, 15),
    (0.12, 270, 0.52, 17),
    (0.03, 270, 0.50, 17),
    (-0.06, 270, 0.38, 14),
)
RECTUM_FROM = 0.86


@dataclass(frozen=True, slots=True, kw_only=True)
class Gut:
    """Fields on a lattice. `colon_mm`, `loop_mm`, `duodenum_mm`: depth inside the tube (positive inside), `colon_s` in
    0..1, `loop_axis_mm`: distance from the nearest loop's axis."""

    lattice: Lattice
    colon_mm: Field
    colon_s: Field
    loop_mm: Field
    loop_axis_mm: Field
    duodenum_mm: Field


def course_points(fitted: Fit, rng: Generator) -> NDArray[np.float64]:
    """Knots (N, 4) of the colon in patient mm, with radius; between people they move and the middle part sags."""
    frame = fitted.frame
    z_rows, t_rows = fitted.knots_z
    low = float(np.interp(frame.pelvis_z_mm, t_rows, z_rows))
    high = float(np.interp(frame.base_z_mm, t_rows, z_rows))
    table = np.array(COURSE, float)
    n = len(table)
    sag = rng.normal(0.0, 0.09)
    heights = table[:, 0] + rng.normal(0, 0.018, n)
    heights[5:8] -= abs(sag) + 0.02
    heights[14:16] += rng.normal(0.04, 0.05)
    turn = table[:, 1] + rng.normal(0, 5.0, n)
    share = np.clip(table[:, 2] + rng.normal(0, 0.03, n), 0.05, 0.88)
    z = low + heights * (high - low)
    cage = fitted.cage
    wall = look_up(cage.radius, (z - cage.low_z_mm) / LEVEL_MM, np.radians(turn)).astype(float)
    axis = np.interp(z, cage.levels_mm, cage.axis_y)
    radius = table[:, 3] * np.exp(rng.normal(0, 0.1, n) + rng.normal(0, 0.12))
    room = np.maximum(wall - radius - 4.0, 5.0)
    reach = np.minimum(wall * share, room)
    return np.stack([reach * np.cos(np.radians(turn)), axis + reach * np.sin(np.radians(turn)), z, radius], axis=1)


def _tube(knots: NDArray[Any], clearance: Field, lattice: Lattice, rng: Generator) -> NDArray[np.float64]:
    """The colon's centre line (N, 5): place, radius with haustra, share of its length; kept clear of obstacles."""
    from scipy.interpolate import CubicSpline

    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots[:, :3], axis=0), axis=1))])
    s = np.arange(0.0, along[-1], 3.0)
    line = CubicSpline(along, knots)(s)
    wobble = sum(
        rng.normal(0, 5.0) * np.sin(s[:, None] / rng.uniform(25, 60) + rng.uniform(0, 6.28, 3)) for _ in range(3)
    )
    line[:, :3] += wobble
    slopes: list[Field] = list(np.gradient(clearance, lattice.spacing_mm))
    free = s / along[-1] < RECTUM_FROM
    for _ in range(6):
        missing = np.clip(line[:, 3] + 2.0 - lattice.at(clearance, line[:, :3]), 0.0, 8.0) * free
        push = np.stack([lattice.at(slope, line[:, :3]) for slope in slopes], axis=1)
        line[:, :3] += 0.7 * missing[:, None] * push
        line[2:-2, :3] = (line[:-4, :3] + line[1:-3, :3] + line[2:-2, :3] + line[3:-1, :3] + line[4:, :3]) / 5.0
    pitch = rng.uniform(24.0, 34.0)
    haustra = 1.0 + 0.16 * np.sin(2 * np.pi * s / pitch + rng.uniform(0, 6.28)) * (s / along[-1] < 0.75)
    return np.column_stack([line[:, :3], line[:, 3] * haustra, s / along[-1]])


def stamp(tube: NDArray[Any], lattice: Lattice) -> tuple[Field, Field]:
    """Depth inside the tube, and place along it, by painting its balls."""
    depth = np.full(lattice.shape, -99.0, np.float32)
    place = np.zeros(lattice.shape, np.float32)
    origin, step = np.array(lattice.origin_mm), lattice.spacing_mm
    for x, y, z, radius, share in tube:
        center = (np.array([x, y, z]) - origin) / step
        reach = (radius + 8.0) / step
        box = tuple(
            slice(max(int(c - reach), 0), max(min(int(c + reach) + 2, n), 0))
            for c, n in zip(center, lattice.shape, strict=True)
        )
        part = depth[box]
        if not part.size:
            continue
        i, j, k = (np.arange(piece.start, piece.stop) - c for piece, c in zip(box, center, strict=True))
        away = np.sqrt(i[:, None, None] ** 2 + j[None, :, None] ** 2 + k[None, None, :] ** 2) * step
        inside = (radius - away).astype(np.float32)
        better = inside > part
        part[better] = inside[better]
        place[box][better] = share
    return depth, place


def zero_lines(lattice: Lattice, rng: Generator, sigma_mm: float) -> Field:
    """Distance in mm (about) from the nearest line where two random fields of kernel `sigma_mm` are both zero."""
    first, second = zero_pair(lattice, rng, sigma_mm)
    away: Field = np.hypot(first, second)
    return away


def zero_pair(lattice: Lattice, rng: Generator, sigma_mm: float) -> tuple[Field, Field]:
    """Two random fields in mm: their root of summed squares is about the distance from their common zero lines."""
    first, second = lattice.noise(rng, sigma_mm), lattice.noise(rng, sigma_mm)
    steep = np.zeros(lattice.shape, np.float32)
    for field in (first, second):
        for slope in np.gradient(field, lattice.spacing_mm):
            steep += (slope * slope).astype(np.float32)
    slope_mm = np.sqrt(0.5 * steep + 1e-4)
    return first / slope_mm, second / slope_mm


def grow_gut(
    fitted: Fit,
    lattice: Lattice,
    room: NDArray[np.bool_],
    clearance: Field,
    preference: Field,
    duodenum: Field,
    targets_ml: tuple[float, float],
    rng: Generator,
) -> Gut:
    """Fill `room` (on `lattice`) with a colon and loops of the target volumes (colon, small bowel).

    `clearance` is the distance in mm from the nearest obstacle, `preference` says where loops lie (higher is better);
    the `duodenum` (depth in mm) is there already.
    """
    room = room & (duodenum <= 0)
    knots = course_points(fitted, rng)
    tube = _tube(knots, clearance, lattice, rng)
    depth, place = stamp(tube, lattice)
    have = float(np.count_nonzero((depth > 0) & room)) * lattice.voxel_ml
    if have > 0:
        scale = float(np.clip((targets_ml[0] / have) ** 0.5, 0.7, 1.3))
        tube[:, 3] *= scale
        depth, place = stamp(tube, lattice)
    free = room & (depth < -2.0)
    axis = zero_lines(lattice, rng, LOOP_SIGMA_MM)
    away = axis - 9.0 * preference
    drawn = float(np.count_nonzero((depth > 0) & room)) * lattice.voxel_ml
    cells = int(max(sum(targets_ml) - drawn, 0.3 * targets_ml[1]) / lattice.voxel_ml)
    values = np.sort(away[free])
    limit = float(values[min(cells, values.size - 1)]) if values.size else 0.0
    loops = np.where(free, limit - away, -9.0).astype(np.float32)
    return Gut(
        lattice=lattice,
        colon_mm=np.where(room, depth, np.minimum(depth, -1.0)),
        colon_s=place,
        loop_mm=loops,
        loop_axis_mm=axis,
        duodenum_mm=duodenum,
    )
