"""Uneven uptake: a fine texture in parenchyma, slow swings along bowel, collecting system and myocardium."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vct.engine.atlas.lattice import Field, Lattice
from vct.engine.atlas.tissues import N_TISSUES, Tissue
from vct.volume import Grid

STEP_MM = 8.0
FINE_MM, SLOW_MM = 10.0, 26.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """Two fields of unit variance on a lattice, and by tissue code the spread of ln uptake that each gives."""

    lattice: Lattice
    fine: Field
    slow: Field
    fine_spread: NDArray[np.float32]
    slow_spread: NDArray[np.float32]

    def factor(self, tissue: NDArray[np.uint8], grid: Grid) -> NDArray[np.float32]:
        """Uptake over its mean at every voxel."""
        axes = tuple(axis.ravel() for axis in grid.axes_mm())
        total = self.lattice.read(self.fine, axes)
        total *= self.fine_spread[tissue]
        slow = self.lattice.read(self.slow, axes)
        slow *= self.slow_spread[tissue]
        total += slow
        found: NDArray[np.float32] = np.exp(total - 0.5 * (self.fine_spread**2 + self.slow_spread**2)[tissue])
        return found


def lattice_over(grid: Grid) -> Lattice:
    """The lattice of textures over a grid."""
    ends: list[Any] = [[axis.ravel()[k] for axis in grid.axes_mm()] for k in (0, -1)]
    return Lattice.over(ends[0], ends[1], STEP_MM)


def draw_texture(grid: Grid, rng: Generator, myocardial_swing: float) -> Texture:
    """One scan's texture. Spreads are assumed; `myocardial_swing` is the myocardium's."""
    lattice = lattice_over(grid)
    fine = np.full(N_TISSUES, 0.05, np.float32)
    fine[[Tissue.MUSCLE, Tissue.LUNG]] = 0.10
    fine[[Tissue.LIVER, Tissue.SPLEEN]] = 0.08
    fine[[Tissue.BLADDER, Tissue.BLOOD_POOL, Tissue.ARTERY]] = 0.03
    fine[[Tissue.MYOCARDIUM, Tissue.KIDNEY, Tissue.KIDNEY_CORE]] = 0.12
    slow = np.zeros(N_TISSUES, np.float32)
    slow[[Tissue.SMALL_BOWEL, Tissue.BOWEL_LUMEN, Tissue.COLON_WALL, Tissue.COLON_LUMEN, Tissue.RECTUM_WALL]] = 0.55
    slow[[Tissue.STOMACH_WALL, Tissue.URETER, Tissue.RENAL_PELVIS]] = (0.2, 0.9, 0.4)
    slow[Tissue.MYOCARDIUM] = myocardial_swing
    return Texture(
        lattice=lattice,
        fine=lattice.noise(rng, FINE_MM),
        slow=lattice.noise(rng, SLOW_MM),
        fine_spread=fine,
        slow_spread=slow,
    )
