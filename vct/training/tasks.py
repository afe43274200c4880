"""The two voxel networks as training tasks: fresh bodies every step, deformed and repainted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vct.checkpoint import Checkpoint
from vct.engine.cascade.conditioning import demographics
from vct.engine.cascade.denoiser import draw_sigma, stratified
from vct.engine.cascade.intensity import encode
from vct.engine.cascade.lowres import Lowres, LowresConfig, template_features
from vct.engine.cascade.spline import field, lattice_shape, warped
from vct.engine.cascade.superres import BINS, FACTOR, Superres, SuperresConfig, contrast_place, guide_of, steering
from vct.engine.cascade.tissues import tissue_table
from vct.training.data import Bodies
from vct.training.loop import Draw

DEFORM_SPANS = (4, 4, 7)
DEFORM_MM = 6.0
GAIN_SD = 0.12
SHIFT_HU = 6.0
"""How far a fresh body is from its base: spline coefficients, ln SUV and HU of every tissue (assumed)."""
P_MEAN, P_SD = 0.8, 1.6
"""Noise levels for standardised data; the published -1.2 and 1.2 belong to images of another scale (arXiv
2206.00364)."""
_RIDGE = 3.0
DRAWN_POINTS = 256
"""Among so many points of a scan one lies in the body: the body fills about a quarter."""
FEWEST_VOXELS = 50
"""From how many the spread in a bin of contrast is believed (assumed)."""


class LowresTask:
    """Stage 1 on whole bodies at its own spacing."""

    def __init__(self, bodies: Bodies, config: LowresConfig) -> None:
        self.bodies, self.condition = bodies, demographics(bodies.patients)
        self.model = Lowres(config)
        _fit_template(self.model, bodies, self.condition)
        self._fit_spread()

    def loss(self, model: nn.Module, draw: Draw, batch: int) -> torch.Tensor:
        """Mean weighted error on fresh bodies."""
        rows = draw.numpy.integers(len(self.bodies), size=batch).tolist()
        device = next(model.parameters()).device
        encoded = self.fresh(rows, draw, device)
        noise = torch.randn(encoded.shape, generator=draw.torch).to(device)
        sigma = draw_sigma(stratified(batch, draw.torch), P_MEAN, P_SD).to(device)
        found: torch.Tensor = model.loss(encoded, self.condition[rows].to(device), sigma, noise)  # type: ignore[operator]
        return found.mean()

    @torch.no_grad()
    def _fit_spread(self) -> None:
        """The spread of what the template leaves of fresh bodies, over at most 64 of them."""
        total, rows = torch.zeros(2), range(0, len(self.bodies), -(-len(self.bodies) // 64))
        for row in rows:
            encoded = self.fresh([row], Draw(0, row), torch.device("cpu"))
            left = encoded - self.model.expected(self.condition[row : row + 1])
            total += left[0].square().mean(dim=(1, 2, 3))
        self.model.spread.copy_((total / len(rows)).sqrt().clamp_min(1e-4))

    def fresh(self, rows: Sequence[int], draw: Draw, device: torch.device) -> torch.Tensor:
        """Base bodies deformed and repainted, encoded (B, 2, X, Y, Z)."""
        ct, pet, labels = (part.to(device) for part in _bodies(self.bodies, rows))
        ct, pet, labels = deformed(ct, pet, labels, draw)
        return encode(*repainted(ct, pet, labels, draw))

    def checkpoint(self, tensors: dict[str, torch.Tensor]) -> Checkpoint:
        """Kind "lowres"."""
        return _checkpoint("lowres", self.model, self.bodies, tensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighting:
    """What stage 2's loss weighs: mean and spread of ln sigma, and CT and PET.

    Three times as much for the PET takes 15 % off its error after 700 steps (`benchmarks/superres_study.md`) and
    nothing after 10,000 (`docs/decisions/0008`).
    """

    mean: float = 0.0
    sd: float = P_SD
    images: tuple[float, float] = (1.0, 1.0)


class SuperresTask:
    """Stage 2 on patches of bodies at the fine spacing."""

    def __init__(
        self, bodies: Bodies, config: SuperresConfig, patch: int = 48, weighting: Weighting | None = None
    ) -> None:
        self.bodies, self.patch, self.condition = bodies, patch, demographics(bodies.patients)
        self.weighting = weighting or Weighting()
        self.model = Superres(config)
        _fit_spread(self.model, bodies, self.condition, patch)

    def loss(self, model: nn.Module, draw: Draw, batch: int) -> torch.Tensor:
        """Mean weighted error on repainted patches."""
        device = next(model.parameters()).device
        fine, guide, steer = self.patches(draw, batch)
        noise = torch.randn(fine.shape, generator=draw.torch).to(device)
        weighting = self.weighting
        sigma = draw_sigma(stratified(batch, draw.torch), weighting.mean, weighting.sd).to(device)
        steer = {name: value.to(device) for name, value in steer.items()}
        found: torch.Tensor = model.loss(fine.to(device), guide.to(device), steer, sigma, noise)  # type: ignore[operator]
        return (found.mean(dim=(0, 2, 3, 4)) * torch.tensor(weighting.images, device=device)).mean()

    def patches(self, draw: Draw, batch: int) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        """Encoded fine patches and guides (B, 2, x, y, z), and what steers the network; about the body's middle
        axis."""
        return _patches(self.bodies, self.condition, self.patch, draw, batch)

    def checkpoint(self, tensors: dict[str, torch.Tensor]) -> Checkpoint:
        """Kind "superres"."""
        return _checkpoint("superres", self.model, self.bodies, tensors)


def deformed(
    ct: torch.Tensor, pet: torch.Tensor, labels: torch.Tensor, draw: Draw
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Bodies (B, X, Y, Z) under small smooth random displacements."""
    coefficients = DEFORM_MM * torch.randn(len(ct), 3, *lattice_shape(DEFORM_SPANS), generator=draw.torch)
    shift = field(coefficients, ct.shape[1:]).to(ct.device)
    moved = warped(torch.stack((ct, pet), dim=1), shift)
    named = warped(labels[:, None].float(), shift, mode="nearest")[:, 0].to(torch.uint8)
    return moved[:, 0], moved[:, 1], named


def repainted(
    ct: torch.Tensor, pet: torch.Tensor, labels: torch.Tensor, draw: Draw
) -> tuple[torch.Tensor, torch.Tensor]:
    """Bodies (B, X, Y, Z) with every tissue's uptake and density a little changed, each body in its own way."""
    table, names = tissue_table()
    tissue = torch.from_numpy(table.astype(np.int64)).to(labels.device)[labels.long()]
    draws = torch.randn(2, len(ct), len(names), generator=draw.torch).to(ct.device)
    draws[:, :, 0] = 0.0
    rows = torch.arange(len(ct), device=ct.device)[:, None, None, None]
    gain, shift = (GAIN_SD * draws[0]).exp()[rows, tissue], (SHIFT_HU * draws[1])[rows, tissue]
    return ct + shift, pet * gain


def _bodies(bodies: Bodies, rows: Sequence[int], box: tuple[slice, ...] = ()) -> list[torch.Tensor]:
    return [
        torch.from_numpy(np.stack([image[row][box] for row in rows]).astype(dtype))
        for image, dtype in ((bodies.ct, np.float32), (bodies.pet, np.float32), (bodies.labels, np.uint8))
    ]


def _patches(
    bodies: Bodies, condition: torch.Tensor, patch: int, draw: Draw, batch: int
) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    shape = bodies.ct.shape[1:]
    fine, guides, steers = [], [], []
    for _ in range(batch):
        row = int(draw.numpy.integers(len(bodies)))
        box = _box(np.asarray(bodies.labels[row]), patch, draw)
        ct, pet, labels = _bodies(bodies, [row], box)
        ct, pet = repainted(ct, pet, labels, draw)
        guide = guide_of(*(functional.avg_pool3d(part[None], FACTOR)[0] for part in (ct, pet)))
        whole = guide.new_zeros(1).expand(2, *shape)
        steer = steering(whole, condition[row], bodies.spacing_mm, box)
        steer["extra"] = torch.cat((guide, steer["extra"][:, 2:]), dim=1)
        fine.append(encode(ct, pet))
        guides.append(guide)
        steers.append(steer)
    merged = {name: torch.cat([steer[name] for steer in steers]) for name in steers[0]}
    return torch.cat(fine), torch.cat(guides), merged


def _box(labels: np.ndarray, patch: int, draw: Draw) -> tuple[slice, slice, slice]:
    """A patch on multiples of 8 whose middle lies in the body."""
    points = draw.numpy.integers(labels.shape, size=(DRAWN_POINTS, 3))
    middle = points[int((labels[tuple(points.T)] > 0).argmax())]
    first = [(at - patch // 2) // 8 * 8 for at in middle]
    starts = [int(np.clip(low, 0, whole - patch)) for low, whole in zip(first, labels.shape, strict=True)]
    x, y, z = (slice(start, start + patch) for start in starts)
    return x, y, z


@torch.no_grad()
def _fit_template(model: Lowres, bodies: Bodies, condition: torch.Tensor) -> None:
    """Ridge regression of every encoded voxel on the demographics."""
    design = template_features(condition)
    penalty = _RIDGE * torch.eye(design.shape[1])
    penalty[0, 0] = 0.0
    solve = torch.linalg.solve(design.T @ design + penalty, design.T)
    model.template.zero_()
    for row in range(len(bodies)):
        ct, pet = bodies.images([row])
        model.template.add_(torch.einsum("f,cxyz->fcxyz", solve[:, row], encode(ct, pet)[0]))
    model.low.copy_(condition.amin(dim=0) - 0.2)
    model.high.copy_(condition.amax(dim=0) + 0.2)


@torch.no_grad()
def _fit_spread(model: Superres, bodies: Bodies, condition: torch.Tensor, patch: int) -> None:
    """The residual's standard deviation by bin of contrast, over 64 patches; the nearest bin's where none is seen."""
    fine, guide, _ = _patches(bodies, condition, patch, Draw(0, 0), 64)
    place, squared = contrast_place(guide).round().long(), (fine - guide).square()
    for channel in range(2):
        at, values = place[:, channel].flatten(), squared[:, channel].flatten()
        count = torch.bincount(at, minlength=BINS)
        mean = torch.bincount(at, weights=values, minlength=BINS) / count.clamp_min(1)
        seen = torch.nonzero(count >= FEWEST_VOXELS)[:, 0]
        nearest = (torch.arange(BINS)[:, None] - seen).abs().argmin(dim=1)
        model.spread[channel] = mean[seen[nearest]].sqrt().clamp_min(1e-4)


def _checkpoint(kind: str, model: Lowres | Superres, bodies: Bodies, tensors: dict[str, torch.Tensor]) -> Checkpoint:
    config = {
        "length": list(bodies.length()),
        "imaging": {"fwhm_mm": bodies.fwhm_mm, "noise_cov": bodies.noise_cov},
        "model": model.config.model_dump(mode="json"),
    }
    return Checkpoint(kind=kind, config=config, training_data=bodies.about, tensors=tensors)
