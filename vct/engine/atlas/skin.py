"""Fat under the skin: grown outward from the lean body until the target volume is reached.

The fat's thickness is proportional to a map of relative thickness (women carry it at hips, thighs and breast, men at
the belly; assumed proportions), so the volume below a threshold of distance over thickness is an order statistic and
no search is needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.lattice import Field, Lattice
from vct.records import Sex

SKIN_MM = 2.0
REACH_MM = 104.0


def relative_thickness(
    x: NDArray[Any], y: NDArray[Any], height: NDArray[Any], sex: Sex, fat_fraction: float
) -> NDArray[np.float32]:
    """Relative thickness of the fat at points: x from the midline, y from the body axis (mm), height share of trunk.

    `height` is 0 at the pelvic floor and 1 at the lung apex.
    """
    turn = np.hypot(x, y) + 1e-3
    front, side = y / turn, np.abs(x) / turn
    belly = np.exp(-(((height - 0.28) / 0.22) ** 2))
    hips = np.exp(-(((height - 0.02) / 0.16) ** 2))
    chest = np.exp(-(((height - 0.78) / 0.22) ** 2))
    base = 0.75 + 0.70 * belly + 0.20 * hips - 0.28 * chest
    if sex == "F":
        base = base + 0.30 * hips * (0.4 + side) + 0.12 * np.exp(-(((height + 0.25) / 0.2) ** 2))
    else:
        base = base + 0.12 * belly - 0.15 * hips
    flank = (0.25 + 1.1 * fat_fraction) * side * np.exp(-(((height - 0.33) / 0.13) ** 2))
    buttock = 0.55 * hips * np.clip(-front, 0, 1)
    sternal = -0.25 * chest * np.clip(front, 0, 1)
    back = -0.1 * np.clip(-front, 0, 1) * belly * (1.0 - fat_fraction)
    thick: NDArray[np.float32] = np.clip(base + flank + buttock + sternal + back, 0.25, 2.4).astype(np.float32)
    return thick


def grow(lean: NDArray[np.bool_], thickness: Field, lattice: Lattice, volume_ml: float, smooth_mm: float) -> Field:
    """Depth below the skin's surface in mm (positive inside) on the lattice: fat of the target volume, then the skin.

    `lean` is first closed over `smooth_mm`, so that skin bridges its grooves, and every slice is filled.
    """
    from scipy import ndimage

    step = lattice.spacing_mm
    box = _reach_of(lean, round(REACH_MM / step))
    depth = np.full(lean.shape, -REACH_MM, np.float32)
    lean, thickness = lean[box], np.broadcast_to(thickness, depth.shape)[box]
    edge = max(3, round(smooth_mm / step) + 1)
    padded = np.pad(lean, edge, mode="edge")
    padded[:edge], padded[-edge:], padded[:, :edge], padded[:, -edge:] = False, False, False, False
    inner = (slice(edge, -edge),) * 3
    signed, closed = _closed(padded, smooth_mm / step)
    gap_ml = float(np.count_nonzero(closed[inner] & ~lean)) * lattice.voxel_ml
    signed = ndimage.gaussian_filter(signed[inner] * np.float32(step), 5.0 / step)
    ratio = np.where(signed > 0, signed / thickness, signed)
    reach = _threshold(ratio, signed, max(volume_ml - gap_ml, 0.0), lattice)
    depth[box] = reach * thickness - signed + SKIN_MM
    pieces, n = ndimage.label(depth > 0)
    if n > 1:
        sizes = np.bincount(pieces.ravel())[1:]
        depth[(pieces > 0) & (pieces != 1 + int(np.argmax(sizes)))] = -REACH_MM
    return depth


def _reach_of(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice, slice]:
    """The box of a mask and a margin across; all of its height."""
    box = []
    for axis in (0, 1):
        along = np.nonzero(mask.any(axis=(1 - axis, 2)))[0]
        box.append(slice(max(int(along[0]) - margin, 0), int(along[-1]) + margin + 1))
    return box[0], box[1], slice(None)


def _closed(mask: NDArray[np.bool_], reach: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The mask closed by a ball of `reach` voxels, every slice filled; before it, the voxels to its border (+ outside).

    A closed set grown by the ball is the grown mask, so that two distance transforms tell both.
    """
    from scipy import ndimage

    away = ndimage.distance_transform_edt(~mask)
    within = ndimage.distance_transform_edt(away <= reach)
    signed = np.where(within > 0, reach - within, away - 0.5).astype(np.float32)
    closed = mask | (signed < 0)
    for k in range(closed.shape[2]):
        closed[:, :, k] = ndimage.binary_fill_holes(closed[:, :, k])
    return np.where(closed, np.minimum(signed, -0.5), np.maximum(signed, 0.5)), closed


def _threshold(ratio: NDArray[Any], signed: NDArray[Any], volume_ml: float, lattice: Lattice) -> float:
    """The reach (mm for relative thickness 1) whose shell outside the lean body holds `volume_ml`."""
    outside = np.sort(ratio[signed > 0])
    cells = volume_ml / lattice.voxel_ml
    if not outside.size or cells <= 0:
        return 0.0
    low = min(int(cells), outside.size - 1)
    return float(outside[low])
