"""Implicit shapes: every field is negative inside, and its size near the surface is close to a distance in mm.

Coordinates are canonical: millimetres of a standard body of 1.75 m with x to the patient's right, y to the front, z to
the head, and the origin midway between the hip joints. A patient's body is a scaled standard body (see `frame`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Point = tuple[float, float, float]
Path = Sequence[Point]
Box = tuple[float, float, float, float, float, float]
Rows = tuple[tuple[float, ...], ...]

FAR = 1e3
_TAPS_MM = (-14.0, -7.0, 0.0, 7.0, 14.0)


@dataclass(frozen=True, slots=True)
class Space:
    """Sample points: canonical coordinates shaped (X, 1, 1), (1, Y, 1), (1, 1, Z) so that they broadcast."""

    x: Array
    y: Array
    z: Array

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of samples along x, y, z."""
        return self.x.size, self.y.size, self.z.size


def profile(z: Array, rows: Rows, column: int) -> Array:
    """Column of a table whose column 0 is z: linear between rows, then rounded off over 28 mm so that no edge shows."""
    heights, values = _rounded(rows, column)
    return np.interp(z, heights, values).astype(np.float32)


@cache
def _rounded(rows: Rows, column: int) -> tuple[Array, Array]:
    heights = [row[0] for row in rows]
    dense = np.arange(heights[0] - 20.0, heights[-1] + 21.0, 2.0)
    taps = [np.interp(dense + tap, heights, [row[column] for row in rows]) for tap in _TAPS_MM]
    return dense, np.mean(taps, axis=0)


def section(space: Space, rows: Rows, squareness: float = 0.6) -> Array:
    """A body whose cross-section at each height is an oval; `rows` are (z, half width, front y, back y).

    `squareness` 0 is an ellipse; towards 1 the oval fills its box. Returns the radial distance to the surface; the body
    ends flat at its first and last row.
    """
    half_width, front, back = (profile(space.z, rows, column) for column in (1, 2, 3))
    side = oval(space, half_width, front, back, squareness)
    return np.maximum(side, np.maximum(rows[0][0] - space.z, space.z - rows[-1][0]))


def oval(space: Space, half_width: Array, front: Array, back: Array, squareness: float) -> Array:
    """As `section`, from the profiles themselves, each shaped (1, 1, Z)."""
    dy = space.y - (front + back) / 2.0
    u = (space.x / half_width) ** 2
    v = (dy / ((front - back) / 2.0)) ** 2
    radius = np.sqrt(np.sqrt(u * u + v * v + np.float32(2.0 - 2.0 * squareness) * u * v) + np.float32(1e-8))
    rho = np.sqrt(space.x**2 + dy**2)
    return np.asarray(rho - rho / radius)


def ellipsoid(space: Space, center: Point, semi_axes: Point, turn: Array | None = None) -> Array:
    """An ellipsoid; the rows of `turn` (3, 3) are the directions of its axes (the coordinate axes when left out)."""
    offsets = (space.x - center[0], space.y - center[1], space.z - center[2])
    squared: Any = 0.0
    for axis, semi in enumerate(semi_axes):
        along: Any = offsets[axis]
        if turn is not None:
            unit = turn[axis] / np.linalg.norm(turn[axis])
            along = sum(float(weight) * offset for weight, offset in zip(unit, offsets, strict=True))
        squared = squared + (along / np.float32(semi)) ** 2
    mean = float(np.cbrt(np.prod(semi_axes)))
    return np.asarray((np.sqrt(squared) - 1.0) * np.float32(mean))


def tube(space: Space, points: Path, radii: Sequence[float] | float, reach: float = 24.0) -> Array:
    """A chain of round cones through `points`; exact to `reach` mm outside the surface, and `reach` beyond."""
    sizes = [float(radii)] * len(points) if isinstance(radii, (int, float)) else [float(r) for r in radii]
    field = np.full(space.shape, reach, dtype=np.float32)
    for start, end, r0, r1 in zip(points[:-1], points[1:], sizes[:-1], sizes[1:], strict=True):
        near = tuple(
            _window(axis, min(a, b) - max(r0, r1) - reach, max(a, b) + max(r0, r1) + reach)
            for axis, a, b in zip((space.x, space.y, space.z), start, end, strict=True)
        )
        if all(piece.stop > piece.start for piece in near):
            part = Space(space.x[near[0]], space.y[:, near[1]], space.z[:, :, near[2]])
            field[near] = np.minimum(field[near], _cone(part, start, end, r0, r1))
    return field


def _window(axis: Array, low: float, high: float) -> slice:
    first, last = np.searchsorted(axis.ravel(), (low, high))
    return slice(int(first), int(last))


def _cone(space: Space, start: Point, end: Point, r0: float, r1: float) -> Array:
    span = np.subtract(end, start)
    length2 = max(float(span @ span), 1e-6)
    dx, dy, dz = space.x - start[0], space.y - start[1], space.z - start[2]
    t = np.clip((dx * float(span[0]) + dy * float(span[1]) + dz * float(span[2])) / length2, 0.0, 1.0)
    gap = (dx - t * float(span[0])) ** 2 + (dy - t * float(span[1])) ** 2 + (dz - t * float(span[2])) ** 2
    return np.asarray(np.sqrt(gap) - (r0 + t * (r1 - r0)), dtype=np.float32)


def plane(space: Space, point: Point, normal: Point) -> Array:
    """The half space on the far side of `normal` from `point`: negative against the normal's direction."""
    n = np.asarray(normal) / np.linalg.norm(normal)
    return np.asarray(
        (space.x - point[0]) * float(n[0]) + (space.y - point[1]) * float(n[1]) + (space.z - point[2]) * float(n[2])
    )


def melt(first: Array, second: Array, width: float) -> Array:
    """Union of two shapes with a fillet of about `width` mm (Quilez' polynomial smooth minimum)."""
    share = np.maximum(1.0 - np.abs(first - second) / width, 0.0)
    return np.asarray(np.minimum(first, second) - share * share * (width / 4.0))


def melt_in(
    field: Array, space: Space, z_range: tuple[float, float], shape: Callable[[Space], Array], width: float
) -> None:
    """`melt` a shape into `field` in place, for z in `z_range` only."""
    near = _window(space.z, *z_range)
    if near.stop > near.start:
        part = Space(space.x, space.y, space.z[:, :, near])
        field[:, :, near] = melt(field[:, :, near], shape(part), width)


def both(*fields: Array) -> Array:
    """Where all shapes overlap."""
    result = fields[0]
    for field in fields[1:]:
        result = np.maximum(result, field)
    return result


def mirrored(points: Path) -> tuple[Point, ...]:
    """The same points on the other side of the body."""
    return tuple((-x, y, z) for x, y, z in points)
