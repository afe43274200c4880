"""A smooth displacement field as coefficients of uniform cubic B-splines over the model's grid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch.nn import functional

from vct.engine.cascade.grid import NOMINAL_Z_MM, SIDE_MM

Spans = tuple[int, int, int]
EXTENT_MM = (SIDE_MM, SIDE_MM, NOMINAL_Z_MM)


def lattice_shape(spans: Spans) -> tuple[int, int, int]:
    """Coefficients along x, y, z: a cubic spline of n spans has n + 3."""
    return spans[0] + 3, spans[1] + 3, spans[2] + 3


@lru_cache(maxsize=64)
def basis(spans: int, voxels: int) -> torch.Tensor:
    """(voxels, spans + 3): the B-splines at the voxel centres of an axis cut into `spans`."""
    at = (torch.arange(voxels, dtype=torch.float64) + 0.5) / voxels * spans
    first = at.floor().clamp(max=spans - 1).long()
    f = at - first
    weights = torch.stack(((1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3), dim=1) / 6.0
    matrix = torch.zeros(voxels, spans + 3, dtype=torch.float64)
    matrix.scatter_(1, first[:, None] + torch.arange(4), weights)
    return matrix.float()


def field(coefficients: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Displacements (B, 3, X, Y, Z) in mm at the voxels of `shape` from coefficients (B, 3, i, j, k)."""
    device = coefficients.device
    bx, by, bz = (basis(n - 3, v).to(device) for n, v in zip(coefficients.shape[2:], shape, strict=True))
    h = torch.einsum("bcijk,zk->bcijz", coefficients, bz)
    h = torch.einsum("bcijz,yj->bciyz", h, by)
    return torch.einsum("bciyz,xi->bcxyz", h, bx)


def fitted(displacements: torch.Tensor, spans: Spans) -> torch.Tensor:
    """Coefficients (B, 3, i, j, k) of the closest spline to displacements (B, 3, X, Y, Z); exact for finer `spans`."""
    px, py, pz = (
        torch.linalg.pinv(basis(n, v)).to(displacements.device)
        for n, v in zip(spans, displacements.shape[2:], strict=True)
    )
    h = torch.einsum("bcxyz,kz->bcxyk", displacements, pz)
    h = torch.einsum("bcxyk,jy->bcxjk", h, py)
    return torch.einsum("bcxjk,ix->bcijk", h, px)


def bending(coefficients: torch.Tensor) -> torch.Tensor:
    """(B,) mean squared second difference of the coefficients: how much the field bends."""
    parts = [coefficients.diff(n=2, dim=axis).square().mean(dim=(1, 2, 3, 4)) for axis in (2, 3, 4)]
    return torch.stack(parts).sum(dim=0)


def warped(volume: torch.Tensor, displacements: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
    """`volume` (B, C, x, y, z) read at every voxel of `displacements` (B, 3, X, Y, Z) moved by them (mm).

    Both cover the whole model grid, each at its own spacing. Outside, the border's values count. `mode` is "bilinear"
    (trilinear in 3-D) or "nearest".
    """
    shape = displacements.shape[2:]
    lines = [(torch.arange(n, dtype=torch.float32, device=volume.device) + 0.5) * 2.0 / n - 1.0 for n in shape]
    at = [
        line.reshape([-1 if axis == other else 1 for other in range(3)])
        + displacements[:, axis] * (2.0 / EXTENT_MM[axis])
        for axis, line in enumerate(lines)
    ]
    grid = torch.stack((at[2], at[1], at[0]), dim=-1)
    return functional.grid_sample(volume, grid, mode=mode, padding_mode="border", align_corners=False)
