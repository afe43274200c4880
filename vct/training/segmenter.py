"""The organ segmenter as a training task: labelled bodies, posed, scaled and spoiled anew at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vct.checkpoint import Checkpoint
from vct.segmenter.network import AIR_HU, SegmenterConfig, SegmenterNet
from vct.segmenter.shipped import KIND, SEEN_HU
from vct.structures import STRUCTURES
from vct.training.data import Bodies
from vct.training.loop import Draw

SCALE_SD, SHIFT_SD_MM, TURN_SD_DEG = 0.05, 2.0, 3.0
"""Pose of a body: size along each axis, place, and turn about each axis."""
CUT_SHARE, LEFT_MM = 0.5, (200.0, 500.0)
"""How often a scan is cut above and below, and what is left of it."""
BLUR_SD_MM, NOISE_HU = 1.5, 25.0
"""Most blur (a sharp kernel has none), and most noise; both drawn evenly, noise in half of all scans."""
OFFSET_SD_HU, CONTRAST_SD = 5.0, 0.1
"""Calibration, and how far soft tissues stand apart. All of these are assumed."""
MARGIN_MM = 24.0
SAMPLES = 1000
"""Voxels of each structure that the loss looks at, where there are more; weighted as if it looked at all."""


CALIBRATED_ON, ROUNDS, ROUND = 24, 40, 0.3
"""Examples on which volumes are put right, and how often by which share of the log of what is missed (assumed)."""


@dataclass(frozen=True, slots=True)
class Example:
    """HU (X, Y, Z) float32 and class indices (X, Y, Z) int64."""

    hu: torch.Tensor
    classes: torch.Tensor


class SegmenterTask:
    """Cross-entropy and Dice of a `SegmenterNet` on one or several sets of labelled bodies, each as likely as it is
    large."""

    def __init__(self, sets: Sequence[Bodies], config: SegmenterConfig | None = None) -> None:
        self.sets = tuple(sets)
        self.config = config or SegmenterConfig(names=names_in(self.sets))
        self.model = SegmenterNet(self.config)
        index = {STRUCTURES[name]: number for number, name in enumerate(self.config.names, start=1)}
        self._classes = torch.tensor([index.get(number, 0) for number in range(256)])
        self.model.prior.copy_(_prior(self.sets, self._classes, 1 + len(self.config.names)))
        self._ends = np.cumsum([len(bodies) for bodies in self.sets])

    def loss(self, model: nn.Module, draw: Draw, batch: int) -> torch.Tensor:
        """Mean over `batch` fresh examples, one after the other: they differ in size."""
        device = next(model.parameters()).device
        parts = []
        for _ in range(batch):
            example = self.example(draw)
            chosen, weight = _chosen(example.classes, 1 + len(self.config.names), draw.torch)
            given = (example.hu, chosen, example.classes.flatten()[chosen], weight)
            parts.append(model.loss(*(item.to(device) for item in given)))  # type: ignore[operator]
        return torch.stack(parts).mean()

    def example(self, draw: Draw) -> Example:
        """A body at the network's spacing in a new pose and a new scanner."""
        row = int(draw.numpy.integers(int(self._ends[-1])))
        owner = int(np.searchsorted(self._ends, row, side="right"))
        bodies, row = self.sets[owner], row - int(self._ends[owner - 1] if owner else 0)
        hu = torch.from_numpy(np.asarray(bodies.ct[row], dtype=np.float32))
        labels = torch.from_numpy(np.asarray(bodies.labels[row], dtype=np.uint8))
        step = bodies.spacing_mm
        spacing = (step, step, bodies.lengths_mm[row] / hu.shape[2])
        hu, labels = self._posed(hu, labels, spacing, draw)
        return Example(hu=_spoiled(hu, self.config.spacing_mm, draw), classes=self._classes[labels.long()])

    def _posed(
        self, hu: torch.Tensor, labels: torch.Tensor, spacing_mm: tuple[float, float, float], draw: Draw
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both at the network's spacing, turned, scaled and shifted, in a field of view about the body."""
        rng, size = draw.numpy, hu.shape
        scale = np.exp(SCALE_SD * rng.standard_normal() + SCALE_SD / 2.0 * rng.standard_normal(3))
        turn = _rotation(np.deg2rad(TURN_SD_DEG) * rng.standard_normal(3))
        low, high = _field_of_view(hu, spacing_mm)
        if rng.random() < CUT_SHARE:
            left = float(rng.uniform(*LEFT_MM))
            start = float(rng.uniform(low[2], max(low[2], high[2] - left)))
            low[2], high[2] = start, min(start + left, high[2])
        step, multiple = self.config.spacing_mm, self.config.multiple
        shape = [
            int(np.ceil((b - a) * s / step / multiple)) * multiple for a, b, s in zip(low, high, scale, strict=True)
        ]
        middle = (low + high) / 2.0 + SHIFT_SD_MM * rng.standard_normal(3)
        axes = [(np.arange(n) - (n - 1) / 2.0) * step / s for n, s in zip(shape, scale, strict=True)]
        half = [n * mm / 2.0 for n, mm in zip(size, spacing_mm, strict=True)]
        grid = torch.zeros(*shape, 3)
        for out in range(3):
            line = [torch.from_numpy((turn[out, axis] * axes[axis]).astype(np.float32)) for axis in range(3)]
            at = line[0][:, None, None] + line[1][None, :, None] + line[2][None, None, :] + float(middle[out])
            grid[..., 2 - out] = at / half[out]
        moved = functional.grid_sample((hu - AIR_HU)[None, None], grid[None], align_corners=False)[0, 0] + AIR_HU
        named = functional.grid_sample(labels.float()[None, None], grid[None], mode="nearest", align_corners=False)
        return moved, named[0, 0].to(torch.uint8)

    @torch.no_grad()
    def calibrate(self, seed: int) -> None:
        """Move the model's `prior` until classes are named, over fresh examples, as often as they are there."""
        logits, classes, weights = [], [], []
        for number in range(CALIBRATED_ON):
            draw = Draw(seed, -1 - number)
            example = self.example(draw)
            chosen, weight = _chosen(example.classes, 1 + len(self.config.names), draw.torch)
            logits.append(self.model.logits(example.hu, chosen))
            classes.append(example.classes.flatten()[chosen])
            weights.append(weight)
        scores, weight = torch.cat(logits), torch.cat(weights)
        there = torch.bincount(torch.cat(classes), weight, minlength=scores.shape[1])
        for _ in range(ROUNDS):
            named = torch.bincount((scores + self.model.prior).argmax(dim=1), weight, minlength=scores.shape[1])
            missed = torch.log((there + 1.0) / (named + 1.0)).clamp(-1.0, 1.0)
            self.model.prior += ROUND * torch.where(there > 0, missed, 0.0)

    def checkpoint(self, tensors: dict[str, torch.Tensor]) -> Checkpoint:
        """Kind "segmenter"."""
        about = "\n".join(dict.fromkeys(bodies.about for bodies in self.sets))
        config = {"model": self.config.model_dump(mode="json")}
        return Checkpoint(kind=KIND, config=config, training_data=about, tensors=tensors)


def names_in(sets: Sequence[Bodies]) -> tuple[str, ...]:
    """The structures labelled anywhere in the bodies, by number."""
    seen = np.zeros(256, dtype=np.int64)
    for bodies in sets:
        for row in range(len(bodies)):
            seen += np.bincount(np.asarray(bodies.labels[row]).ravel(), minlength=256)
    return tuple(name for name, number in STRUCTURES.items() if seen[number])


def _prior(sets: Sequence[Bodies], classes: torch.Tensor, count: int) -> torch.Tensor:
    """(count,) log of how many voxels of a class stand behind one that the loss looks at, over all bodies."""
    whole, chosen = torch.zeros(count), torch.zeros(count)
    for bodies in sets:
        for row in range(len(bodies)):
            labels = torch.from_numpy(np.asarray(bodies.labels[row], dtype=np.int64))
            counts = torch.bincount(classes[labels].flatten(), minlength=count).float()
            whole += counts
            chosen += counts.clamp_max(SAMPLES)
    return torch.log(whole.clamp_min(1.0) / chosen.clamp_min(1.0))


def _field_of_view(hu: torch.Tensor, spacing_mm: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """(3,) lowest and highest corner about what is denser than air, with a margin, in mm from the volume's middle."""
    dense = (hu > SEEN_HU).numpy()
    low, high = np.zeros(3), np.zeros(3)
    for axis, axes in enumerate(((1, 2), (0, 2), (0, 1))):
        seen = np.flatnonzero(dense.any(axis=axes))
        first, last = (int(seen[0]), int(seen[-1])) if seen.size else (0, hu.shape[axis] - 1)
        margin = MARGIN_MM if axis < 2 else 0.0
        low[axis] = (first - hu.shape[axis] / 2.0) * spacing_mm[axis] - margin
        high[axis] = (last + 1 - hu.shape[axis] / 2.0) * spacing_mm[axis] + margin
    return low, high


def _rotation(angles: np.ndarray) -> np.ndarray:
    """(3, 3) turn by angles about x, y and z in radians."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_euler("xyz", angles).as_matrix())


def _spoiled(hu: torch.Tensor, spacing_mm: float, draw: Draw) -> torch.Tensor:
    """Another scanner and another contrast: soft tissue spread or pressed together about 0 HU, offset, blur, noise."""
    rng = draw.numpy
    soft = hu.clamp(-150.0, 300.0)
    hu = hu + (np.exp(CONTRAST_SD * rng.standard_normal()) - 1.0) * soft + OFFSET_SD_HU * rng.standard_normal()
    hu = _blurred(hu, rng.uniform(0.0, BLUR_SD_MM) / spacing_mm)
    if rng.random() < 0.5:
        noise = torch.randn(hu.shape, generator=draw.torch)
        noise = _blurred(noise, rng.uniform(0.3, 0.8))
        hu = hu + float(rng.uniform(0.0, NOISE_HU)) * noise / noise.std()
    return hu.clamp_min(AIR_HU)


def _blurred(image: torch.Tensor, sd: float) -> torch.Tensor:
    """Gaussian blur of (X, Y, Z) by a standard deviation in voxels."""
    at = torch.arange(-2, 3)
    kernel = torch.exp(-0.5 * (at / max(sd, 0.05)) ** 2)
    kernel = kernel / kernel.sum()
    out = image[None, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = 5
        padding = [0, 0, 0]
        padding[axis] = 2
        out = functional.conv3d(out, kernel.reshape(shape), padding=padding)
    return out[0, 0]


def _chosen(classes: torch.Tensor, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat indices of voxels for the loss, about `SAMPLES` of each class, and the voxels that each stands for."""
    flat = classes.flatten()
    share = (SAMPLES / torch.bincount(flat, minlength=count).clamp_min(1)).clamp_max(1.0)[flat]
    chosen = torch.nonzero(torch.rand(flat.shape, generator=generator) < share)[:, 0]
    return chosen, 1.0 / share[chosen]
