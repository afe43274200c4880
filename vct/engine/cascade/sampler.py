"""From noise to data: two solvers of the probability-flow ODE as plain functions, and noise with a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from vct.part import Part
from vct.rng import stream

Denoise = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(x (B, ...), sigma (B,)) to the expected clean data (B, ...)."""
SLAB = 16


class Schedule(Part):
    """Which solver, how many steps, and between which noise levels; `rho` bends the levels towards the small ones."""

    solver: Literal["heun", "dpm_solver_2m"] = "dpm_solver_2m"
    steps: int = Field(default=8, ge=1, le=1000)
    sigma_min: float = Field(default=0.02, gt=0.0, lt=1.0)
    sigma_max: float = Field(default=80.0, ge=1.0, le=1000.0)
    rho: float = Field(default=20.0, ge=1.0, le=100.0)

    @property
    def evaluations(self) -> int:
        """Network evaluations that a sample costs."""
        return 2 * self.steps - 1 if self.solver == "heun" else self.steps

    def sigmas(self) -> torch.Tensor:
        """Noise levels from `sigma_max` down to `sigma_min`, then 0 (EDM, equation 5), (steps + 1,) float64."""
        ramp = torch.linspace(0.0, 1.0, self.steps, dtype=torch.float64)
        high, low = self.sigma_max ** (1.0 / self.rho), self.sigma_min ** (1.0 / self.rho)
        return torch.cat(((high + ramp * (low - high)) ** self.rho, torch.zeros(1, dtype=torch.float64)))

    def sample(self, denoise: Denoise, noise: torch.Tensor) -> torch.Tensor:
        """Data (B, ...) from standard normal `noise` of the same shape."""
        solve = heun if self.solver == "heun" else dpm_solver_2m
        return solve(denoise, noise, self.sigmas())


DEFAULT = Schedule()
"""Eight evaluations. On Gaussians of sd 0.1 to 1 with exact score it returns 0.92 to 1.06 of the sd; EDM's `rho` 7
returns 0.85 to 1.11 (measured; `tests/engine/cascade/test_sampler.py`): near-geometric levels suit a solver that is
exact in log sigma."""
QUICK = Schedule(steps=4)
"""For stage 2, whose residual is small beside its guide: the error of eight, for half the evaluations
(`docs/decisions/0010`)."""
THOROUGH = Schedule(steps=32, sigma_min=0.01)
"""For codes, where an evaluation costs nothing: 0.99 to 1.01."""
PUBLISHED = Schedule(solver="heun", steps=100, sigma_min=0.002, sigma_max=80.0, rho=7.0)
"""Heun with 100 steps, as in arXiv 2505.22489 with EDM's levels: 199 evaluations."""


def heun(denoise: Denoise, noise: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """EDM's second-order solver without churn (arXiv 2206.00364, algorithm 1); the last step is Euler's."""
    levels = sigmas.tolist()
    x: torch.Tensor = noise * levels[0]
    for sigma, following in pairwise(levels):
        slope = (x - denoise(x, _levels(x, sigma))) / sigma
        ahead = x + (following - sigma) * slope
        if following > 0.0:
            end_slope = (ahead - denoise(ahead, _levels(x, following))) / following
            ahead = x + (following - sigma) * (slope + end_slope) / 2.0
        x = ahead
    return x


def dpm_solver_2m(denoise: Denoise, noise: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, algorithm 2) for alpha = 1, that is lambda = -log sigma.

    One evaluation a step; the step to zero noise is the denoised estimate itself.
    """
    levels = sigmas.tolist()
    x: torch.Tensor = noise * levels[0]
    before: torch.Tensor | None = None
    last_step = 0.0
    for sigma, following in pairwise(levels):
        clean = denoise(x, _levels(x, sigma))
        if following <= 0.0:
            return clean
        step = float(np.log(sigma / following))
        guess = clean if before is None else clean + (clean - before) * (step / (2.0 * last_step))
        x = (following / sigma) * x + (1.0 - following / sigma) * guess
        before, last_step = clean, step
    return x


def code_noise(size: int, seed: int, *path: str) -> torch.Tensor:
    """(size,) standard normal float32 from the stream named `path`."""
    return torch.from_numpy(stream(seed, *path).standard_normal(size, dtype=np.float32))


def volume_noise(shape: Sequence[int], low: Sequence[int], size: Sequence[int], seed: int, *path: str) -> torch.Tensor:
    """Standard normal (C, x, y, z) of the box `low`, `size` in a volume of `shape` (C, X, Y, Z).

    Every slab of 16 planes has its own stream, so that a voxel's noise depends on its place and on the name alone: a
    patient's noise is the same in any batch, and a tile's is that of the whole.
    """
    channels, across, deep, _ = shape
    first, last = low[2] // SLAB, -(-(low[2] + size[2]) // SLAB)
    slabs = [
        stream(seed, *path, f"slab {index}").standard_normal((SLAB, channels, across, deep), dtype=np.float32)
        for index in range(first, last)
    ]
    planes = np.concatenate(slabs)[low[2] - first * SLAB :][: size[2]]
    box = planes[:, :, low[0] : low[0] + size[0], low[1] : low[1] + size[1]]
    return torch.from_numpy(np.ascontiguousarray(box.transpose(1, 2, 3, 0)))


def _levels(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return torch.full((x.shape[0],), sigma, dtype=x.dtype, device=x.device)
