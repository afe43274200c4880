"""A real reconstruction: 2-D OSEM of Poisson counts with attenuation and PSF, slice by slice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vct.shapes import FWHM_PER_SIGMA

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MU_WATER_PER_MM = 0.0096
BONE_SLOPE = 0.5
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Parallel beams over a square slice of `size` x `size` pixels of `pixel_mm`, as many bins as pixels across."""

    size: int
    pixel_mm: float
    views: int


@lru_cache(maxsize=4)
def system_matrix(geometry: Geometry) -> csr_matrix:
    """Length in mm of each ray (views x bins) in each pixel: (views x bins, pixels), in scipy.sparse.

    Pixel-driven with linear interpolation: every pixel gives to the two bins that its centre falls between, as much as
    its area over the bin's width, so that a projection's sum is the slice's (Joseph 1982, doi 10.1109/TMI.1982.4307572,
    has the ray-driven twin).
    """
    from scipy.sparse import csr_matrix

    n, step = geometry.size, geometry.pixel_mm
    at = (np.arange(n) - (n - 1) / 2.0) * step
    x, y = (axis.ravel() for axis in np.meshgrid(at, at, indexing="ij"))
    rows, columns, weights = [], [], []
    for view in range(geometry.views):
        angle = math.pi * view / geometry.views
        bins = (x * math.cos(angle) + y * math.sin(angle)) / step + (n - 1) / 2.0
        first = np.floor(bins).astype(np.int64)
        for offset in (0, 1):
            place = first + offset
            share = step * (1.0 - np.abs(bins - place))
            inside = (place >= 0) & (place < n) & (share > 0.0)
            rows.append(view * n + place[inside])
            columns.append(np.flatnonzero(inside))
            weights.append(share[inside])
    shape = (geometry.views * n, n * n)
    return csr_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def mu_per_mm(hu: NDArray[Any]) -> Floats:
    """Attenuation at 511 keV from CT numbers, bilinear: water below 0 HU, half the slope above (Burger 2002, doi
    10.1007/s00259-002-0796-3; the slope there depends on the tube voltage and is about this).
    """
    scaled = np.where(hu <= 0.0, 1.0 + hu / 1000.0, 1.0 + BONE_SLOPE * hu / 1000.0)
    return np.asarray(MU_WATER_PER_MM * np.maximum(scaled, 0.0), dtype=np.float64)


def blur(slices: Floats, size: int, sigma_pixels: float) -> Floats:
    """Gaussian PSF within each slice of (pixels, slices); its own transpose but for the border."""
    from scipy import ndimage

    if sigma_pixels <= 0.0:
        return slices
    square = slices.reshape(size, size, -1)
    smooth = ndimage.gaussian_filter(square, (sigma_pixels, sigma_pixels, 0.0), mode="constant", truncate=4.0)
    return np.asarray(smooth.reshape(slices.shape))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scanned:
    """Counts (rays, slices) with what the reconstruction knows of them: survival, background and counts per unit."""

    counts: Floats
    survival: Floats
    background: Floats
    scale: float


def scanned(
    activity: Floats, mu: Floats, geometry: Geometry, *, counts: float, background: float, psf_mm: float, rng: Any
) -> Scanned:
    """Poisson counts of slices (pixels, slices): blurred by the PSF, projected, attenuated, with a flat background.

    `counts` are the expected trues per slice, on average; `background` (scatter and randoms) as a share of them, known
    to the reconstruction. `rng` None gives the expected counts themselves.
    """
    matrix = system_matrix(geometry)
    sigma = psf_mm / FWHM_PER_SIGMA / geometry.pixel_mm
    survival = np.exp(-(matrix @ mu))
    trues = survival * (matrix @ blur(activity, geometry.size, sigma))
    scale = counts * activity.shape[1] / float(trues.sum())
    level = np.full_like(trues, background * counts / trues.shape[0])
    expected = scale * trues + level
    drawn = expected if rng is None else rng.poisson(expected).astype(np.float64)
    return Scanned(counts=drawn, survival=survival, background=level, scale=scale)


def osem(data: Scanned, geometry: Geometry, *, iterations: int, subsets: int, psf_mm: float) -> Floats:
    """Activity (pixels, slices) from counts by ordered subsets (Hudson and Larkin 1994, doi 10.1109/42.363108).

    The PSF is modelled in image space when `psf_mm` is positive. Views of a subset are spread evenly; starts from a
    uniform slice. Raises ValueError when `subsets` does not divide the number of views.
    """
    if geometry.views % subsets:
        raise ValueError(f"subsets must divide the {geometry.views} views (got {subsets})")
    matrix, n = system_matrix(geometry), geometry.size
    sigma = psf_mm / FWHM_PER_SIGMA / geometry.pixel_mm
    rays = [
        np.concatenate([np.arange(view * n, (view + 1) * n) for view in range(start, geometry.views, subsets)])
        for start in range(subsets)
    ]
    parts = [matrix[own] for own in rays]
    backs = [part.T.tocsr() for part in parts]
    norms = [
        np.maximum(blur(back @ (data.scale * data.survival[own]), n, sigma), 1e-9)
        for back, own in zip(backs, rays, strict=True)
    ]
    image = np.ones((n * n, data.counts.shape[1]))
    for _ in range(iterations):
        for part, back, own, norm in zip(parts, backs, rays, norms, strict=True):
            weight = data.scale * data.survival[own]
            expected = weight * (part @ blur(image, n, sigma)) + data.background[own]
            ratio = np.divide(data.counts[own], expected, out=np.zeros_like(expected), where=expected > 0.0)
            image *= blur(back @ (weight * ratio), n, sigma) / norm
    return np.asarray(image)
