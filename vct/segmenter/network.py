"""The segmenter's network: MONAI's SegResNet behind a space-to-depth stem, then a perceptron for every voxel.

SegResNet (Myronenko 2018, arXiv 1810.11654) sees blocks of 2 x 2 x 2 voxels as one, which costs an eighth; its channels
are the block's eight voxels again, and a perceptron names each from them and its HU. The perceptron can run on any
choice of voxels, so that a training step need not name the whole body.
"""

from __future__ import annotations

from typing import cast

import torch
from monai.networks.nets.segresnet import SegResNet
from monai.networks.utils import pixelshuffle, pixelunshuffle
from pydantic import Field
from torch import nn
from torch.nn import functional

from vct.part import Part

STEM = 2
WINDOWS_HU = ((40.0, 200.0), (0.0, 1000.0))
"""Centre and half width: soft tissue, and everything."""
AIR_HU = -1000.0


class SegmenterConfig(Part):
    """`names` of the structures that it tells apart, beside none of them; `width` channels at twice
    `spacing_mm`."""

    names: tuple[str, ...] = Field(min_length=1, max_length=255)
    spacing_mm: float = Field(default=4.0, gt=0.0, le=16.0)
    width: int = Field(default=16, ge=8, le=128, multiple_of=8, description="GroupNorm takes eights")
    head: int = Field(default=16, ge=4, le=128, description="channels of a voxel")

    @property
    def multiple(self) -> int:
        """Sizes of the input along x, y and z must be multiples of this."""
        return STEM * 8


class SegmenterNet(nn.Module):
    """HU (B, X, Y, Z) to what every voxel looks like (B, C, X, Y, Z), and that (..., C) to a logit for none and every
    name."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        self.body = SegResNet(
            spatial_dims=3,
            init_filters=config.width,
            in_channels=len(WINDOWS_HU) * STEM**3,
            out_channels=config.head * STEM**3,
            blocks_down=(1, 2, 2, 2),
            blocks_up=(1, 1, 1),
        )
        wide = 2 * config.head
        self.name = nn.Sequential(
            nn.Linear(config.head + len(WINDOWS_HU), wide), nn.SiLU(), nn.Linear(wide, 1 + len(config.names))
        )

    def features(self, hu: torch.Tensor) -> torch.Tensor:
        """C is `config.head` and the windows; sizes are multiples of `config.multiple`."""
        seen = torch.stack([((hu - centre) / half).clamp(-1.0, 1.0) for centre, half in WINDOWS_HU], dim=1)
        coarse = pixelshuffle(self.body(pixelunshuffle(seen, 3, STEM)), 3, STEM)
        return torch.cat((coarse, seen), dim=1)

    def loss(
        self, hu: torch.Tensor, chosen: torch.Tensor, classes: torch.Tensor, weight: torch.Tensor
    ) -> torch.Tensor:
        """Cross-entropy, plus one minus the mean soft Dice of what is there, over voxels `chosen` (N,) of one body
        (X, Y, Z), by flat index, each of which stands for `weight` (N,) voxels of its class (N,)."""
        logits = self.name(self.features(hu[None])[0].flatten(1)[:, chosen].T).float()
        log_p = logits.log_softmax(dim=1)
        entropy = (weight * functional.nll_loss(log_p, classes, reduction="none")).sum() / weight.sum()
        p = weight[:, None] * log_p.exp()
        hit = p.new_zeros(p.shape[1]).index_add(0, classes, p.gather(1, classes[:, None])[:, 0])
        size = p.new_zeros(p.shape[1]).index_add(0, classes, weight)
        dice = 2.0 * hit / (p.sum(dim=0) + size).clamp_min(1e-6)
        return cast("torch.Tensor", entropy + 1.0 - dice[size > 0].mean())

    def forward(self, hu: torch.Tensor) -> torch.Tensor:
        """Index of the likeliest (0: none; else 1 + place in `config.names`), uint8 (B, X, Y, Z), slab by slab."""
        features = self.features(hu).movedim(1, -1)
        slabs = [self.name(slab).argmax(dim=-1).to(torch.uint8) for slab in features.split(8, dim=3)]
        return torch.cat(slabs, dim=3)
