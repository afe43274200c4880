"""Texture: how uptake and density vary within a tissue, as sums of smooth random fields with measured amplitudes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from vct.engine.cascade.grid import shape_at
from vct.engine.cascade.sampler import volume_noise
from vct.engine.cascade.spline import EXTENT_MM

SCALES_MM = (0.0, 3.2, 8.0, 24.0)
"""Standard deviations of the Gaussian kernels that smooth white noise into the fields; the first is a voxel's own
noise at 4 mm, which CT has and a PET, blurred as it is, has not. Assumed; the amplitudes are measured."""
_DRAWN_MM = (4.0, 4.0, 8.0, 16.0)
LAGS = (0, 1, 2, 4, 8)
_FEWEST_PAIRS = 200


def correlation(lag_mm: float) -> list[float]:
    """What two places so far apart share of each field's variance: exp(-d^2 / 4 s^2) of white noise smoothed by s."""
    if lag_mm == 0.0:
        return [1.0] * len(SCALES_MM)
    return [math.exp(-((lag_mm / scale) ** 2) / 4.0) if scale else 0.0 for scale in SCALES_MM]


def fields(spacing_mm: float, seed: int, *path: str) -> torch.Tensor:
    """(scales, 2, X, Y, Z) fields of unit spread for PET and CT, from the stream named `path`."""
    wanted, found = shape_at(spacing_mm), []
    for scale_mm, drawn_mm in zip(SCALES_MM, _DRAWN_MM, strict=True):
        shape = shape_at(drawn_mm)
        noise = volume_noise((2, *shape), (0, 0, 0), shape, seed, *path, f"{scale_mm:g} mm")
        if scale_mm or wanted != shape:
            x, y, z = (_kernel(*ends, scale_mm) for ends in zip(wanted, shape, EXTENT_MM, strict=True))
            noise = torch.einsum("xi,cijk->cxjk", x, noise)
            noise = torch.einsum("yj,cxjk->cxyk", y, noise)
            noise = noise @ z.T
        found.append(noise)
    return torch.stack(found)


@lru_cache(maxsize=64)
def _kernel(voxels: int, drawn: int, extent_mm: float, scale_mm: float) -> torch.Tensor:
    """(voxels, drawn) Gaussian weights of an axis' white noise, rows of unit norm; of half a voxel for `scale_mm` 0."""
    at, of = ((torch.arange(count) + 0.5) * (extent_mm / count) for count in (voxels, drawn))
    width = scale_mm or extent_mm / drawn / 2.0
    weights = torch.exp(-0.5 * ((at[:, None] - of[None, :]) / width).square())
    unit: torch.Tensor = weights / torch.linalg.vector_norm(weights, dim=1, keepdim=True)
    return unit


def textured(
    ct: torch.Tensor, pet: torch.Tensor, grain: torch.Tensor, place: torch.Tensor, noise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """CT and PET (X, Y, Z) with texture: `grain` (scales, 2, tissues + 1) are standard deviations of ln SUV and of HU.

    `place` (X, Y, Z) is each voxel's tissue, the last for none; `noise` is what `fields` drew. Means are kept.
    """
    log_suv, hu = torch.zeros_like(pet), torch.zeros_like(ct)
    for fields_of_scale, sd in zip(noise, grain, strict=True):
        amplitude = sd[:, place]
        log_suv += fields_of_scale[0] * amplitude[0] - 0.5 * amplitude[0].square()
        hu += fields_of_scale[1] * amplitude[1]
    return ct + hu, pet * log_suv.exp()


def grain_of(
    residuals: Sequence[torch.Tensor], places: Sequence[torch.Tensor], tissues: int, spacing_mm: float
) -> torch.Tensor:
    """(scales, 2, tissues + 1) standard deviations fitted to residuals (2, X, Y, Z) of ln SUV and HU.

    The covariance within a tissue at lags of 0, 1, 2, 4 and 8 voxels across, the median body's, is matched by
    non-negative least squares: two voxels inside the tissue's border, where its neighbours do not spill, or one where
    it is too thin for that. Tissues without such an inside stay smooth.
    """
    from scipy.optimize import nnls

    design = np.array([correlation(lag * spacing_mm) for lag in LAGS])
    grain = torch.zeros(len(SCALES_MM), 2, tissues + 1)
    inner = [_inner(place, tissues) for place in places]
    for places_inside in (inner, [_inner(place, tissues) for place in inner]):
        pairs = zip(residuals, places_inside, strict=True)
        covariances = np.stack([_covariances(residual, place, tissues) for residual, place in pairs])
        for image, tissue in np.ndindex(2, tissues):
            of_bodies = covariances[~np.isnan(covariances[:, :2, image, tissue]).any(axis=1), :, image, tissue]
            if len(of_bodies):
                known = ~np.isnan(of_bodies).all(axis=0)
                covariance = np.nanmedian(of_bodies[:, known], axis=0)
                first = 1 - image
                variance, _ = nnls(design[known, first:], covariance)
                grain[first:, image, tissue] = torch.from_numpy(variance).sqrt()
    return grain


def _covariances(residual: torch.Tensor, place: torch.Tensor, tissues: int) -> NDArray[np.float64]:
    """(lags, 2, tissues) mean products of a body's residuals without their tissue's mean; NaN for too few pairs."""
    where = place.ravel()
    many = torch.bincount(where, minlength=tissues + 1).clamp_min(1)
    mean = [torch.bincount(where, part.ravel().double(), minlength=tissues + 1) / many for part in residual]
    centred = residual - torch.stack(mean).float()[:, place]
    total, count = np.zeros((len(LAGS), 2, tissues)), np.zeros((len(LAGS), 1, tissues))
    for row, axis in np.ndindex(len(LAGS), 2):
        size = place.shape[axis] - LAGS[row]
        first, second = place.narrow(axis, 0, size), place.narrow(axis, LAGS[row], size)
        both = (first == second) & (first < tissues)
        product = centred.narrow(axis + 1, 0, size) * centred.narrow(axis + 1, LAGS[row], size)
        count[row] += torch.bincount(first[both], minlength=tissues).numpy()
        for image in (0, 1):
            total[row, image] += torch.bincount(first[both], product[image][both].double(), tissues).numpy()
    return np.where(count >= _FEWEST_PAIRS, total / np.maximum(count, 1.0), np.nan)


def _inner(place: torch.Tensor, other: int) -> torch.Tensor:
    """Tissues (X, Y, Z) where a voxel and its six neighbours are of one; `other` elsewhere."""
    same = torch.ones_like(place, dtype=torch.bool)
    for axis in range(3):
        for step in (1, -1):
            same &= place == place.roll(step, dims=axis)
    return torch.where(same, place, other)
