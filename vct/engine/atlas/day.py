"""What differs between two scans of one body: breathing, bladder, gas, position, the day's uptake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vct.engine.atlas.lattice import Field, Lattice
from vct.volume import Grid

BREATH_REACH_MM = 75.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day's state. `breath_mm` moves the diaphragm up; `bladder_stretch` scales the bladder's lengths."""

    shift_mm: tuple[float, float, float]
    breath_mm: float
    bladder_stretch: float
    gas_share: float
    stomach_gas: float
    mismatch_mm: float
    mottle: Field
    mottle_lattice: Lattice

    def breath(self, z: NDArray[Any], base_z_mm: float) -> NDArray[Any]:
        """Offset of the reading height near the lung base, in mm."""
        swing: NDArray[Any] = np.float32(-self.breath_mm) * np.exp(
            -(((z - np.float32(base_z_mm + 35.0)) / np.float32(BREATH_REACH_MM)) ** 2)
        )
        return swing

    def mismatch(self, grid: Grid, base_z_mm: float) -> NDArray[np.float64]:
        """How far the PET's organs lie above the CT's at the heights of a grid, in mm: the CT stops the breath."""
        z = grid.axes_mm()[2].ravel() + self.shift_mm[2]
        return self.mismatch_mm * np.exp(-(((z - base_z_mm - 35.0) / BREATH_REACH_MM) ** 2))

    def gas_field(self, axes: Any) -> Field:
        """A field of unit variance that moves gas about between the bowel's segments."""
        return self.mottle_lattice.read(self.mottle, axes)

    def gas_level(self, height: NDArray[Any], lumen: NDArray[np.bool_]) -> float:
        """The height above which a lumen holds gas, so that gas fills its share of it."""
        if not lumen.any():
            return float("inf")
        return float(np.quantile(height[lumen], 1.0 - self.gas_share))


def at_rest(body_box: Lattice) -> Day:
    """The body as drawn: no shift, quiet breathing, gas and bladder at their middle."""
    flat = Lattice(origin_mm=body_box.origin_mm, spacing_mm=500.0, shape=(3, 3, 3))
    return Day(
        shift_mm=(0.0, 0.0, 0.0),
        breath_mm=0.0,
        bladder_stretch=1.0,
        gas_share=0.25,
        stomach_gas=0.25,
        mismatch_mm=0.0,
        mottle=np.zeros(flat.shape, np.float32),
        mottle_lattice=flat,
    )


def draw_day(rng: Generator, body_box: Lattice) -> Day:
    """The state on one day. Spreads are assumed: position 4 mm, breathing 5 mm, bladder volume factor 1.6, PET above CT
    at the diaphragm by -1 mm with a spread of 7.5 mm (AutoPET's lungs are of quiet breathing, and heart or liver reach
    into each other's masks)."""
    shift = rng.normal(0.0, (4.0, 4.0, 3.0))
    coarse = Lattice(
        origin_mm=body_box.origin_mm,
        spacing_mm=16.0,
        shape=tuple(int(n * body_box.spacing_mm / 16.0) + 2 for n in body_box.shape),  # type: ignore[arg-type]
    )
    return Day(
        shift_mm=(float(shift[0]), float(shift[1]), float(shift[2])),
        breath_mm=float(np.clip(rng.normal(0.0, 5.0), -12, 12)),
        bladder_stretch=float(np.exp(np.clip(rng.normal(0.0, 0.16), -0.35, 0.35))),
        gas_share=float(rng.beta(2.0, 4.5)),
        stomach_gas=float(rng.beta(2.0, 5.0)),
        mismatch_mm=float(np.clip(rng.normal(-1.0, 7.5), -17.0, 15.0)),
        mottle=coarse.noise(rng, 22.0),
        mottle_lattice=coarse,
    )
