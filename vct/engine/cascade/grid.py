"""The model's grid: 448 x 448 mm across, and along z as many voxels for every patient, so that a voxel is a place in
the body."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vct.volume import Grid, Volume

SIDE_MM = 448.0
NOMINAL_Z_MM = 768.0
"""224 x 224 x 384 voxels of 2 mm (arXiv 2505.22489); the true z spacing is the scan's length over the number of
voxels."""
SPACINGS_MM = (2.0, 4.0, 8.0, 16.0)


class Length(NamedTuple):
    """Length of the scanned torso, clavicles to upper thighs: `per_cm` mm for every cm of height and `fixed_mm`."""

    per_cm: float = 2.93258
    fixed_mm: float = 220.838
    """The published line: 146.629 voxels of 2 mm a metre and 110.419 (arXiv 2505.22489)."""

    def of(self, height_cm: float) -> float:
        """Millimetres at a height."""
        return self.per_cm * height_cm + self.fixed_mm

    @classmethod
    def fitted(cls, heights_cm: np.ndarray, lengths_mm: np.ndarray) -> Length:
        """The least-squares line through the training scans; a constant where they hardly differ in height."""
        if len(heights_cm) < 3 or float(np.std(heights_cm)) < 1.0:
            return cls(0.0, float(np.mean(lengths_mm)))
        per_cm, fixed = np.polyfit(heights_cm, lengths_mm, 1)
        return cls(float(per_cm), float(fixed))


def shape_at(spacing_mm: float) -> tuple[int, int, int]:
    """Voxels of the model's grid; `spacing_mm` is one of `SPACINGS_MM`."""
    across, along = round(SIDE_MM / spacing_mm), round(NOMINAL_Z_MM / spacing_mm)
    return across, across, along


def grid_for(
    length_mm: float, spacing_mm: float, bottom_mm: float = 0.0, center_mm: tuple[float, float] = (0.0, 0.0)
) -> Grid:
    """The model's grid over a body `length_mm` long, in patient millimetres."""
    shape = shape_at(spacing_mm)
    step = length_mm / shape[2]
    first = -SIDE_MM / 2.0 + spacing_mm / 2.0
    return Grid(
        shape=shape,
        spacing_mm=(spacing_mm, spacing_mm, step),
        origin_mm=(center_mm[0] + first, center_mm[1] + first, bottom_mm + step / 2.0),
    )


def on_model_grid(volume: Volume, spacing_mm: float) -> Volume:
    """A scan on the model's grid: centred across its own field of view, its whole length along z."""
    low = [o - s / 2.0 for o, s in zip(volume.grid.origin_mm, volume.grid.spacing_mm, strict=True)]
    extent = [n * s for n, s in zip(volume.grid.shape, volume.grid.spacing_mm, strict=True)]
    center = (low[0] + extent[0] / 2.0, low[1] + extent[1] / 2.0)
    return volume.resampled(grid_for(extent[2], spacing_mm, low[2], center))
