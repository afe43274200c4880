"""A lean body's fat, measured as painted and settled on its target: coarse lattices are off by a third of it."""

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

LEAN_BMI = 19.5


def settled(body: Body, grid: Grid) -> Body:
    """The body with its skin and the fat of its belly moved by what a painting on `grid` misses; unchanged unless lean.

    The skin moves by the missing volume over the layer's area, the belly's fat by the slope of the normal distribution
    that decides between fat and firmer tissue.
    """
    if body.patient.bmi_kg_m2 > LEAN_BMI:
        return body
    seen = render(body, at_rest(body.lattice), grid)
    label = seen.label
    under, inside = (
        float(np.isin(label, [number for name in names for number in labels_of(name)]).sum()) * grid.voxel_ml
        for names in (("subcutaneous_fat", "breast"), ("torso_fat",))
    )
    low, high = (int(np.searchsorted(body.lattice.axes_mm()[2].ravel(), z)) for z in body.fov_z_mm)
    step = body.lattice.spacing_mm
    shell = np.abs(body.skin_mm[:, :, low:high] - SKIN_MM) < step / 2.0
    per_mm = max(float(shell.sum()) * body.lattice.voxel_ml / step, 1.0)
    move = float(np.clip((body.target.subcutaneous_ml - under) / per_mm, -2.0, 2.0))
    normal = NormalDist()
    chest, belly = body.fat_levels
    between_lungs = (label == STRUCTURES["torso_fat"]) & (seen.tissue == Tissue.MEDIASTINUM)
    chest_ml = float(between_lungs.sum()) * grid.voxel_ml
    share = max(body.target.visceral_ml - chest_ml, 0.0) / max(inside - chest_ml, 1.0)
    wanted = float(np.clip(normal.cdf(belly) * share, 0.02, 0.985))
    return replace(
        body, skin_mm=body.skin_mm + np.float32(move), fat_levels=(chest, min(belly, normal.inv_cdf(wanted)))
    )
