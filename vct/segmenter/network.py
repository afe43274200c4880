"""The segmenter's network: a coarse one that knows the body, a finer one that knows edges, a perceptron that names.

MONAI's SegResNet (Myronenko 2018, arXiv 1810.11654) reads CT and PET in blocks of 4 x 4 x 4 voxels; two convolutions
read its features and the images in blocks of 2 x 2 x 2. What both say, interpolated to a voxel, and HU and SUV there
and next to it tell a perceptron what the voxel belongs to. A training step names a choice of voxels only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from monai.networks.nets.segresnet import SegResNet
from monai.networks.utils import pixelunshuffle
from pydantic import Field
from torch import nn
from torch.nn import functional

from vct.part import Part

BLOCK = 4
LEVELS = (1, 2, 3)
WINDOWS_HU = ((40.0, 200.0), (0.0, 1000.0))
"""Centre and half width: soft tissue, and everything."""
WINDOWS_SUV = ((1.5, 1.5), (7.5, 7.5))
"""Centre and half width: organs, and where urine collects. A missing PET is in the middle of both, where no SUV is."""
AIR_HU = -1000.0
SLAB = 8
WINDOWS = len(WINDOWS_HU) + len(WINDOWS_SUV)
NEIGHBOURS = ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))


class SegmenterConfig(Part):
    """`names` of the structures that it tells apart, beside none of them; `width` channels for a block, `features` of
    blocks and `edges` of half blocks to tell a voxel by."""

    names: tuple[str, ...] = Field(min_length=1, max_length=255)
    spacing_mm: float = Field(default=4.0, gt=0.0, le=16.0)
    width: int = Field(default=32, ge=8, le=128, multiple_of=8, description="GroupNorm takes eights")
    features: int = Field(default=48, ge=4, le=256)
    edges: int = Field(default=24, ge=8, le=128, multiple_of=8)
    hidden: int = Field(default=96, ge=4, le=1024)

    @property
    def multiple(self) -> int:
        """Sizes of the input along x, y and z must be multiples of this."""
        return int(BLOCK * 2 ** (len(LEVELS) - 1))

    def room(self, shape: Sequence[int]) -> list[int]:
        """What `functional.pad` adds to an image of a shape (X, Y, Z) to make it one that the network takes."""
        return [edge for size in reversed(shape) for edge in (0, -size % self.multiple)]


class SegmenterNet(nn.Module):
    """HU and SUVbw, where there is a PET, (B, X, Y, Z) to the index of the likeliest: 0 for none, else 1 + place in
    `config.names`.

    The buffer `prior` (2, classes) holds the log of how much rarer each class is in the choice of voxels that it is
    trained on than in a body. Trained on about as many of each, it learns the small as fast as the large; `prior` makes
    up for that, and after the training for what the volumes named still miss, without a PET (row 0) and with one.
    """

    prior: torch.Tensor

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        self.body = SegResNet(
            spatial_dims=3,
            init_filters=config.width,
            in_channels=WINDOWS * (BLOCK // 2) ** 3,
            out_channels=config.features,
            blocks_down=LEVELS,
            blocks_up=(1,) * (len(LEVELS) - 1),
        )
        self.squeeze = nn.Conv3d(config.features, config.edges, 1)
        self.edge = nn.Sequential(
            nn.Conv3d(config.edges + WINDOWS, config.edges, 3, padding=1),
            nn.GroupNorm(8, config.edges),
            nn.SiLU(),
            nn.Conv3d(config.edges, config.edges, 3, padding=1),
        )
        read = config.features + config.edges + len(NEIGHBOURS) * WINDOWS
        classes = 1 + len(config.names)
        self.name = nn.Sequential(nn.Linear(read, config.hidden), nn.SiLU(), nn.Linear(config.hidden, classes))
        self.register_buffer("prior", torch.zeros(2, classes))

    def loss(
        self,
        hu: torch.Tensor,
        suv: torch.Tensor | None,
        chosen: torch.Tensor,
        classes: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """Cross-entropy over voxels `chosen` (N,) of one body (X, Y, Z), by flat index, plus one minus the mean soft
        Dice of what is there; a voxel stands for `weight` (N,) voxels of its class (N,)."""
        logits = self.logits(hu, suv, chosen)
        p = weight[:, None] * (logits + self.prior[int(suv is not None)]).softmax(dim=1)
        hit = p.new_zeros(p.shape[1]).index_add(0, classes, p.gather(1, classes[:, None])[:, 0])
        there = p.new_zeros(p.shape[1]).index_add(0, classes, weight)
        dice = 2.0 * hit / (p.sum(dim=0) + there).clamp_min(1e-6)
        return functional.cross_entropy(logits, classes) + 1.0 - dice[there > 0].mean()

    def logits(self, hu: torch.Tensor, suv: torch.Tensor | None, chosen: torch.Tensor) -> torch.Tensor:
        """(N, classes) of voxels `chosen` (N,) of one body (X, Y, Z), by flat index, without the `prior`."""
        seen = _windows(hu[None], None if suv is None else suv[None])
        index = torch.unravel_index(chosen, hu.shape)
        at, size = torch.stack(index, dim=1).float(), torch.tensor(hu.shape, device=hu.device)
        place = ((2.0 * at + 1.0) / size - 1.0).flip(1)[None, None, None]
        known = [
            functional.grid_sample(part, place, padding_mode="border", align_corners=False)[0, :, 0, 0]
            for part in self._features(seen)
        ]
        x, y, z = index
        padded = _padded(seen)[0]
        around = [padded[:, x + 1 + i, y + 1 + j, z + 1 + k] for i, j, k in NEIGHBOURS]
        return cast("torch.Tensor", self.name(torch.cat((*known, *around)).T).float())

    def forward(self, hu: torch.Tensor, suv: torch.Tensor | None = None) -> torch.Tensor:
        """uint8 (B, X, Y, Z), named slab by slab."""
        seen = _windows(hu, suv)
        coarse, fine = self._features(seen)
        padded, (x, y, z) = _padded(seen), hu.shape[1:]
        slabs = []
        for low in range(0, z, SLAB):
            deep = min(SLAB, z - low)
            around = [
                padded[:, :, 1 + i : 1 + i + x, 1 + j : 1 + j + y, low + 1 + k : low + 1 + k + deep]
                for i, j, k in NEIGHBOURS
            ]
            known = [_slab(part, (x, y, z), low, deep) for part in (coarse, fine)]
            read = torch.cat((*known, *around), dim=1).movedim(1, -1)
            slabs.append((self.name(read) + self.prior[int(suv is not None)]).argmax(dim=-1).to(torch.uint8))
        return torch.cat(slabs, dim=3)

    def _features(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, features, X / 4, Y / 4, Z / 4) and (B, edges, X / 2, Y / 2, Z / 2) of windows (B, WINDOWS, X, Y, Z)."""
        half = functional.avg_pool3d(seen, 2)
        coarse: torch.Tensor = self.body(pixelunshuffle(half, 3, BLOCK // 2))
        near = functional.interpolate(self.squeeze(coarse), half.shape[2:], mode="trilinear", align_corners=False)
        return coarse, self.edge(torch.cat((near, half), dim=1))


def _windows(hu: torch.Tensor, suv: torch.Tensor | None) -> torch.Tensor:
    """(B, WINDOWS, X, Y, Z) in [-1, 1] of HU and SUV (B, X, Y, Z)."""
    ct = [((hu - centre) / half).clamp(-1.0, 1.0) for centre, half in WINDOWS_HU]
    pet = [torch.zeros_like(hu) if suv is None else ((suv - c) / half).clamp(-1.0, 1.0) for c, half in WINDOWS_SUV]
    return torch.stack((*ct, *pet), dim=1)


def _padded(seen: torch.Tensor) -> torch.Tensor:
    """Windows with a voxel more on every side, so that every voxel has neighbours; edges have themselves."""
    return functional.pad(seen, (1, 1, 1, 1, 1, 1), mode="replicate")


def _slab(values: torch.Tensor, shape: tuple[int, ...], low: int, deep: int) -> torch.Tensor:
    """Layers `low` to `low + deep` of coarse values (B, C, x, y, z) interpolated to `shape` along x, y and z."""
    z = values.shape[4]
    at = ((torch.arange(low, low + deep, device=values.device) + 0.5) * (z / shape[2]) - 0.5).clamp(0, z - 1)
    first = at.long().clamp_max(max(z - 2, 0))
    share = (at - first).to(values.dtype)
    layers = torch.lerp(values[..., first], values[..., (first + 1).clamp_max(z - 1)], share)
    return functional.interpolate(layers, (*shape[:2], deep), mode="trilinear", align_corners=False)
