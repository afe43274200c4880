"""A coarse lattice in patient millimetres: smooth fields live on it and are read on any finer grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Points at `origin_mm + spacing_mm * index`, RAS+."""

    origin_mm: tuple[float, float, float]
    spacing_mm: float
    shape: tuple[int, int, int]

    @staticmethod
    def over(low_mm: Sequence[float], high_mm: Sequence[float], spacing_mm: float) -> Lattice:
        """The lattice that covers a box."""
        n = [int(np.ceil((high - low) / spacing_mm)) + 1 for low, high in zip(low_mm, high_mm, strict=True)]
        return Lattice(
            origin_mm=(float(low_mm[0]), float(low_mm[1]), float(low_mm[2])),
            spacing_mm=spacing_mm,
            shape=(n[0], n[1], n[2]),
        )

    @property
    def voxel_ml(self) -> float:
        """Volume of a lattice cell."""
        return self.spacing_mm**3 / 1000.0

    def axes_mm(self) -> tuple[Field, Field, Field]:
        """Coordinates along x, y, z, shaped to broadcast."""
        x, y, z = (
            np.asarray(o + self.spacing_mm * np.arange(n), np.float32)
            for o, n in zip(self.origin_mm, self.shape, strict=True)
        )
        return x[:, None, None], y[None, :, None], z[None, None, :]

    def noise(self, rng: Generator, sigma_mm: float) -> Field:
        """A Gaussian random field of unit variance with a Gaussian kernel of `sigma_mm`.

        Drawn on a lattice of about `sigma_mm` steps where that is coarser, then interpolated.
        """
        from scipy import ndimage

        step = max(self.spacing_mm, 0.8 * sigma_mm)
        extent = [self.spacing_mm * (n - 1) for n in self.shape]
        coarse = Lattice.over((0, 0, 0), extent, step)
        white = rng.standard_normal([n + 8 for n in coarse.shape]).astype(np.float32)
        width = sigma_mm / step
        smooth = ndimage.gaussian_filter(white, width, mode="wrap", truncate=3.0)
        smooth /= max(float(smooth.std()), 1e-9)
        smooth = smooth[4:-4, 4:-4, 4:-4]
        if step == self.spacing_mm:
            return np.ascontiguousarray(smooth[tuple(slice(0, n) for n in self.shape)])
        axes = [np.arange(n) * self.spacing_mm for n in self.shape]
        return coarse.read(smooth, axes)

    def read(self, values: Field, axes_mm: Sequence[NDArray[Any]]) -> Field:
        """`values` interpolated linearly at the crossings of three coordinate axes (mm); clamped at the border."""
        out = values
        for axis in (2, 1, 0):
            at = (np.asarray(axes_mm[axis], np.float64).ravel() - self.origin_mm[axis]) / self.spacing_mm
            at = np.clip(at, 0, self.shape[axis] - 1)
            low = np.minimum(at.astype(int), self.shape[axis] - 2)
            shape = [1, 1, 1]
            shape[axis] = -1
            share = (at - low).astype(np.float32).reshape(shape)
            first = np.take(out, low, axis=axis)
            second = np.take(out, low + 1, axis=axis)
            second -= first
            second *= share
            second += first
            out = second
        return out

    def at(self, values: Field, points_mm: NDArray[Any]) -> NDArray[Any]:
        """`values` interpolated linearly at points (N, 3)."""
        from scipy import ndimage

        index = (points_mm - np.array(self.origin_mm)) / self.spacing_mm
        found: NDArray[Any] = ndimage.map_coordinates(values, index.T, order=1, mode="nearest")
        return found
