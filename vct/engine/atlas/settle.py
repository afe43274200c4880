"""A body's fat, measured as painted and settled on its target: the lattices on which it is planned are coarse."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np

from vct.engine.atlas.body import Body
from vct.engine.atlas.day import at_rest
from vct.engine.atlas.render import render
from vct.engine.atlas.skin import SKIN_MM
from vct.engine.atlas.tissues import Tissue
from vct.structures import STRUCTURES, labels_of
from vct.volume import Grid

PASSES = 2
FAT_SHARES = (0.02, 0.985)


def settled(body: Body, grid: Grid) -> Body:
    """The body with its skin and the fat of its belly moved by what paintings on `grid` miss of their targets."""
    for _ in range(PASSES):
        body = _corrected(body, grid)
    return body


def _corrected(body: Body, grid: Grid) -> Body:
    """One pass: the skin moves by the missing volume over the layer's area; in belly and chest the share of the free
    room that is fat, rather than firmer tissue, changes by one factor. Other fat (at the kidneys' hilum) stays.
    """
    seen = render(body, at_rest(body.lattice), grid)
    fat = seen.label == STRUCTURES["torso_fat"]
    free = fat & np.isin(seen.tissue, (Tissue.VISCERAL_FAT, Tissue.MEDIASTINUM))
    under = np.isin(seen.label, [number for name in ("subcutaneous_fat", "breast") for number in labels_of(name)])
    under_ml, inside_ml, free_ml = (float(np.count_nonzero(mask)) * grid.voxel_ml for mask in (under, fat, free))
    low, high = (int(np.searchsorted(body.lattice.axes_mm()[2].ravel(), z)) for z in body.fov_z_mm)
    step = body.lattice.spacing_mm
    shell = np.abs(body.skin_mm[:, :, low:high] - SKIN_MM) < step / 2.0
    per_mm = max(float(np.count_nonzero(shell)) * body.lattice.voxel_ml / step, 1.0)
    move = float(np.clip((body.target.subcutaneous_ml - under_ml) / per_mm, -2.0, 2.0))
    factor = max(body.target.visceral_ml - (inside_ml - free_ml), 0.0) / max(free_ml, 1.0)
    normal = NormalDist()
    chest, belly = (
        normal.inv_cdf(float(np.clip(normal.cdf(level) * factor, *FAT_SHARES))) for level in body.fat_levels
    )
    return replace(body, skin_mm=body.skin_mm + np.float32(move), fat_levels=(chest, belly))
