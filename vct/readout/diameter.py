"""Longest diameters on the CT, as RECIST measures them, at the places that the PET shows."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vct.forms import longest_axial_mm
from vct.readout.heat import lesion_max
from vct.readout.lesions import LesionReadout, Of
from vct.readout.memo import once_per_scan
from vct.readout.reader import READ_AGAIN_MM
from vct.records import Mark, Reading, Scan
from vct.shapes import Box, Region
from vct.volume import Grid

LEAST_CONTRAST_HU = 30.0
MARGIN_MM = 12.0
HALF = 0.5


class LongestDiameter(LesionReadout):
    """Longest axial diameter of a lesion on the CT, in mm; of `targets` by default, their sum (RECIST 1.1).

    The lesion is grown from the PET mark at the HU halfway between its core and what lies around it, with the edge
    placed between voxels by interpolation. Where the CT shows no contrast of 30 HU (unenhanced liver, muscle; assumed)
    the PET's contour at half of its excess stands in. A mark that is no longer seen is measured where the CT shows it,
    and is 0 where it does not. Truth: the planted lesion's own.
    """

    kind: Literal["longest_diameter"] = "longest_diameter"
    of: Of = Field(default="targets", description="hottest, sum, target (of the first scan), targets (up to five)")
    least_mm: float = Field(default=0.0, ge=0.0, le=50.0, description="shorter ones count as 0; RECIST: 10")

    @property
    def default_name(self) -> str:
        """`longest_diameter`."""
        return self.tagged("longest_diameter")

    @property
    def unit(self) -> str:
        """Millimetres."""
        return "mm"

    def measure(self, scan: Scan) -> Reading:
        """The diameter or sum of diameters, beside the planted one."""
        return self.reading(
            scan,
            self.pick(scan, lambda mark: self._counted(longest_diameter_mm(scan, mark))),
            self.pick_true(scan, lambda lesion: self._counted(longest_axial_mm(lesion))),
        )

    def _counted(self, diameter_mm: float) -> float:
        return diameter_mm if diameter_mm >= self.least_mm else 0.0


@once_per_scan
def longest_diameter_mm(scan: Scan, mark: Mark) -> float:
    """The longest chord between edge points of one axial slice, on the CT or, without contrast there, on the PET."""
    ct_grid, region = scan.ct.grid, mark.region
    box = _box_about(scan.pet.grid, region, ct_grid)
    hu = scan.ct.data[box].astype(np.float64)
    core = _core(mark, ct_grid, box)
    if core.any() and not core.all():
        inside, outside = float(np.median(hu[core])), float(np.median(hu[~_near(core, ct_grid, MARGIN_MM / 2.0)]))
        if abs(inside - outside) >= LEAST_CONTRAST_HU:
            sign = 1.0 if inside > outside else -1.0
            return _longest(sign * (hu - (inside + outside) / 2.0), core, ct_grid)
    if not mark.seen:
        return 0.0
    suv = scan.pet.data[_box_about(scan.pet.grid, region, scan.pet.grid)].astype(np.float64)
    level = float(np.median(suv)) + HALF * (lesion_max(scan, mark) - float(np.median(suv)))
    return _longest(suv - level, suv >= level, scan.pet.grid)


def _core(mark: Mark, grid: Grid, box: Box) -> NDArray[np.bool_]:
    """Voxels of the CT within `box` that surely belong to the lesion: about its hottest point."""
    x, y, z = (axis.ravel()[piece] for axis, piece in zip(grid.axes_mm(), box, strict=True))
    away = np.sqrt(
        (x[:, None, None] - mark.at_mm[0]) ** 2
        + (y[None, :, None] - mark.at_mm[1]) ** 2
        + (z[None, None, :] - mark.at_mm[2]) ** 2
    )
    radius = READ_AGAIN_MM if not mark.seen else max(0.4 * float(np.cbrt(3000.0 * mark.volume_ml / (4 * math.pi))), 1.0)
    return np.asarray((away <= radius) | (away == away.min()))


def _near(core: NDArray[np.bool_], grid: Grid, margin_mm: float) -> NDArray[np.bool_]:
    from scipy import ndimage

    return np.asarray(ndimage.distance_transform_edt(~core, sampling=grid.spacing_mm) <= margin_mm)


def _box_about(pet: Grid, region: Region, grid: Grid) -> Box:
    """The box of `grid` about a region of the PET, with a margin."""
    pieces = []
    for piece, o, s, o_new, s_new, n in zip(
        region.box, pet.origin_mm, pet.spacing_mm, grid.origin_mm, grid.spacing_mm, grid.shape, strict=True
    ):
        low = (o + s * piece.start - MARGIN_MM - o_new) / s_new
        high = (o + s * (piece.stop - 1) + MARGIN_MM - o_new) / s_new
        pieces.append(slice(max(0, math.floor(low)), min(n, math.ceil(high) + 1)))
    return pieces[0], pieces[1], pieces[2]


def _longest(height: NDArray[np.float64], core: NDArray[np.bool_], grid: Grid) -> float:
    """Longest axial chord of the connected region above 0 that holds the core."""
    from scipy import ndimage

    numbers, _ = ndimage.label(height > 0.0)
    own = np.unique(numbers[core & (numbers > 0)])
    if not own.size:
        return 0.0
    inside = np.isin(numbers, own)
    longest = 0.0
    for z in np.flatnonzero(inside.any(axis=(0, 1))):
        longest = max(longest, _widest(_edge_points(height[:, :, z], inside[:, :, z], grid)))
    return longest


def _edge_points(height: NDArray[Any], inside: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """Points (N, 2) in mm where the height crosses 0 between a voxel inside and its neighbour outside."""
    points = []
    for axis in (0, 1):
        for step in (1, -1):
            rolled, neighbour = np.roll(inside, -step, axis=axis), np.roll(height, -step, axis=axis)
            edge = np.argwhere(inside & ~rolled)
            at_border = edge[:, axis] == (inside.shape[axis] - 1 if step == 1 else 0)
            edge = edge[~at_border]
            here, there = height[tuple(edge.T)], neighbour[tuple(edge.T)]
            crossing = edge.astype(np.float64)
            crossing[:, axis] += step * np.clip(here / np.maximum(here - there, 1e-9), 0.0, 1.0)
            points.append(crossing * np.asarray(grid.spacing_mm[:2]))
    return np.concatenate(points)


def _widest(points: NDArray[np.float64]) -> float:
    if len(points) < 2:
        return 0.0
    gaps = points[:, None, :] - points[None, :, :]
    return float(np.sqrt((gaps**2).sum(axis=-1)).max())
