"""Painting front to back: each voxel is shared out among the pieces that fill it, by volume.

A piece takes from a voxel what earlier pieces have left. A piece *beside* its neighbours takes its occupancy, up to
what is free; a piece *around* others (fat around organs, skin around all) takes its occupancy less what is taken, since
what it holds lies inside it. Images are thus voxel averages of the painted tissue, and the label is the majority's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from vct.engine.phantom.space import Array, Box, Path, Space, tube
from vct.structures import STRUCTURES
from vct.volume import Grid, Triple, Volume

AIR_HU = -1000.0
_SAMPLES = 15_000
_MAX_OVERSAMPLE = 4

Field = Callable[[Space], Array]
Hounsfield = Callable[[Space, Array], Array]
Window = tuple[slice, slice, slice]
Mode = Literal["beside", "around"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A shape with a name: a structure, or a part of one.

    `field` is at most `level` inside; `box` (x0, x1, y0, y1, z0, z1, canonical mm) holds it. `target_ml` asks `body` to
    choose the level. `hu` overrules the structure's attenuation, given the coordinates and the depth field; `uptake`
    is the local uptake over the structure's. `detail_mm` is the coarsest sampling that still shows the shape.
    """

    name: str
    field: Field
    box: Box
    mode: Mode = "beside"
    hu: float | Hounsfield | None = None
    uptake: Field | None = None
    key: str = ""
    target_ml: float | None = None
    detail_mm: float = 8.0


def chain(
    name: str,
    points: Path,
    radii: Sequence[float] | float,
    *,
    target_ml: float | None = None,
    hu: float | Hounsfield | None = None,
) -> Piece:
    """A `tube` as a piece; with a target it may grow by 12 mm."""
    margin = float(np.max(radii)) + (2.0 if target_ml is None else 12.0)
    low, high = np.min(points, axis=0) - margin, np.max(points, axis=0) + margin
    box = (float(low[0]), float(high[0]), float(low[1]), float(high[1]), float(low[2]), float(high[2]))
    key = "" if target_ml is None else name
    return Piece(
        name=name, field=partial(tube, points=points, radii=radii), box=box, hu=hu, key=key, target_ml=target_ml
    )


@dataclass(slots=True)
class Canvas:
    """Images on `grid` while they are painted; `scale` (x, y, z) turns canonical mm into the patient's.

    `volume_ml` and `activity_g` (SUV times ml) sum up what each structure got in the slices `counted`.
    """

    grid: Grid
    scale: Triple
    with_images: bool = True
    counted: slice | None = None
    covered: Array = field(init=False)
    majority: Array = field(init=False)
    labels: Array = field(init=False)
    hu: Array = field(init=False)
    suv: Array = field(init=False)
    volume_ml: dict[str, float] = field(init=False, default_factory=dict)
    activity_g: dict[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.covered = np.zeros(self.grid.shape, dtype=np.float32)
        self.majority = np.zeros(self.grid.shape, dtype=np.float32)
        self.labels = np.zeros(self.grid.shape, dtype=np.uint8)
        if self.with_images:
            self.hu = np.zeros(self.grid.shape, dtype=np.float32)
            self.suv = np.zeros(self.grid.shape, dtype=np.float32)

    def label_volume(self) -> Volume:
        """The majority's label in every voxel that tissue fills by half or more."""
        data = np.where(self.covered >= 0.5, self.labels, np.uint8(0))
        return Volume(data=data, grid=self.grid, unit="label")

    def clone(self) -> Canvas:
        """A canvas without images on which the same has been painted."""
        other = Canvas(self.grid, self.scale, with_images=False)
        other.covered[...] = self.covered
        other.volume_ml = dict(self.volume_ml)
        return other

    def space(self, box: Box | None = None, oversample: int = 1) -> tuple[Space, Window]:
        """Coordinates of the voxels that touch `box` (or of `oversample`^3 points in each), and where they lie."""
        axes, window = [], []
        for axis in range(3):
            origin, step, count = self.grid.origin_mm[axis], self.grid.spacing_mm[axis], self.grid.shape[axis]
            first, last = 0, count
            if box is not None:
                low, high = box[2 * axis] * self.scale[axis], box[2 * axis + 1] * self.scale[axis]
                first = min(max(math.floor((low - origin) / step) - 1, 0), count)
                last = max(min(math.ceil((high - origin) / step) + 2, count), first)
            steps = first + (np.arange((last - first) * oversample) + 0.5) / oversample - 0.5
            axes.append(((origin + step * steps) / self.scale[axis]).astype(np.float32))
            window.append(slice(first, last))
        space = Space(axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :])
        return space, (window[0], window[1], window[2])

    def paint(self, piece: Piece, level: float, hu: Any, suv: Any) -> None:
        """Give `piece`, cut at `level`, its share of every voxel, with attenuation `hu` and uptake `suv`."""
        oversample = self._oversample(piece)
        if oversample:
            space, window = self.space(piece.box, oversample)
            values = np.asarray(piece.field(space), dtype=np.float32)
            fill = occupancy(values, level, max(self.grid.spacing_mm) / oversample)
            if self.with_images:
                local_hu = piece.hu(space, values - np.float32(level)) if callable(piece.hu) else piece.hu
                hu = _averaged(hu if local_hu is None else local_hu, fill, oversample)
                suv = _averaged(suv if piece.uptake is None else suv * piece.uptake(space), fill, oversample)
            self.lay(piece.name, piece.mode, window, _pooled(fill, oversample), hu, suv)

    def lay(self, name: str, mode: Mode, window: Window, fill: Array, hu: Any, suv: Any) -> None:
        """Share out the voxels of `window` to a structure that fills them to `fill` (0 to 1)."""
        covered = self.covered[window]
        share = np.maximum(fill - covered, 0.0) if mode == "around" else np.minimum(fill, 1.0 - covered)
        covered += share
        majority = self.majority[window]
        np.copyto(self.labels[window], np.uint8(STRUCTURES[name]), where=share > majority)
        np.maximum(majority, share, out=majority)
        first, last, _ = (self.counted or slice(None)).indices(self.grid.shape[2])
        start = window[2].start
        counted = slice(max(first - start, 0), max(last - start, 0))
        self._count(self.volume_ml, name, share[:, :, counted])
        if self.with_images:
            activity = share * np.asarray(suv, dtype=np.float32)
            self.suv[window] += activity
            self.hu[window] += share * np.asarray(hu, dtype=np.float32)
            self._count(self.activity_g, name, activity[:, :, counted])

    def _count(self, totals: dict[str, float], name: str, values: Array) -> None:
        totals[name] = totals.get(name, 0.0) + float(values.sum(dtype=np.float64)) * self.grid.voxel_ml

    def level_for(self, piece: Piece, target_ml: float) -> float:
        """The level at which `piece` takes `target_ml` of what is still free: an order statistic of its field."""
        oversample = max(self._oversample(piece), 1)
        space, window = self.space(piece.box, oversample)
        free = 1.0 - self.covered[window]
        for axis in range(3):
            free = np.repeat(free, oversample, axis=axis)
        return level_of_volume(piece.field(space), free, target_ml / self.grid.voxel_ml * oversample**3)

    def _oversample(self, piece: Piece) -> int:
        """Sample small and thin pieces finer than the grid, so that they keep their volume; 0 when off the grid."""
        _, window = self.space(piece.box)
        if min(part.stop - part.start for part in window) < 2:
            return 0
        sizes = [
            (piece.box[2 * axis + 1] - piece.box[2 * axis]) * self.scale[axis] / self.grid.spacing_mm[axis] + 3.0
            for axis in range(3)
        ]
        by_size = round((_SAMPLES / math.prod(sizes)) ** (1 / 3))
        by_detail = math.ceil(max(self.grid.spacing_mm) / piece.detail_mm - 0.01)
        return int(min(max(by_size, by_detail, 1), _MAX_OVERSAMPLE))


def level_of_volume(values: Array, free: Array, target: float) -> float:
    """The level below which the free space (in samples) of the field sums up to `target`."""
    open_ = free > 0.0
    candidates, weights = np.broadcast_to(values, free.shape)[open_], free[open_]
    order = np.argsort(candidates)
    filled = np.cumsum(weights[order], dtype=np.float64)
    return float(candidates[order[min(int(np.searchsorted(filled, target)), order.size - 1)]])


def occupancy(values: Array, level: float, step_mm: float) -> Array:
    """Share of each voxel where the field is below `level`, from the field at the voxel centres `step_mm` apart."""
    return filled(*averaged_field(values, step_mm), level)


def averaged_field(values: Array, step_mm: float) -> tuple[Array, Array]:
    """Mean of a field over each voxel (centre plus 1/24 of the second differences) and its rise across one voxel.

    With the mean, curved and thin shapes keep their volume to second order. Fields rise by about 1 a mm; where they
    jump, the rise is taken as 2 a mm.
    """
    mean, squared = values.copy(), np.full(values.shape, np.float32(1e-6))
    for axis in range(3):
        steps = np.diff(values, axis=axis)
        first, inner, last = ((slice(None),) * axis + (part,) for part in (slice(1), slice(1, -1), slice(-1, None)))
        before, after = steps[(slice(None),) * axis + (slice(-1),)], steps[(slice(None),) * axis + (slice(1, None),)]
        mean[inner] += (after - before) * np.float32(1.0 / 24.0)
        slope = after + before
        slope *= slope
        slope *= np.float32(0.25)
        squared[inner] += slope
        squared[first] += steps[first] ** 2
        squared[last] += steps[last] ** 2
    return mean, np.minimum(np.sqrt(squared, out=squared), np.float32(2.0 * step_mm), out=squared)


def filled(mean: Array, rise: Array, level: float) -> Array:
    """Share of each voxel below `level`: linear over one voxel's width along the slope."""
    share = np.float32(level) - mean
    share /= rise
    share += np.float32(0.5)
    return np.clip(share, 0.0, 1.0, out=share)


def _averaged(values: Any, fill: Array, factor: int) -> Any:
    """Mean of `values` over the filled part of each voxel."""
    if factor == 1 or not isinstance(values, np.ndarray):
        return values
    return _pooled(values * fill, factor) / np.maximum(_pooled(fill, factor), np.float32(1e-6))


def _pooled(values: Array, factor: int) -> Array:
    if factor == 1:
        return values
    for axis in range(3):
        shape = (*values.shape[:axis], values.shape[axis] // factor, factor, *values.shape[axis + 1 :])
        values = values.reshape(shape).sum(axis=axis + 1)
    return values * np.float32(1.0 / factor**3)


def slabs(grid: Grid, max_voxels: int) -> Iterable[tuple[Grid, slice, slice]]:
    """Cut `grid` along z: (slab with a rim of one voxel, its part without the rim, where that part belongs)."""
    depth = max(1, max_voxels // (grid.shape[0] * grid.shape[1]))
    for start in range(0, grid.shape[2], depth):
        stop = min(start + depth, grid.shape[2])
        low, high = max(start - 1, 0), min(stop + 1, grid.shape[2])
        slab = grid.part((slice(None), slice(None), slice(low, high)))
        yield slab, slice(start - low, stop - low), slice(start, stop)
