"""`Placed`: an array and where its voxels lie, in any orientation; made upright it is a `Volume`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.errors import InputError
from vct.niftifile import MAX_VOXELS
from vct.volume import Grid, Unit, Volume, places_voxels, typed

ALIGNED = 1e-3
"""How far an axis may stray, relative to the voxel, and still count as one of the patient's."""
OUTSIDE: dict[Unit, float] = {"HU": -1000.0, "SUVbw": 0.0, "label": 0.0}
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """`data` (I, J, K) and `affine` (4, 4): voxel index to RAS+ mm. Left-handed, oblique and sheared ones are fine."""

    data: NDArray[Any]
    affine: NDArray[np.float64]
    source: str

    def __post_init__(self) -> None:
        if self.data.ndim != 3 or min(self.data.shape) < 1:
            raise InputError(f"{self.source}: must hold one 3-D image (got shape {self.data.shape})")
        if not places_voxels(self.affine):
            raise InputError(f"{self.source}: the affine does not place voxels in space (its determinant is 0)")

    def upright(self, unit: Unit) -> Volume:
        """The image in RAS+ axes: voxels reordered where the axes are the patient's, else resampled once.

        Resampling (oblique, gantry tilt) keeps the spacing along each axis and covers the whole image: trilinear,
        labels by nearest neighbour. Raises InputError for values that the unit cannot hold.
        """
        data, affine = _reordered(self.data, self.affine)
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        if np.allclose(affine[:3, :3], np.diag(spacing), atol=ALIGNED * float(spacing.min())):
            grid = _grid(data.shape, spacing, affine[:3, 3])
            return Volume(data=typed(data, unit, self.source), grid=grid, unit=unit)
        return self._resampled(data, affine, spacing, unit)

    def _resampled(self, data: NDArray[Any], affine: NDArray[Any], spacing: NDArray[Any], unit: Unit) -> Volume:
        from scipy import ndimage

        corners = np.stack(np.meshgrid(*([-0.5, n - 0.5] for n in data.shape), indexing="ij"), axis=-1).reshape(-1, 3)
        places = corners @ affine[:3, :3].T + affine[:3, 3]
        low, high = places.min(axis=0), places.max(axis=0)
        shape = np.maximum(1, np.ceil((high - low) / spacing - 1e-6)).astype(int)
        if int(np.prod(shape, dtype=np.int64)) > MAX_VOXELS:
            raise InputError(f"{self.source}: made upright it would have {np.prod(shape)} voxels")
        grid = _grid(shape, spacing, low + spacing / 2.0)
        to_index = np.linalg.inv(affine) @ grid.affine
        turned = ndimage.affine_transform(
            typed(data, unit, self.source),
            to_index[:3, :3],
            to_index[:3, 3],
            output_shape=grid.shape,
            order=0 if unit == "label" else 1,
            mode="constant",
            cval=OUTSIDE[unit],
        )
        return Volume(data=turned, grid=grid, unit=unit)


def _reordered(data: NDArray[Any], affine: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Axes permuted and flipped so that each runs as nearly as it can to the right, the front and the head."""
    import nibabel as nib

    turn = nib.orientations.io_orientation(affine)
    turned = nib.orientations.apply_orientation(data, turn)
    return turned, affine @ nib.orientations.inv_ornt_aff(turn, data.shape)


def _grid(shape: Any, spacing: Any, origin: Any) -> Grid:
    x, y, z = (int(n) for n in shape)
    sx, sy, sz = (float(s) for s in spacing)
    ox, oy, oz = (float(o) for o in origin)
    return Grid(shape=(x, y, z), spacing_mm=(sx, sy, sz), origin_mm=(ox, oy, oz))
