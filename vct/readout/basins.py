"""Hills of an image told apart: every voxel belongs to the summit that it climbs to; low saddles divide."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

_STEPS = [step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]


def basins(height: NDArray[np.float32], mask: NDArray[np.bool_], saddle_share: float) -> NDArray[np.int32]:
    """Number the hills of `height` (X, Y, Z) within `mask` from 1 on; 0 is outside.

    Each voxel climbs to its highest neighbour until it stands on a summit. Two hills are one when the saddle between
    them reaches `saddle_share` of the lower summit. Heights in the mask are positive.
    """
    index = np.full(mask.shape, -1, dtype=np.int64)
    index[mask] = np.arange(np.count_nonzero(mask))
    padded_index = np.pad(index, 1, constant_values=-1)
    padded = np.pad(np.where(mask, height, -np.inf), 1, constant_values=-np.inf)
    best, target = height[mask].astype(np.float64), index[mask].copy()
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
    heights = height[mask].astype(np.float64)
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

    def top(of: int) -> int:
        while root[of] != of:
            of = int(root[of])
        return of

    for number in np.argsort(-saddles, kind="stable"):
        one, other = (top(int(summit[voxel])) for voxel in across[number])
        if one != other:
            low, high = sorted((one, other), key=lambda at: heights[at])
            if saddles[number] >= saddle_share * heights[low]:
                root[low] = high
    return np.asarray([top(int(of)) for of in range(len(root))] if len(across) else root)
