"""`Volume`: a 3-D image in RAS+ axes, millimetres and a named unit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vct.errors import InputError
from vct.files import aside
from vct.niftifile import open_nifti, read_voxels

Unit = Literal["HU", "SUVbw", "label"]
Triple = tuple[float, float, float]
SUV_STEP = 0.001
INT16_MAX = 32767
_STORED_AS: dict[Unit, Any] = {"HU": np.int16, "SUVbw": np.int16, "label": np.uint8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where the voxels of a volume lie: `shape` (X, Y, Z), spacing, and the centre of voxel (0, 0, 0), in RAS+ mm.

    RAS+: x grows to the patient's right, y to the front (anterior), z to the head (superior).
    """

    shape: tuple[int, int, int]
    spacing_mm: Triple
    origin_mm: Triple

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4) voxel index to RAS+ mm, as in NIfTI."""
        matrix = np.diag([*self.spacing_mm, 1.0])
        matrix[:3, 3] = self.origin_mm
        return matrix

    def axes_mm(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Voxel centres along x, y, z, shaped (X, 1, 1), (1, Y, 1), (1, 1, Z) so that they broadcast."""
        x, y, z = (o + s * np.arange(n) for o, s, n in zip(self.origin_mm, self.spacing_mm, self.shape, strict=True))
        return x[:, None, None], y[None, :, None], z[None, None, :]

    def part(self, box: tuple[slice, ...]) -> Grid:
        """The grid of the voxels in a box of three slices."""
        pieces = [piece.indices(n)[:2] for piece, n in zip(box, self.shape, strict=True)]
        nx, ny, nz = (stop - start for start, stop in pieces)
        x, y, z = (o + start * s for o, (start, _), s in zip(self.origin_mm, pieces, self.spacing_mm, strict=True))
        return Grid(shape=(nx, ny, nz), spacing_mm=self.spacing_mm, origin_mm=(x, y, z))

    def resampled(self, spacing_mm: Triple) -> Grid:
        """The grid of another spacing over the same outer faces (the far face may move by less than half a voxel)."""
        shape = tuple(
            max(1, round(n * old / new)) for n, old, new in zip(self.shape, self.spacing_mm, spacing_mm, strict=True)
        )
        origin = tuple(
            o - old / 2 + new / 2 for o, old, new in zip(self.origin_mm, self.spacing_mm, spacing_mm, strict=True)
        )
        return Grid(
            shape=(shape[0], shape[1], shape[2]), spacing_mm=spacing_mm, origin_mm=(origin[0], origin[1], origin[2])
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """A 3-D image: `data` (X, Y, Z), float32 for HU and SUVbw (g/ml), uint8 for label, on a `grid`."""

    data: NDArray[Any]
    grid: Grid
    unit: Unit

    def __post_init__(self) -> None:
        if self.data.shape != self.grid.shape:
            raise ValueError(f"data of shape {self.data.shape} does not fit a grid of {self.grid.shape}")

    def resampled(self, grid: Grid) -> Volume:
        """The volume on another grid: labels by nearest neighbour, others averaged down or interpolated trilinearly.

        Outside the field of view: -1000 HU, SUV 0, label 0.
        """
        from scipy import ndimage

        if grid == self.grid:
            return self
        is_label = self.unit == "label"
        source = self.data if is_label else _box_blur(self.data, self.grid.spacing_mm, grid.spacing_mm)
        scale = np.divide(grid.spacing_mm, self.grid.spacing_mm)
        offset = np.divide(np.subtract(grid.origin_mm, self.grid.origin_mm), self.grid.spacing_mm)
        data = ndimage.affine_transform(
            source,
            scale,
            offset,
            output_shape=grid.shape,
            order=0 if is_label else 1,
            mode="grid-constant",
            cval=-1000.0 if self.unit == "HU" else 0.0,
        )
        return Volume(data=data.astype(self.data.dtype, copy=False), grid=grid, unit=self.unit)

    @property
    def step(self) -> float:
        """The quantisation at which the volume is stored: 1 HU; 0.001 SUV, doubled until int16 holds the hottest voxel.

        Raises ValueError when a voxel is not finite.
        """
        if self.unit != "SUVbw":
            return 1.0
        hottest = float(np.abs(self.data).max(initial=0.0))
        if not np.isfinite(hottest):
            raise ValueError("a PET with voxels that are not finite cannot be stored")
        return float(SUV_STEP * 2.0 ** max(0, np.ceil(np.log2(max(hottest, SUV_STEP) / (SUV_STEP * INT16_MAX)))))

    def save(self, path: Path, note: str = "SYNTHETIC") -> None:
        """Write compressed NIfTI: int16 of `step` HU or SUV, or uint8 labels. The same volume gives the same bytes.

        What `load` reads differs from `data` by half a step at most, and saves to the same bytes again.

        `note` follows the unit in the header's description: "" for images of real people. Raises StorageError when it
        cannot be written.
        """
        import nibabel as nib

        stored = np.rint(self.data / self.step)
        image = nib.Nifti1Image(np.ascontiguousarray(stored, dtype=_STORED_AS[self.unit]), self.grid.affine)
        image.header.set_slope_inter(self.step, 0.0)
        image.header.set_xyzt_units("mm")
        image.header["descrip"] = f"{self.unit} {note}".strip().encode()
        with aside(path) as written:
            nib.save(image, written)


def load(path: Path, unit: Unit) -> Volume:
    """Read a NIfTI file into RAS+ axes, flipped and permuted as needed.

    Raises InputError when the file is missing, damaged or too large (`vct.niftifile.open_nifti`), when its values are
    none of the unit's, or when its axes are oblique to the patient's.
    """
    import nibabel as nib

    stored, shape = open_nifti(path)
    if not places_voxels(stored.affine):
        raise InputError(f"{path}: its voxels have no size, or its place in space is not finite")
    turn = nib.orientations.io_orientation(stored.affine)
    data = nib.orientations.apply_orientation(read_voxels(path, stored, shape), turn)
    affine = stored.affine @ nib.orientations.inv_ornt_aff(turn, shape)
    rotation = affine[:3, :3]
    spacing = np.diag(rotation)
    if not np.allclose(rotation, np.diag(spacing), atol=1e-3 * float(spacing.max())):
        raise InputError(f"{path}: axes are oblique to the patient's; resample the image first")
    grid = Grid(
        shape=(data.shape[0], data.shape[1], data.shape[2]),
        spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        origin_mm=(float(affine[0, 3]), float(affine[1, 3]), float(affine[2, 3])),
    )
    return Volume(data=typed(data, unit, str(path)), grid=grid, unit=unit)


def places_voxels(affine: NDArray[Any]) -> bool:
    """Whether an affine (4, 4), in mm, gives voxels edges from 1 um to 10 m that do not lie in one plane."""
    steps = affine[:3, :3]
    if not np.isfinite(affine).all() or np.abs(steps).max() > 1e4:
        return False
    edges = np.linalg.norm(steps, axis=0)
    return bool(edges.min() >= 1e-3 and abs(np.linalg.det(steps / edges)) > 1e-6)


def typed(data: NDArray[Any], unit: Unit, source: str) -> NDArray[Any]:
    """Values in the dtype of their unit: float32, or uint8 for labels. Raises InputError where that loses them."""
    if unit != "label":
        values = np.ascontiguousarray(data, dtype=np.float32)
        if not np.isfinite(values).all():
            raise InputError(f"{source}: holds values that are no finite numbers")
        return values
    with np.errstate(invalid="ignore"):
        labels = np.ascontiguousarray(data, dtype=np.uint8)
    if not np.array_equal(labels, data):
        raise InputError(f"{source}: labels must be whole numbers from 0 to 255")
    return labels


def cubic_sampled(data: NDArray[Any], scale: Triple, offset: Triple, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Cubic spline through floats (X, Y, Z), read at index `offset + scale * i` along each axis; keeps the precision.

    Splines add next to no blur, where trilinear interpolation adds up to h^2 / 6 of variance. Beyond the outermost
    voxel centres the nearest one counts. One axis after another: a fraction of the time of `scipy.ndimage`.
    """
    from scipy import ndimage

    margin = 8
    out = ndimage.spline_filter(np.pad(data, margin, mode="edge"), order=3, output=data.dtype, mode="mirror")
    for axis, (step, start, count) in enumerate(zip(scale, offset, shape, strict=True)):
        at = np.clip(start + step * np.arange(count), 0, data.shape[axis] - 1) + margin
        first = np.floor(at).astype(np.intp)
        f = np.expand_dims((at - first).astype(data.dtype), tuple(other for other in range(3) if other != axis))
        weights = ((1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3)
        out = sum(w / 6 * out.take(first + tap, axis=axis) for tap, w in enumerate(weights, start=-1))
    return np.asarray(out)


def _box_blur(data: NDArray[Any], spacing_mm: Triple, target_mm: Triple) -> NDArray[Any]:
    """Average over the target voxel where it is larger than the source voxel, so that no sample is skipped."""
    from scipy import ndimage

    for axis, (old, new) in enumerate(zip(spacing_mm, target_mm, strict=True)):
        if new > old * 1.001:
            reach = int(np.ceil((new / old - 1) / 2))
            weights = np.clip((new / old + 1) / 2 - np.abs(np.arange(-reach, reach + 1)), 0.0, 1.0)
            data = ndimage.correlate1d(data, weights / weights.sum(), axis=axis, mode="nearest")
    return data
