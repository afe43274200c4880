"""How hot a marked lesion is on one scan: SUVmax and SUVpeak of its region."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vct.readout.memo import once_per_scan
from vct.readout.suv import PEAK_RADIUS_MM, sphere_peak
from vct.records import Mark, Scan
from vct.volume import Triple, cubic_sampled

PEAK_VOXEL_MM = 2.05
"""The image is interpolated to voxels of at most this size before the 1 cm3 sphere is laid over it: the voxels whose
centres it holds then fill 0.98 cm3 at 2 mm and 1.04 at 2.04 mm, but 1.27 at 2.5 mm."""


@once_per_scan
def lesion_max(scan: Scan, mark: Mark) -> float:
    """SUVmax: the hottest voxel of the mark's region."""
    return float(mark.region.values(scan.pet.data).max())


@once_per_scan
def lesion_peak(scan: Scan, mark: Mark, *, at_max: bool = False) -> float:
    """SUVpeak: the highest mean of a 1 cm3 sphere centred in the mark's region.

    Voxels count when their centre lies in the sphere (IBSI, arXiv 1612.07003), which may reach beyond the region.
    Where voxels are larger than PEAK_VOXEL_MM the image is first interpolated to a whole fraction of its spacing, so
    that the sphere is a sphere at 4 mm too. `at_max`: centred on the hottest (interpolated) voxel instead; of tied ones
    the highest mean counts. A reader who misses the best place by `mark.offset_mm` reads the sphere there.
    """
    grid, region = scan.pet.grid, mark.region
    pads = [
        math.ceil((PEAK_RADIUS_MM + abs(off)) / spacing) + 2
        for off, spacing in zip(mark.offset_mm, grid.spacing_mm, strict=True)
    ]
    starts = [max(0, piece.start - pad) for piece, pad in zip(region.box, pads, strict=True)]
    stops = [min(n, piece.stop + pad) for piece, pad, n in zip(region.box, pads, grid.shape, strict=True)]
    box = tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))
    image = scan.pet.data[box].astype(np.float64)
    allowed = np.zeros(image.shape, dtype=np.bool_)
    allowed[tuple(slice(r.start - b, r.stop - b) for r, b in zip(region.box, starts, strict=True))] = region.mask
    image, allowed, spacing_mm = refined(image, allowed, grid.spacing_mm)
    return sphere_peak(image, allowed, spacing_mm, at_max=at_max, offset_mm=mark.offset_mm)


def refined(
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
