"""Hills of an image told apart: every voxel belongs to the summit that it climbs to; low saddles divide."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

PLATEAU_SLOPE = 1e-5
"""Rise towards the middle of a region, per voxel, so that a plateau has one summit and not one a voxel."""
_STEPS = [step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]


def basins(height: NDArray[np.floating], mask: NDArray[np.bool_], saddle_share: float) -> NDArray[np.int32]:
    """Number the hills of `height` (X, Y, Z) within `mask` from 1 on; 0 is outside.

    Each voxel climbs to its highest neighbour until it stands on a summit. Two hills are one when the saddle between
    them reaches `saddle_share` of the lower summit. Heights in the mask are positive.
    """
    from scipy import ndimage

    height = height + PLATEAU_SLOPE * ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
    index = np.full(mask.shape, -1, dtype=np.int64)
    index[mask] = np.arange(np.count_nonzero(mask))
    padded_index = np.pad(index, 1, constant_values=-1)
    padded = np.pad(np.where(mask, height, -np.inf), 1, constant_values=-np.inf)
    best, target = height[mask], index[mask].copy()
    pairs = []
    for step in _STEPS:
        window = tuple(slice(1 + s, n + 1 + s) for s, n in zip(step, mask.shape, strict=True))
        value, other = padded[window][mask], padded_index[window][mask]
        higher = value > best
        best, target = np.where(higher, value, best), np.where(higher, other, target)
        if step > (0, 0, 0):
            here = np.flatnonzero(other >= 0)
            pairs.append(np.stack([here, other[here]], axis=1))
    while not np.array_equal(target[target], target):
        target = target[target]
    heights = height[mask]
    root = _merged(heights, target, np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64), saddle_share)
    numbers = np.zeros(mask.shape, dtype=np.int32)
    numbers[mask] = np.unique(root[target], return_inverse=True)[1] + 1
    return numbers


def _merged(
    heights: NDArray[np.float64], summit: NDArray[np.int64], pairs: NDArray[np.int64], saddle_share: float
) -> NDArray[np.int64]:
    """Where each summit's hill ended up: its own index, or that of the higher hill that it was merged with."""
    root = np.arange(len(heights))
    across = pairs[summit[pairs[:, 0]] != summit[pairs[:, 1]]]
    saddles = np.minimum(heights[across[:, 0]], heights[across[:, 1]])
    hills = np.sort(summit[across], axis=1)
    order = np.lexsort((-saddles, hills[:, 1], hills[:, 0]))
    first = np.unique(hills[order], axis=0, return_index=True)[1] if len(order) else order
    across, saddles = hills[order][first], saddles[order][first]

    def top(of: int) -> int:
        while root[of] != of:
            of = int(root[of])
        return of

    for number in np.argsort(-saddles, kind="stable"):
        one, other = (top(int(hill)) for hill in across[number])
        if one != other:
            low, high = sorted((one, other), key=lambda at: heights[at])
            if saddles[number] >= saddle_share * heights[low]:
                root[low] = high
    return np.asarray([top(int(of)) for of in range(len(root))] if len(across) else root)
