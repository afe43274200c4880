"""The body cavity in cylinder coordinates: how far the wall is from an axis, at every height and angle.

A template's wall is fitted to a real person's organs by the ratio of these two tables; inside the cavity radii scale,
outside the wall's thickness does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_ANGLES = 72
LEVEL_MM = 8.0
Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cage:
    """Wall radii in mm: `radius` (levels, angles), axis at x = 0 and y = `axis_y` (levels,), levels from `low_z_mm`.

    Angle 0 points right (+x), 90 degrees to the front (+y).
    """

    radius: Table
    axis_y: NDArray[np.float64]
    low_z_mm: float

    @property
    def levels_mm(self) -> NDArray[np.float64]:
        """Heights of the rows."""
        rows: NDArray[np.float64] = self.low_z_mm + LEVEL_MM * np.arange(len(self.axis_y), dtype=np.float64)
        return rows

    def volume_ml(self) -> float:
        """Volume inside the wall."""
        return float((0.5 * self.radius**2).sum() * (2 * np.pi / N_ANGLES) * LEVEL_MM / 1000.0)


def angles() -> NDArray[np.float64]:
    """Centres of the angle bins, radians."""
    turn: NDArray[np.float64] = (np.arange(N_ANGLES) + 0.5) * 2.0 * np.pi / N_ANGLES
    return turn


def reach(x: NDArray[Any], y: NDArray[Any], level: NDArray[Any], n_levels: int) -> Table:
    """Largest distance from the axis of points (x, y relative to it) in each (level, angle) bin; 0 where none falls."""
    bins = (np.mod(np.arctan2(y, x), 2 * np.pi) * (N_ANGLES / (2 * np.pi))).astype(int) % N_ANGLES
    table = np.zeros((n_levels, N_ANGLES))
    inside = (level >= 0) & (level < n_levels)
    np.maximum.at(table, (level[inside], bins[inside]), np.hypot(x, y)[inside])
    return table


def look_up(table: Table, level: NDArray[Any], angle: NDArray[Any]) -> NDArray[np.float32]:
    """Bilinear reading of a (levels, angles) table at fractional levels and angles in radians."""
    at_level = np.clip(level, 0, len(table) - 1.001)
    low = at_level.astype(np.int32)
    share = (at_level - low).astype(np.float32)
    turn = np.mod(angle * (N_ANGLES / (2 * np.pi)) - 0.5, N_ANGLES)
    left = turn.astype(np.int32) % N_ANGLES
    part = (turn - np.floor(turn)).astype(np.float32)
    right = (left + 1) % N_ANGLES
    rows = table.astype(np.float32)
    lower = rows[low, left] * (1 - part) + rows[low, right] * part
    upper = rows[low + 1, left] * (1 - part) + rows[low + 1, right] * part
    found: NDArray[np.float32] = lower * (1 - share) + upper * share
    return found


def smooth(table: Table, level_sigma_mm: float, angle_sigma_deg: float) -> Table:
    """Gaussian smoothing over heights and, periodically, over angles."""
    from scipy import ndimage

    along = ndimage.gaussian_filter1d(table, level_sigma_mm / LEVEL_MM, axis=0, mode="nearest")
    around: Table = ndimage.gaussian_filter1d(along, angle_sigma_deg * N_ANGLES / 360.0, axis=1, mode="wrap")
    return around


def fill_gaps(table: Table) -> Table:
    """Empty bins (0) take the value of their nearest filled bin, angles wrapping round."""
    from scipy import ndimage

    tiled = np.tile(table, (1, 3))
    if not (tiled > 0).any():
        return table
    index = ndimage.distance_transform_edt(tiled <= 0, sampling=(2.0, 1.0), return_distances=False, return_indices=True)
    filled: Table = tiled[tuple(index)][:, N_ANGLES : 2 * N_ANGLES]
    return filled


def template_cage(cavity: NDArray[np.bool_], axes_mm: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]) -> Cage:
    """The cage of a template's cavity mask; rows beyond the cavity repeat its last ones."""
    x, y, z = axes_mm
    i, j, k = np.nonzero(cavity)
    n_levels = int((z[-1] - z[0]) / LEVEL_MM) + 1
    level = ((z[k] - z[0]) / LEVEL_MM + 0.5).astype(int).clip(0, n_levels - 1)
    front, back = np.full(n_levels, -np.inf), np.full(n_levels, np.inf)
    np.maximum.at(front, level, y[j])
    np.minimum.at(back, level, y[j])
    known = np.nonzero(np.isfinite(front))[0]
    rows = np.arange(n_levels)
    axis_y = np.interp(rows, known, 0.55 * front[known] + 0.45 * back[known])
    axis_y = _smooth_line(axis_y, 30.0)
    table = reach(x[i], y[j] - axis_y[level], level, n_levels)
    table = smooth(np.maximum(fill_gaps(table), 12.0), 10.0, 6.0)
    return Cage(radius=table, axis_y=axis_y, low_z_mm=float(z[0]))


def _smooth_line(values: NDArray[Any], sigma_mm: float) -> NDArray[np.float64]:
    from scipy import ndimage

    line: NDArray[np.float64] = ndimage.gaussian_filter1d(values.astype(float), sigma_mm / LEVEL_MM, mode="nearest")
    return line
