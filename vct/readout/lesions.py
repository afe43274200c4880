"""The guided reader: in this version every readout of lesions is led to the places where they were planted.

A lesion's region is its planted ellipsoid, dilated by about the scan's resolution; voxels in there that belong to an
avid organ in which the lesion does not lie (brain, heart, liver, spleen, kidneys, bladder, bowel, stomach) are left
out, as a reader would leave them. The region always holds the voxel at the lesion's centre. Lesions outside the field
of view are not read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vct.readout.base import Readout
from vct.readout.memo import once_per_scan
from vct.readout.regions import Region, ellipsoid_mask
from vct.readout.suv import PEAK_RADIUS_MM, highest_peak, peak_at_max
from vct.records import Lesion, Scan
from vct.shapes import Box, ellipsoid_box
from vct.structures import labels_of
from vct.volume import Grid, Triple, cubic_sampled

AVID = tuple(
    itertools.chain.from_iterable(
        labels_of(name)
        for name in (
            *("brain", "heart", "liver", "spleen", "stomach", "small_bowel", "duodenum", "colon"),
            *("kidneys", "renal_pelvis", "urinary_bladder"),
        )
    )
)
PEAK_VOXEL_MM = 2.05
"""The image is interpolated to voxels of at most this size before the 1 cm3 sphere is laid over it: the voxels whose
centres it holds then fill 0.98 cm3 at 2 mm and 1.04 at 2.04 mm, but 1.27 at 2.5 mm."""


class LesionReadout(Readout):
    """A readout of lesions: of the `hottest`, of the `sum` of all, or of one lesion by its id.

    A lesion that the patient does not have at this visit gives no value.
    """

    of: str = Field(default="hottest", min_length=1, max_length=40, description="hottest, sum, or a lesion's id")

    def pick(self, values: Mapping[str, float | None]) -> float | None:
        """The reported number out of one number for each lesion; None where nothing could be measured."""
        if self.of not in ("hottest", "sum"):
            return values.get(self.of)
        known = [value for value in values.values() if value is not None]
        if not known or len(known) < len(values):
            return None
        return max(known) if self.of == "hottest" else math.fsum(known)

    def tagged(self, name: str) -> str:
        """A default name: `name`, followed by what it is read of unless that is the usual."""
        usual: str = type(self).model_fields["of"].default
        return name if self.of == usual else f"{name}_{self.of}"


def lesions_in_view(scan: Scan) -> tuple[Lesion, ...]:
    """Planted lesions whose centre lies in the PET."""
    return tuple(
        lesion
        for lesion in scan.snapshot.lesions
        if lesion.center_mm is not None and _inside(scan.pet.grid, lesion.center_mm)
    )


def lesion_region(scan: Scan, lesion: Lesion, margin_mm: float) -> Region:
    """Voxels of a lesion in view: its ellipsoid dilated by `margin_mm`, avid neighbours left out."""
    grid, center = scan.pet.grid, _center(lesion)
    x, y, z = (axis + margin_mm for axis in lesion.semi_axes_mm)
    box = ellipsoid_box(grid, center, (x, y, z), margin_mm=max(grid.spacing_mm))
    core = ellipsoid_mask(grid, center, lesion.semi_axes_mm, box)
    core[_nearest_voxel(grid, center, box)] = True
    mask = ellipsoid_mask(grid, center, (x, y, z), box) & ~_foreign(scan, box, core)
    return Region(box, mask | core)


@once_per_scan
def lesion_max(scan: Scan, lesion: Lesion) -> float:
    """SUVmax: the hottest voxel of the ellipsoid dilated by half the resolution."""
    return float(lesion_region(scan, lesion, scan.fwhm_mm / 2.0).values(scan.pet.data).max())


@once_per_scan
def lesion_peak(scan: Scan, lesion: Lesion, *, at_max: bool = False) -> float:
    """SUVpeak: the highest mean of a 1 cm3 sphere centred in the ellipsoid dilated by half the resolution.

    Voxels count when their centre lies in the sphere (IBSI, arXiv 1612.07003), which may reach beyond the lesion.
    Where voxels are larger than PEAK_VOXEL_MM the image is first interpolated to a whole fraction of its spacing, so
    that the sphere is a sphere at 4 mm too. `at_max`: centred on the hottest (interpolated) voxel instead.
    """
    grid = scan.pet.grid
    region = lesion_region(scan, lesion, scan.fwhm_mm / 2.0)
    pads = [math.ceil(PEAK_RADIUS_MM / spacing) + 2 for spacing in grid.spacing_mm]
    starts = [max(0, piece.start - pad) for piece, pad in zip(region.box, pads, strict=True)]
    stops = [min(n, piece.stop + pad) for piece, pad, n in zip(region.box, pads, grid.shape, strict=True)]
    box = tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))
    image = scan.pet.data[box].astype(np.float64)
    allowed = np.zeros(image.shape, dtype=np.bool_)
    allowed[tuple(slice(r.start - b, r.stop - b) for r, b in zip(region.box, starts, strict=True))] = region.mask
    image, allowed, spacing_mm = _refined(image, allowed, grid.spacing_mm)
    return (peak_at_max if at_max else highest_peak)(image, allowed, spacing_mm)


def true_peak(scan: Scan, lesion: Lesion) -> float | None:
    """SUVpeak of the planted activity: a 1 cm3 sphere about the lesion's centre, which a small lesion does not fill.

    None when the lesion is that small and the uptake around it is not known.
    """
    share = _share_of_peak_sphere(lesion.semi_axes_mm)
    if share >= 1.0:
        return lesion.suv
    background = scan.background_suv.get(lesion.id)
    return None if background is None else share * lesion.suv + (1.0 - share) * background


def _refined(
    image: NDArray[np.float64], mask: NDArray[np.bool_], spacing_mm: Triple
) -> tuple[NDArray[np.float64], NDArray[np.bool_], Triple]:
    """An image and a mask on voxels of at most PEAK_VOXEL_MM, by splines and by nearest neighbour.

    Splines ring at edges that are sharper than a voxel; values are kept within those of the 27 voxels around.
    """
    from scipy import ndimage

    x, y, z = (math.ceil(spacing / PEAK_VOXEL_MM - 1e-6) for spacing in spacing_mm)
    if x == y == z == 1:
        return image, mask, spacing_mm
    shape = ((image.shape[0] - 1) * x + 1, (image.shape[1] - 1) * y + 1, (image.shape[2] - 1) * z + 1)
    nearest = np.ix_(*((np.arange(n) + k // 2) // k for n, k in zip(shape, (x, y, z), strict=True)))
    fine = cubic_sampled(image, (1.0 / x, 1.0 / y, 1.0 / z), (0.0, 0.0, 0.0), shape)
    low, high = ndimage.minimum_filter(image, 3)[nearest], ndimage.maximum_filter(image, 3)[nearest]
    return np.clip(fine, low, high), mask[nearest], (spacing_mm[0] / x, spacing_mm[1] / y, spacing_mm[2] / z)


@lru_cache(maxsize=4096)
def _share_of_peak_sphere(semi_axes: Triple, step_mm: float = 0.25) -> float:
    """Share of the 1 cm3 sphere that a concentric ellipsoid fills."""
    if min(semi_axes) >= PEAK_RADIUS_MM:
        return 1.0
    steps = np.arange(step_mm / 2.0, PEAK_RADIUS_MM, step_mm)
    x, y, z = steps[:, None, None], steps[None, :, None], steps[None, None, :]
    sphere = x**2 + y**2 + z**2 <= PEAK_RADIUS_MM**2
    a, b, c = semi_axes
    return float((sphere & ((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 <= 1.0)).sum() / sphere.sum())


def _center(lesion: Lesion) -> Triple:
    if lesion.center_mm is None:
        raise ValueError(f"lesion {lesion.id} has not been placed by an engine")
    return lesion.center_mm


def _inside(grid: Grid, point_mm: Triple) -> bool:
    return all(
        -0.5 <= (p - o) / s < n - 0.5
        for p, o, s, n in zip(point_mm, grid.origin_mm, grid.spacing_mm, grid.shape, strict=True)
    )


def _nearest_voxel(grid: Grid, point_mm: Triple, box: Box) -> tuple[int, ...]:
    """Index in `box` of the voxel that holds a point of the field of view."""
    return tuple(
        min(max(math.floor((p - o) / s + 0.5), 0), n - 1) - piece.start
        for p, o, s, n, piece in zip(point_mm, grid.origin_mm, grid.spacing_mm, grid.shape, box, strict=True)
    )


def _foreign(scan: Scan, box: Box, core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels of `box` in an avid organ that the lesion's `core` does not touch."""
    if scan.labels is None:
        return np.zeros(core.shape, dtype=np.bool_)
    labels = scan.labels.data[box]
    own = set(np.unique(labels[core]).tolist())
    return np.isin(labels, [number for number in AVID if number not in own])
