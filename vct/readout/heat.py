"""How hot a marked lesion is on one scan: SUVmax and SUVpeak of its region."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.readout.memo import once_per_scan
from vct.readout.segmenter import mm_from_physiological, spill_mm
from vct.readout.suv import PEAK_RADIUS_MM, sphere_peak
from vct.records import Mark, Scan
from vct.shapes import Box
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
    that the sphere is a sphere at 4 mm too. Brain, heart, kidneys, bladder, bowel and their spill, a FWHM wide, do not
    count where they are hotter than the lesion's own hottest voxel. `at_max`: centred on the hottest (interpolated)
    voxel instead; of tied ones the highest mean counts. A reader who misses the best place by `mark.offset_mm` reads
    the sphere there.
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
    own = ~_of_hotter_organs(scan, (box[0], box[1], box[2]), lesion_max(scan, mark))
    image = _filled(image, own)
    fine, spacing_mm = refined(image, grid.spacing_mm)
    return sphere_peak(
        fine,
        refined_mask(allowed, grid.spacing_mm),
        spacing_mm,
        at_max=at_max,
        offset_mm=mark.offset_mm,
        counted=refined_mask(own, grid.spacing_mm),
    )


def _of_hotter_organs(scan: Scan, box: Box, suv: float) -> NDArray[np.bool_]:
    """Voxels of `box` hotter than `suv` that lie in a physiological organ or as far as its spill reaches."""
    reach_mm = spill_mm(scan)
    return np.asarray((scan.pet.data[box] > suv) & (mm_from_physiological(scan, box, 2.0 * reach_mm) <= reach_mm))


def _filled(image: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The image with the nearest known voxel's value in all others, so that interpolation does not carry them over."""
    from scipy import ndimage

    if known.all():
        return image
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(image[tuple(nearest)])


def refined(image: NDArray[np.float64], spacing_mm: Triple) -> tuple[NDArray[np.float64], Triple]:
    """An image on voxels of at most PEAK_VOXEL_MM, by splines, and their size.

    Splines ring at edges that are sharper than a voxel; values are kept within those of the 27 voxels around.
    """
    from scipy import ndimage

    x, y, z = _parts(spacing_mm)
    if x == y == z == 1:
        return image, spacing_mm
    shape = ((image.shape[0] - 1) * x + 1, (image.shape[1] - 1) * y + 1, (image.shape[2] - 1) * z + 1)
    fine = cubic_sampled(image, (1.0 / x, 1.0 / y, 1.0 / z), (0.0, 0.0, 0.0), shape)
    low, high = (
        refined_mask(reach(image, 3), spacing_mm) for reach in (ndimage.minimum_filter, ndimage.maximum_filter)
    )
    return np.clip(fine, low, high), (spacing_mm[0] / x, spacing_mm[1] / y, spacing_mm[2] / z)


def refined_mask(mask: NDArray[Any], spacing_mm: Triple) -> NDArray[Any]:
    """An array on the voxels of `refined`, by nearest neighbour."""
    parts = _parts(spacing_mm)
    shape = [(n - 1) * k + 1 for n, k in zip(mask.shape, parts, strict=True)]
    return np.asarray(mask[np.ix_(*((np.arange(n) + k // 2) // k for n, k in zip(shape, parts, strict=True)))])


def _parts(spacing_mm: Triple) -> tuple[int, ...]:
    """Into how many parts a voxel is cut along each axis."""
    return tuple(math.ceil(spacing / PEAK_VOXEL_MM - 1e-6) for spacing in spacing_mm)
