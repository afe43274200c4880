"""Skin and the fat under it: thicknesses along rays from the body's axis, grown on the lean body.

A thin layer of fat that becomes a thick one is no smooth displacement of anything; a torso is star-shaped about its
axis (.5 % of its voxels are not), so that its skin is a distance along every ray.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from vct.engine.cascade.grid import SIDE_MM, shape_at
from vct.engine.cascade.tissues import lean_labels
from vct.structures import STRUCTURES

ANGLES, LEVELS = 32, 48
SKIN_MM = 2.6
"""A voxel of 4 mm is labelled skin when its middle lies no deeper: as many as the virtual population's are."""
OFFSET_MM = 4.0
_RAYS, _STEP_MM, _FARTHEST_MM = 64, 2.0, 320.0
_HULL = (5, 9)
"""Rays and 4 mm levels over which the lean body's outline is smoothed, which keeps the skin smooth over ribs."""


def axis_of(labels: torch.Tensor) -> torch.Tensor:
    """(2, Z) mm from the grid's middle: a smooth line down the middle of the lean body in labels (X, Y, Z)."""
    lean = lean_labels(labels).float()
    middles = []
    for dim, other in ((0, 1), (1, 0)):
        profile = lean.sum(dim=other)
        line = _line(labels.shape[dim], labels.device)
        middles.append((profile * line[:, None]).sum(dim=0) / profile.sum(dim=0).clamp_min(1.0))
    width = labels.shape[2] // 8 * 2 + 1
    padded = functional.pad(torch.stack(middles)[None], (width // 2, width // 2), mode="replicate")
    return functional.avg_pool1d(padded, width, stride=1)[0]


def thickness(labels: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """(ANGLES, LEVELS) ln of fat and skin beyond the lean body, over 10 mm and counted from `OFFSET_MM` inside it."""
    beyond = _outermost(labels > 0, axis) - _hull(_outermost(lean_labels(labels), axis))
    pooled = functional.adaptive_avg_pool2d(beyond[None], (ANGLES, LEVELS))[0]
    return ((pooled + OFFSET_MM).clamp_min(1.0) / 10.0).log()


def depths(labels: torch.Tensor, log_thickness: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """(X, Y, Z) mm under the skin, negative outside it, of the voxels round the lean body in labels (X, Y, Z)."""
    lean = lean_labels(labels)
    around = functional.pad(log_thickness[None, None], (0, 0, 1, 1), mode="circular")
    fine = functional.interpolate(around, (_RAYS * (ANGLES + 2) // ANGLES, labels.shape[2]), mode="bilinear")
    edge = (_RAYS // ANGLES, _RAYS + _RAYS // ANGLES)
    radius = _hull(_outermost(lean, axis)) + fine[0, 0, edge[0] : edge[1]].exp() * 10.0 - OFFSET_MM
    found = _along(radius, axis, labels.shape)
    return torch.where(lean, found.clamp_min(SKIN_MM + _STEP_MM), found)


def clothed(labels: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
    """Labels (X, Y, Z) with skin and the fat under it where `depth` says, and nothing outside."""
    fat, skin = STRUCTURES["subcutaneous_fat"], STRUCTURES["skin"]
    bare = (labels == 0) | (labels == skin)
    filled = torch.where(bare, torch.full_like(labels, fat), labels)
    filled = torch.where((depth <= SKIN_MM) & (depth > 0.0), torch.full_like(labels, skin), filled)
    return torch.where(depth > 0.0, filled, torch.zeros_like(labels))


def _outermost(mask: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """(RAYS, Z) mm from the axis to the farthest voxel of `mask` (X, Y, Z) along every ray."""
    radii = torch.arange(0.0, _FARTHEST_MM, _STEP_MM, device=mask.device)
    angles = (torch.arange(_RAYS, device=mask.device) + 0.5) * (2.0 * math.pi / _RAYS)
    x, y = (
        ((axis[row] + radii[:, None] * turn(angles)[:, None, None] + SIDE_MM / 2.0) * (count / SIDE_MM)).long()
        for row, (turn, count) in enumerate(((torch.cos, mask.shape[0]), (torch.sin, mask.shape[1])))
    )
    within = (x >= 0) & (x < mask.shape[0]) & (y >= 0) & (y < mask.shape[1])
    z = torch.arange(mask.shape[2], device=mask.device)
    hit = mask[x.clamp(0, mask.shape[0] - 1), y.clamp(0, mask.shape[1] - 1), z] & within
    return (hit * (radii + _STEP_MM / 2.0)[:, None]).amax(dim=1)


def _hull(radius: torch.Tensor) -> torch.Tensor:
    """(RAYS, Z) smoothed outline; along z by the same millimetres whatever the spacing."""
    levels = round(_HULL[1] * radius.shape[1] / shape_at(4.0)[2] / 2.0) * 2 + 1
    padded = functional.pad(radius[None, None], (0, 0, _HULL[0] // 2, _HULL[0] // 2), mode="circular")
    padded = functional.pad(padded, (levels // 2, levels // 2, 0, 0), mode="replicate")
    return functional.avg_pool2d(padded, (_HULL[0], levels), stride=1)[0, 0]


def _along(radius: torch.Tensor, axis: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """(X, Y, Z) mm from every voxel outward to `radius` (RAYS, Z)."""
    across = _line(shape[0], radius.device)[:, None, None] - axis[0]
    along = _line(shape[1], radius.device)[None, :, None] - axis[1]
    turn = (torch.atan2(along, across) * (_RAYS / (2.0 * math.pi)) - 0.5) % _RAYS
    first = turn.floor()
    share, first = turn - first, first.long() % _RAYS
    z = torch.arange(shape[2], device=radius.device)
    limit = radius[first, z] * (1.0 - share) + radius[(first + 1) % _RAYS, z] * share
    return limit - torch.hypot(across, along)


def _line(count: int, device: torch.device) -> torch.Tensor:
    return (torch.arange(count, device=device) + 0.5) * (SIDE_MM / count) - SIDE_MM / 2.0
