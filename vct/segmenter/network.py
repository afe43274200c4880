"""The segmenter's network: a coarse one that knows the body, and a perceptron that names voxels.

MONAI's SegResNet (Myronenko 2018, arXiv 1810.11654) reads the CT in blocks of 4 x 4 x 4 voxels. Its features,
interpolated to a voxel, and the HU there and next to it tell a perceptron what the voxel belongs to. A training step
names a choice of voxels only, so that it costs little more than the coarse network.
"""

from __future__ import annotations

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
AIR_HU = -1000.0
SLAB = 8
NEIGHBOURS = ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))


class SegmenterConfig(Part):
    """`names` of the structures that it tells apart, beside none of them; `width` channels for a block, `features` to
    tell a voxel by."""

    names: tuple[str, ...] = Field(min_length=1, max_length=255)
    spacing_mm: float = Field(default=4.0, gt=0.0, le=16.0)
    width: int = Field(default=32, ge=8, le=128, multiple_of=8, description="GroupNorm takes eights")
    features: int = Field(default=48, ge=4, le=256)
    hidden: int = Field(default=96, ge=4, le=1024)

    @property
    def multiple(self) -> int:
        """Sizes of the input along x, y and z must be multiples of this."""
        return int(BLOCK * 2 ** (len(LEVELS) - 1))


class SegmenterNet(nn.Module):
    """HU (B, X, Y, Z) to the index of the likeliest: 0 for none, else 1 + place in `config.names`.

    The buffer `prior` holds the log of how much rarer each class is in the choice of voxels that it is trained on than
    in a body. Trained on about as many of each, it learns the small as fast as the large; `prior` makes up for that.
    """

    prior: torch.Tensor

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        self.body = SegResNet(
            spatial_dims=3,
            init_filters=config.width,
            in_channels=len(WINDOWS_HU) * (BLOCK // 2) ** 3,
            out_channels=config.features,
            blocks_down=LEVELS,
            blocks_up=(1,) * (len(LEVELS) - 1),
        )
        read, classes = config.features + len(NEIGHBOURS) * len(WINDOWS_HU), 1 + len(config.names)
        self.name = nn.Sequential(nn.Linear(read, config.hidden), nn.SiLU(), nn.Linear(config.hidden, classes))
        self.register_buffer("prior", torch.zeros(classes))

    def loss(self, hu: torch.Tensor, chosen: torch.Tensor, classes: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Cross-entropy over voxels `chosen` (N,) of one body (X, Y, Z), by flat index, plus one minus the mean soft
        Dice of what is there; a voxel stands for `weight` (N,) voxels of its class (N,)."""
        seen = _windows(hu)
        index = torch.unravel_index(chosen, hu.shape)
        at, size = torch.stack(index, dim=1).float(), torch.tensor(hu.shape, device=hu.device)
        place = ((2.0 * at + 1.0) / size - 1.0).flip(1)[None, None, None]
        coarse = functional.grid_sample(self._coarse(seen), place, padding_mode="border", align_corners=False)
        x, y, z = index
        padded = _padded(seen)[0]
        around = [padded[:, x + 1 + i, y + 1 + j, z + 1 + k] for i, j, k in NEIGHBOURS]
        logits = self.name(torch.cat((coarse[0, :, 0, 0], *around)).T).float()
        p = weight[:, None] * (logits + self.prior).softmax(dim=1)
        hit = p.new_zeros(p.shape[1]).index_add(0, classes, p.gather(1, classes[:, None])[:, 0])
        there = p.new_zeros(p.shape[1]).index_add(0, classes, weight)
        dice = 2.0 * hit / (p.sum(dim=0) + there).clamp_min(1e-6)
        return cast("torch.Tensor", functional.cross_entropy(logits, classes) + 1.0 - dice[there > 0].mean())

    def forward(self, hu: torch.Tensor) -> torch.Tensor:
        """uint8 (B, X, Y, Z), named slab by slab."""
        seen = _windows(hu)
        coarse = functional.interpolate(self._coarse(seen), hu.shape[1:], mode="trilinear", align_corners=False)
        padded, (x, y, z) = _padded(seen), hu.shape[1:]
        slabs = []
        for low in range(0, z, SLAB):
            deep = min(SLAB, z - low)
            around = [
                padded[:, :, 1 + i : 1 + i + x, 1 + j : 1 + j + y, low + 1 + k : low + 1 + k + deep]
                for i, j, k in NEIGHBOURS
            ]
            known = torch.cat((coarse[..., low : low + deep], *around), dim=1).movedim(1, -1)
            slabs.append((self.name(known) + self.prior).argmax(dim=-1).to(torch.uint8))
        return torch.cat(slabs, dim=3)

    def _coarse(self, seen: torch.Tensor) -> torch.Tensor:
        """(B, features, X / 4, Y / 4, Z / 4) of windows (B, W, X, Y, Z)."""
        return cast("torch.Tensor", self.body(pixelunshuffle(functional.avg_pool3d(seen, 2), 3, BLOCK // 2)))


def _windows(hu: torch.Tensor) -> torch.Tensor:
    """(B, W, X, Y, Z) in [-1, 1] of HU (B, X, Y, Z) or (X, Y, Z)."""
    hu = hu if hu.dim() == 4 else hu[None]
    return torch.stack([((hu - centre) / half).clamp(-1.0, 1.0) for centre, half in WINDOWS_HU], dim=1)


def _padded(seen: torch.Tensor) -> torch.Tensor:
    """Windows with a voxel more on every side, so that every voxel has neighbours; edges have themselves."""
    return functional.pad(seen, (1, 1, 1, 1, 1, 1), mode="replicate")
