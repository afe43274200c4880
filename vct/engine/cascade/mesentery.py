"""The fat between the loops of the bowel: traded against the bowel until there is as much as was drawn.

No smooth displacement makes much fat out of little. Loops that thin or swell evenly, as the fat between them grows or
goes, do.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from vct.engine.cascade.tissues import GUT
from vct.structures import STRUCTURES

FAT = STRUCTURES["torso_fat"]
LEAST_GUT = 0.1
"""Of bowel and fat together, what stays bowel at least (assumed)."""
_SMOOTH_VOXELS = 0.7
_MARGIN = 2


def traded(labels: torch.Tensor, fat_ml: float, spacing_mm: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels (X, Y, Z) with `fat_ml` of fat in the torso, and how much bowel fills every voxel that changed, -1 in the
    others, both of the shape of `labels`. Fat next to bowel that became fat has 0: it still shows that bowel's edge.

    Distances from the bowel's walls decide: one threshold gives the volume, whatever the shape. Labels without bowel or
    fat come back as they were.
    """
    found = labels.cpu().numpy().copy()
    gut = np.isin(found, [STRUCTURES[name] for name in GUT])
    fat = found == FAT
    share = np.full(found.shape, -1.0, np.float32)
    if gut.any() and fat.any():
        box = _box(gut | fat)
        found[box], share[box] = _trade(found[box], gut[box], fat[box], fat_ml / (spacing_mm / 10.0) ** 3)
    return torch.from_numpy(found).to(labels.device), torch.from_numpy(share).to(labels.device)


def _trade(
    labels: NDArray[np.uint8], gut: NDArray[np.bool_], fat: NDArray[np.bool_], wanted: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    from scipy import ndimage

    inward = ndimage.distance_transform_edt(gut)
    outward, nearest = ndimage.distance_transform_edt(~gut, return_indices=True)
    depth = ndimage.gaussian_filter((inward - outward).astype(np.float32), _SMOOTH_VOXELS)
    both = gut | fat
    depths = depth[both]
    count = int(np.clip(wanted, 1.0, (1.0 - LEAST_GUT) * depths.size))
    border = np.partition(depths, count - 1)[count - 1]
    now_fat = both & (depth <= border)
    changed = both & (now_fat != fat)
    traded = np.where(now_fat, np.uint8(FAT), np.where(changed, labels[tuple(nearest)], labels))
    share = np.where(changed, np.clip(depth - border + 0.5, 0.0, 1.0), -1.0)
    beside = ndimage.binary_dilation(changed & now_fat, np.ones((3, 3, 3), dtype=bool))
    share[beside & fat & ~changed] = 0.0
    return traded.astype(np.uint8), share.astype(np.float32)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    spans = []
    for axis in range(3):
        there = np.nonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))[0]
        spans.append(slice(max(int(there[0]) - _MARGIN, 0), int(there[-1]) + _MARGIN + 1))
    return tuple(spans)
