"""The organ segmenter as a training task: labelled bodies, posed, scaled and spoiled anew at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vct.checkpoint import Checkpoint
from vct.engine.cascade.blur import blurred
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
"""Calibration, and how far soft tissues stand apart."""
PET_SHARE, OFF_SD_MM = 0.75, 2.0
"""How often a scan has a PET, and how far it lies from the CT along each axis, for which breath is most to blame."""
PET_BLUR_SD_MM, PET_NOISE, UPTAKE_SD = 2.5, 0.3, 0.15
"""Most blur and most noise (share of the SUV) beyond what the PETs carry, and the spread of ln SUV from day to day."""
MOST_SPOTS, SPOT_MM, SPOT_SUV = 10, (8.0, 60.0), (2.0, 20.0)
"""Lesions on half of all PETs: how many, their full widths and their peaks. All of these are assumed."""
MARGIN_MM = 24.0
SAMPLES = 1000
"""Voxels of each structure that the loss looks at, where there are more; weighted as if it looked at all."""


CALIBRATED_ON, ROUNDS, ROUND = 64, 60, 0.5
"""Bodies on which volumes are put right, and how often by which share of what is missed (assumed)."""


@dataclass(frozen=True, slots=True)
class Example:
    """HU (X, Y, Z) float32, SUVbw alike where there is a PET, and class indices (X, Y, Z) int64."""

    hu: torch.Tensor
    suv: torch.Tensor | None
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
            images = [None if image is None else image.to(device) for image in (example.hu, example.suv)]
            named = [item.to(device) for item in (chosen, example.classes.flatten()[chosen], weight)]
            parts.append(model.loss(*images, *named))  # type: ignore[operator]
        return torch.stack(parts).mean()

    def example(self, draw: Draw, pet_share: float = PET_SHARE) -> Example:
        """A body at the network's spacing in a new pose and a new scanner."""
        row = int(draw.numpy.integers(int(self._ends[-1])))
        bodies, row = self._body(row)
        ct, pet, labels = (
            torch.from_numpy(np.asarray(stored[row], dtype=np.float32))
            for stored in (bodies.ct, bodies.pet, bodies.labels)
        )
        spacing = (bodies.spacing_mm, bodies.spacing_mm, bodies.lengths_mm[row] / ct.shape[2])
        place, half = self._pose(ct, spacing, draw)
        hu = _spoiled(_moved(ct - AIR_HU, place / half) + AIR_HU, self.config.spacing_mm, draw)
        suv = None
        if draw.numpy.random() < pet_share:
            off = torch.from_numpy((OFF_SD_MM * draw.numpy.standard_normal(3)).astype(np.float32))
            suv = _spoiled_pet(_moved(pet, (place + off) / half), hu, self.config.spacing_mm, draw)
        named = _moved(labels, place / half, mode="nearest").to(torch.long)
        return Example(hu=hu, suv=suv, classes=self._classes[named])

    def as_it_is(self, row: int) -> Example:
        """A body as it lies, with its PET, in blocks that the network takes."""
        bodies, row = self._body(row)
        room = self.config.room(bodies.labels.shape[1:])
        ct, pet, labels = (
            functional.pad(torch.from_numpy(np.asarray(stored[row], dtype=np.float32)), room, value=beyond)
            for stored, beyond in ((bodies.ct, AIR_HU), (bodies.pet, 0.0), (bodies.labels, 0.0))
        )
        return Example(hu=ct, suv=pet, classes=self._classes[labels.long()])

    def _body(self, row: int) -> tuple[Bodies, int]:
        """The set that holds a row of all of them, and the row there."""
        owner = int(np.searchsorted(self._ends, row, side="right"))
        return self.sets[owner], row - int(self._ends[owner - 1] if owner else 0)

    def _pose(
        self, hu: torch.Tensor, spacing_mm: tuple[float, float, float], draw: Draw
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the voxels of an example lie in a body: (X, Y, Z, 3) mm along z, y, x from its middle, turned, scaled
        and shifted, in a field of view about the body; and half of the body's volume in mm (3,), by the same order."""
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
        place = torch.zeros(*shape, 3)
        for out in range(3):
            line = [torch.from_numpy((turn[out, axis] * axes[axis]).astype(np.float32)) for axis in range(3)]
            along = line[0][:, None, None] + line[1][None, :, None] + line[2][None, None, :]
            place[..., 2 - out] = along + float(middle[out])
        half = [n * mm / 2.0 for n, mm in zip(size, spacing_mm, strict=True)]
        return place, torch.tensor(half[::-1], dtype=torch.float32)

    @torch.no_grad()
    def calibrate(self, seed: int) -> None:
        """Move the model's `prior` until each class has, in the mean over bodies as they lie, the volume that is there,
        since what spoils examples makes them named too large or too small.

        A body counts by the share of its own volume that is missed, so that small organs are named no larger than large
        ones. Those of the first set are looked at: where the others lie otherwise, there is no prior for all.
        """
        scores: tuple[list[torch.Tensor], ...] = ([], [])
        weights, classes = [], []
        every = len(self.sets[0])
        for row in range(0, every, -(-every // CALIBRATED_ON)):
            example = self.as_it_is(row)
            chosen, weight = _chosen(example.classes, self.model.prior.shape[1], Draw(seed, -1 - row).torch)
            for found, suv in zip(scores, (None, example.suv), strict=True):
                found.append(self.model.logits(example.hu, suv, chosen))
            weights.append(weight)
            classes.append(example.classes.flatten()[chosen])
        for prior, found in zip(self.model.prior, scores, strict=True):
            for _ in range(ROUNDS):
                prior += ROUND * _missed([(each + prior).argmax(dim=1) for each in found], classes, weights, len(prior))

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


def _missed(
    named: Sequence[torch.Tensor], there: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], count: int
) -> torch.Tensor:
    """(count,) by which share, about, each class is named too small, in the mean of the bodies that have it; a voxel
    stands for `weights` (N,) of them."""
    one, other = (
        torch.stack([torch.bincount(each, weight, count) for each, weight in zip(classes, weights, strict=True)])
        for classes in (named, there)
    )
    known = other > 0
    share = torch.where(known, 2.0 * (other - one) / (other + one).clamp_min(1e-6), 0.0)
    return share.sum(dim=0) / known.sum(dim=0).clamp_min(1)


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
    hu = blurred(hu, rng.uniform(0.0, BLUR_SD_MM) / spacing_mm)
    if rng.random() < 0.5:
        noise = torch.randn(hu.shape, generator=draw.torch)
        noise = blurred(noise, rng.uniform(0.3, 0.8))
        hu = hu + float(rng.uniform(0.0, NOISE_HU)) * noise / noise.std()
    return hu.clamp_min(AIR_HU)


def _spoiled_pet(suv: torch.Tensor, hu: torch.Tensor, spacing_mm: float, draw: Draw) -> torch.Tensor:
    """Another uptake, with lesions, seen by another scanner: scaled, blurred, noisy."""
    rng = draw.numpy
    suv = suv * float(np.exp(UPTAKE_SD * rng.standard_normal()))
    if rng.random() < 0.5:
        suv = _with_spots(suv, hu, spacing_mm, draw)
    suv = blurred(suv, rng.uniform(0.0, PET_BLUR_SD_MM) / spacing_mm)
    noise = blurred(torch.randn(suv.shape, generator=draw.torch), rng.uniform(0.3, 0.8))
    return (suv * (1.0 + float(rng.uniform(0.0, PET_NOISE)) * noise / noise.std())).clamp_min(0.0)


def _with_spots(suv: torch.Tensor, hu: torch.Tensor, spacing_mm: float, draw: Draw) -> torch.Tensor:
    """Gaussian spots anywhere in the body."""
    rng, suv = draw.numpy, suv.clone()
    places = torch.nonzero(hu > SEEN_HU).numpy()
    for _ in range(int(rng.integers(1, MOST_SPOTS + 1)) if len(places) else 0):
        at = places[rng.integers(len(places))]
        sd = float(np.exp(rng.uniform(*np.log(SPOT_MM)))) / 2.355 / spacing_mm
        reach = int(np.ceil(3.0 * sd))
        box = tuple(slice(max(0, m - reach), min(n, m + reach + 1)) for m, n in zip(at, suv.shape, strict=True))
        bell = [torch.exp(-0.5 * ((torch.arange(s.start, s.stop) - m) / sd) ** 2) for s, m in zip(box, at, strict=True)]
        spot = bell[0][:, None, None] * bell[1][None, :, None] * bell[2][None, None, :]
        suv[box] = torch.maximum(suv[box], float(rng.uniform(*SPOT_SUV)) * spot)
    return suv


def _moved(image: torch.Tensor, place: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
    """An image (X, Y, Z) at places (..., 3) from -1 to 1 along z, y, x; 0 beyond its faces."""
    return functional.grid_sample(image[None, None], place[None], mode=mode, align_corners=False)[0, 0]


def _chosen(classes: torch.Tensor, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat indices of voxels for the loss, about `SAMPLES` of each class, and the voxels that each stands for."""
    flat = classes.flatten()
    share = (SAMPLES / torch.bincount(flat, minlength=count).clamp_min(1)).clamp_max(1.0)[flat]
    chosen = torch.nonzero(torch.rand(flat.shape, generator=generator) < share)[:, 0]
    return chosen, 1.0 / share[chosen]
