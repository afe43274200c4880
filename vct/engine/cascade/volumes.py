"""Organ volumes of a labelled body, and the displacement that grows or shrinks organs to given ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from vct.engine.cascade.grid import shape_at
from vct.engine.cascade.spline import Spans, fitted
from vct.structures import GROUPS, labels_of

COARSE_MM = 16.0
MOST_MISS = 0.5
"""Of ln ml, what one step makes good at most (assumed): the response is linear near by only."""
_LEAST_SHARE = 0.2


def organ_log_ml(labels: torch.Tensor, organs: Sequence[str], spacing_mm: float) -> torch.Tensor:
    """(organs,) ln ml of structures or groups in labels on the model's grid; of one voxel where an organ is missing."""
    count = torch.bincount(labels.ravel().long(), minlength=256).tolist()
    voxels = [max(sum(count[label] for label in labels_of(organ)), 1) for organ in organs]
    return torch.tensor(voxels, dtype=torch.float32, device=labels.device).mul((spacing_mm / 10.0) ** 3).log()


def settling_step(labels: torch.Tensor, organs: Sequence[str], miss: torch.Tensor, spans: Spans) -> torch.Tensor:
    """Spline coefficients (3, i, j, k), in mm, to add to the displacement that shows `labels` (X, Y, Z).

    Organs whose ln ml falls short by `miss` (organs,) are stretched about their middles, paired organs each about its
    own; the stretch fades out within two coarse voxels of the organ.
    """
    lines = [(torch.arange(n, device=labels.device) + 0.5) * COARSE_MM for n in shape_at(COARSE_MM)]
    place = torch.stack(torch.meshgrid(*lines, indexing="ij"))
    moved = torch.zeros_like(place)
    sides = [(side, short) for organ, short in zip(organs, miss.tolist(), strict=True) for side in _sides(organ)]
    shares = _shares(labels, [side for side, _ in sides])
    for share, (_, short) in zip(shares, sides, strict=True):
        total = share.sum()
        if total > 0.0:
            middle = (place * share).sum(dim=(1, 2, 3)) / total
            stretch = math.exp(-min(max(short, -MOST_MISS), MOST_MISS) / 3.0) - 1.0
            moved += stretch * _about(share) * (place - middle[:, None, None, None])
    return fitted(moved[None], spans)[0]


def _sides(organ: str) -> list[tuple[int, ...]]:
    """Label numbers of the left and of the right of a paired organ; of another, the heart's chambers included, all."""
    names, ends = GROUPS.get(organ, (organ,)), ("_left", "_right")
    if not all(name.endswith(ends) for name in names):
        return [labels_of(organ)]
    return [tuple(label for name in names if name.endswith(end) for label in labels_of(name)) for end in ends]


def _shares(labels: torch.Tensor, sides: Sequence[Sequence[int]]) -> torch.Tensor:
    """(sides, x, y, z) how much of every coarse voxel carries one of each side's numbers; no number has two sides."""
    shape = shape_at(COARSE_MM)
    side_of = torch.zeros(256, dtype=torch.long, device=labels.device)
    for place, numbers in enumerate(sides, start=1):
        side_of[list(numbers)] = place
    x, y, z = (
        torch.arange(fine, device=labels.device) * coarse // fine
        for fine, coarse in zip(labels.shape, shape, strict=True)
    )
    block = (x[:, None, None] * shape[1] + y[:, None]) * shape[2] + z
    rows = 1 + len(sides)
    count = torch.bincount((block * rows + side_of[labels.long()]).ravel(), minlength=math.prod(shape) * rows)
    voxels = labels.numel() / math.prod(shape)
    return count.reshape(*shape, rows)[..., 1:].movedim(-1, 0) / voxels


def _about(share: torch.Tensor) -> torch.Tensor:
    """One in and next to an organ, falling to nothing."""
    near = functional.max_pool3d((share > _LEAST_SHARE).float()[None], 3, stride=1, padding=1)
    return functional.avg_pool3d(near, 3, stride=1, padding=1)[0]
