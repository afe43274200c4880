"""The belly's free room, measured on a 4 mm lattice, and the bowel grown in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vct.engine.atlas.case import Case, Organ
from vct.engine.atlas.composition import Composition
from vct.engine.atlas.duodenum import draw_duodenum
from vct.engine.atlas.filling import LINING_DEPTH
from vct.engine.atlas.fit import Fit
from vct.engine.atlas.frame import TUBES, nearest, read_frame
from vct.engine.atlas.gut import Gut, grow_gut
from vct.engine.atlas.lattice import Field, Lattice
from vct.engine.atlas.pulls import Pulls
from vct.engine.atlas.tissues import Tissue

GUT_MM = 4.0


def fill_with_gut(
    fitted: Fit, case: Case, coarse: Lattice, target: Composition, pulls: Pulls, lining: float, rng: Generator
) -> tuple[Gut, NDArray[np.bool_]]:
    """The bowel, and the room that it leaves in the belly, on the bowel's lattice."""
    from scipy import ndimage

    frame = fitted.frame
    z_rows, t_rows = fitted.knots_z
    low = float(np.interp(frame.low_z_mm - 5, t_rows, z_rows))
    high = float(np.interp(frame.base_z_mm + 70, t_rows, z_rows))
    rows = fitted.cage.levels_mm
    used = (rows > low) & (rows < high)
    wide = float(fitted.cage.radius[used].max()) + 12.0
    axis = fitted.cage.axis_y[used]
    lattice = Lattice.over((-wide, axis.min() - 110.0, low), (wide, axis.max() + wide, high), GUT_MM)
    axes = lattice.axes_mm()
    layers = (pulls.frame, pulls.tubes, pulls.case)
    frame_points, tube_points, case_points = (tuple(coarse.read(v, axes) for v in layer) for layer in layers)
    cavity = read_frame(frame, frame_points) == Tissue.CAVITY
    solid = nearest(case.labels, (0.0, 0.0, 0.0), case.spacing_mm, case_points) > 0
    tubes = read_frame(frame, tube_points, "tubes")
    room = cavity & ~solid & ~np.isin(tubes, TUBES)
    open_space = cavity & ~solid
    clearance = (ndimage.distance_transform_edt(open_space[::2, ::2, ::2]) * (2 * GUT_MM)).astype(np.float32)
    half = Lattice(origin_mm=lattice.origin_mm, spacing_mm=2 * GUT_MM, shape=clearance.shape)
    clearance_fine = half.read(clearance, axes)
    deep = coarse.read(pulls.depth, axes)
    room &= deep <= np.where(frame_points[2] > frame.base_z_mm, LINING_DEPTH, lining)
    preference = _loop_preference(fitted, case, axes, deep)
    targets = (target.colon_ml, target.small_bowel_ml)
    duodenum = draw_duodenum(tubes == Tissue.PANCREAS, room, clearance_fine, lattice, target.duodenum_ml)
    gut = grow_gut(fitted, lattice, room, clearance_fine, preference, duodenum, targets, rng)
    rest = room & (np.maximum(np.maximum(gut.colon_mm, gut.loop_mm), duodenum) <= 0)
    rest &= frame_points[2] < frame.base_z_mm
    return gut, rest


def _loop_preference(fitted: Fit, case: Case, axes: Any, depth: Field) -> Field:
    """Where small bowel lies: the middle of the belly below stomach and pancreas, in front of the kidneys."""
    frame = fitted.frame
    x, y, z = axes
    kidneys = fitted.pose.points(case, case.labels == Organ.KIDNEY)
    behind = float(kidneys[:, 1].mean())
    z_rows, t_rows = fitted.knots_z
    low = float(np.interp(frame.pelvis_z_mm, t_rows, z_rows))
    high = float(np.interp(frame.base_z_mm, t_rows, z_rows))
    height = (z - low) / (high - low)
    middle = -(((height - 0.38) / 0.36) ** 2)
    retro = -np.clip((behind + 8.0 - y) / 18.0, 0.0, 3.0) * np.clip((height - 0.15) / 0.2, 0.0, 1.0)
    wall = -np.clip((depth - 0.86) / 0.10, 0.0, 2.0)
    flank = -0.6 * np.clip((np.abs(x) - 85.0) / 40.0, 0.0, 1.5)
    found: Field = (middle + retro + wall + flank).astype(np.float32)
    return found
