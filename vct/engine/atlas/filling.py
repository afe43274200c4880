"""Filling the abdomen: how far the belly is pushed out, how thick the wall is, where bowel takes what fat leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.case import Case
from vct.engine.atlas.composition import Composition
from vct.engine.atlas.fit import Fit, inflated
from vct.engine.atlas.frame import nearest, read_frame
from vct.engine.atlas.lattice import Lattice
from vct.engine.atlas.tissues import Tissue

SOLVER_MM = 12.0
LINING_DEPTH = 0.93


def filled_abdomen(
    fitted: Fit, case: Case, target: Composition, fov: tuple[float, float]
) -> tuple[Fit, Composition, float, float]:
    """Inflate the abdomen until it holds organs, bowel and the visceral fat; then scale the wall to the lean target.

    Where the organs' own spread leaves more room than the fat of a lean person fills, bowel takes it, up to 2.2
    times its target, and then the wall's inner lining. Returns the fit, the new targets, the lining's depth (radius
    over the wall's) and the fat between the lungs in ml.
    """
    chest_share, belly_share = (NormalDist().cdf(v) for v in (target.chest_fat_level, target.belly_fat_level))
    lattice = Lattice.over((-216.0, -150.0, fov[0]), (216.0, 330.0, fov[1]), SOLVER_MM)
    axes = lattice.axes_mm()
    points = tuple(np.broadcast_to(value, lattice.shape) for value in axes)
    organs = nearest(case.labels, (0.0, 0.0, 0.0), case.spacing_mm, fitted.pose.to_case(*points)) > 0
    voxel_ml = lattice.voxel_ml
    bowel = target.small_bowel_ml + target.colon_ml

    def visceral(amount: float) -> float:
        *pulled, depth = inflated(fitted, amount).to_template(*points)
        free = (read_frame(fitted.frame, pulled) == Tissue.CAVITY) & ~organs
        free &= read_frame(fitted.frame, pulled, "tubes") == 0
        chest = pulled[2] > fitted.frame.base_z_mm
        inner = np.count_nonzero(free & chest & (depth < LINING_DEPTH)) * voxel_ml
        belly = np.count_nonzero(free & ~chest) * voxel_ml - bowel
        return float(inner * chest_share + belly * belly_share)

    room = visceral(0.0)
    toward = 0.2 if room < target.visceral_ml else -0.2
    amount, room = _secant(visceral, target.visceral_ml, ((0.0, room), (toward, visceral(toward))), (-0.62, 1.2))
    filled = inflated(fitted, amount)
    spare = (room - target.visceral_ml) / belly_share
    more = 1.0 + float(np.clip(spare / bowel, 0.0, 1.2))
    target = replace(target, small_bowel_ml=more * target.small_bowel_ml, colon_ml=min(more, 1.5) * target.colon_ml)
    spare -= (more - 1.0) * bowel
    *pulled, depth = filled.to_template(*points)
    cavity = (read_frame(fitted.frame, pulled) == Tissue.CAVITY) & ~organs
    free = cavity & (pulled[2] < fitted.frame.base_z_mm)
    chest = cavity & ~free & (depth < LINING_DEPTH) & (read_frame(fitted.frame, pulled, "tubes") == 0)
    chest_ml = float(np.count_nonzero(chest)) * voxel_ml * chest_share
    lining = _lining(depth[free], spare / voxel_ml)

    def lean(scale: float) -> float:
        pulled = replace(filled, wall_scale=scale).to_template(*points)[:3]
        wall = read_frame(fitted.frame, pulled)
        solid = (wall != Tissue.OUTSIDE) & (wall != Tissue.CAVITY)
        return float(np.count_nonzero(solid) + np.count_nonzero(organs)) * voxel_ml + bowel

    first = filled.wall_scale
    start = ((first, lean(first)), (1.06 * first, lean(1.06 * first)))
    scale, _ = _secant(lean, target.lean_ml, start, (0.85 * first, 1.22 * first))
    return replace(filled, wall_scale=scale), target, lining, chest_ml


def _lining(depth: NDArray[Any], cells: float) -> float:
    """Depth (radius over the wall's) beyond which free room in the belly becomes wall, so that `cells` of it do."""
    if cells < 1 or not depth.size:
        return 1.5
    ordered = np.sort(depth.ravel())
    return max(float(ordered[max(ordered.size - int(cells), 0)]), 0.74)


def _secant(
    measure: Callable[[float], float],
    wanted: float,
    start: tuple[tuple[float, float], tuple[float, float]],
    bounds: tuple[float, float],
    n: int = 5,
) -> tuple[float, float]:
    """The argument within bounds at which a growing `measure` is `wanted` to 1 %, and the measure there.

    `start` holds two arguments and their measures.
    """
    a, b = start
    for _ in range(n):
        if abs(b[1] - wanted) < 0.01 * wanted or a[0] == b[0] or (b[1] - a[1]) / (b[0] - a[0]) <= 0:
            break
        at = float(np.clip(b[0] + (wanted - b[1]) * (b[0] - a[0]) / (b[1] - a[1]), *bounds))
        a, b = b, (at, b[1] if at == b[0] else measure(at))
    return min(a, b, key=lambda pair: abs(pair[1] - wanted))
