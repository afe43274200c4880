"""The duodenum: its volume, its C round the pancreas's head, and only where there is room."""

from __future__ import annotations

import numpy as np
import pytest

from vct.engine.atlas.duodenum import draw_duodenum
from vct.engine.atlas.lattice import Lattice

LATTICE = Lattice.over((-100, -60, -90), (100, 60, 90), 4.0)
X, Y, Z = np.broadcast_arrays(*LATTICE.axes_mm())
PANCREAS = (X / 60) ** 2 + (Y / 12) ** 2 + (Z / 14) ** 2 < 1
ROOM = ~PANCREAS
WIDE = np.full(LATTICE.shape, 50.0, np.float32)


def test_it_holds_its_volume() -> None:
    depth = draw_duodenum(PANCREAS, ROOM, WIDE, LATTICE, 60.0)
    assert float((depth > 0).sum()) * LATTICE.voxel_ml == pytest.approx(60.0, rel=0.05)
    assert not (depth[PANCREAS] > 0).any()


def test_it_runs_down_the_right_of_the_head_and_back_across_the_midline() -> None:
    held = draw_duodenum(PANCREAS, ROOM, WIDE, LATTICE, 60.0) > 0
    head = X[PANCREAS].max()
    assert X[held].max() > head
    assert X[held].min() < 0.0
    middle, low = held & (np.abs(Z) < 8), held & (Z < -30)
    assert X[middle].mean() > X[low].mean()
    assert Z[held].max() > 10
    assert Z[held].min() < -35


def test_it_keeps_off_solid_organs() -> None:
    """A wall on its right: the clearance rises away from it, and the tube moves to the left."""
    clearance = np.minimum(60.0 - X, 50.0).astype(np.float32)
    free = draw_duodenum(PANCREAS, ROOM, WIDE, LATTICE, 60.0) > 0
    pushed = draw_duodenum(PANCREAS, ROOM, clearance, LATTICE, 60.0) > 0
    assert X[pushed].mean() < X[free].mean()
    blocked = draw_duodenum(PANCREAS, ROOM & (X < 60), WIDE, LATTICE, 60.0) > 0
    assert not (blocked & (X >= 60)).any()


def test_none_without_a_pancreas() -> None:
    assert not (draw_duodenum(np.zeros_like(PANCREAS), ROOM, WIDE, LATTICE, 60.0) > 0).any()
