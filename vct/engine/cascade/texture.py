"""Texture: how uptake and density vary within a tissue, as sums of smooth random fields with measured amplitudes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from vct.engine.cascade.blur import blurred
from vct.engine.cascade.grid import shape_at
from vct.engine.cascade.sampler import volume_noise
from vct.engine.cascade.spline import EXTENT_MM

SCALES_MM = (0.0, 2.5, 5.0, 10.0, 20.0)
"""Standard deviations of the Gaussian kernels that smooth white noise into the fields; the first is a voxel's own
noise at 4 mm, which CT has and a PET, blurred as it is, has not. Assumed; the amplitudes are measured
(`vct.training.grain`)."""
BORDER_SD = 0.8
"""Voxels over which a PET's texture fades, as standard deviation (assumed)."""
_DRAWN_MM = (4.0, 4.0, 4.0, 8.0, 16.0)


def correlation(lag_mm: ArrayLike) -> NDArray[np.float64]:
    """(..., scales) what two places so far apart (...) share of each field's variance: exp(-d^2 / 4 s^2) of white noise
    smoothed by s."""
    lag = np.asarray(lag_mm, np.float64)[..., None]
    scales_mm = np.maximum(SCALES_MM, 1e-6)
    return np.exp(-np.square(lag / scales_mm) / 4.0)


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

    `place` (X, Y, Z) is each voxel's tissue, the last for none; `noise` is what `fields` drew. Means are kept. A PET's
    texture fades across borders, which a scanner never shows sharp.
    """
    log_suv, hu = torch.zeros_like(pet), torch.zeros_like(ct)
    for fields_of_scale, sd in zip(noise, grain, strict=True):
        if sd[0].any():
            amplitude = blurred(sd[0][place], BORDER_SD)
            log_suv += fields_of_scale[0] * amplitude - 0.5 * amplitude.square()
        if sd[1].any():
            hu += fields_of_scale[1] * sd[1][place]
    return ct + hu, pet * log_suv.exp()
