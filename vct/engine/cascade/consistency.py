"""The fine volume must average to the coarse one: amplitude is stage 1's by construction."""

from __future__ import annotations

import torch
from torch.nn import functional

_PASSES = 4
_MAX_RATIO = 4.0
_LEAST_SUV = 1e-3


def block_mean(volume: torch.Tensor, factor: int) -> torch.Tensor:
    """(B, C, X, Y, Z) to the mean of every block of factor^3 voxels."""
    return functional.avg_pool3d(volume, factor)


def upsampled(volume: torch.Tensor, factor: int) -> torch.Tensor:
    """(B, C, X, Y, Z) trilinearly to voxels `factor` times finer over the same outer faces."""
    return functional.interpolate(volume, scale_factor=float(factor), mode="trilinear", align_corners=False)


def consistent_hu(fine: torch.Tensor, coarse: torch.Tensor, factor: int) -> torch.Tensor:
    """`fine` (B, C, X, Y, Z) in HU, shifted so that its block means are `coarse`.

    Smooth corrections first, so that no blocks show; what they leave is then taken off block by block.
    """
    for _ in range(_PASSES):
        fine = fine + upsampled(coarse - block_mean(fine, factor), factor)
    return fine + _repeated(coarse - block_mean(fine, factor), factor)


def consistent_suv(fine: torch.Tensor, coarse: torch.Tensor, factor: int) -> torch.Tensor:
    """`fine` in SUV, scaled so that its block means are `coarse`; stays above zero. Both (B, C, X, Y, Z), none
    negative."""
    fine = fine + _LEAST_SUV
    target = coarse + _LEAST_SUV
    for _ in range(_PASSES):
        ratio = (target / block_mean(fine, factor)).clamp(1.0 / _MAX_RATIO, _MAX_RATIO)
        fine = fine * upsampled(ratio, factor)
    fine = fine * _repeated(target / block_mean(fine, factor), factor)
    return (fine - _LEAST_SUV).clamp_min(0.0)


def _repeated(volume: torch.Tensor, factor: int) -> torch.Tensor:
    return functional.interpolate(volume, scale_factor=float(factor), mode="nearest")
