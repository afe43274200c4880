"""Stage 2: a volume at half the spacing, tile by tile, by diffusion over what trilinear upsampling leaves out.

One network serves every halving (8 to 4 mm, 4 to 2 mm); the fine spacing stands in its condition.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from vct.engine.cascade.conditioning import positions
from vct.engine.cascade.consistency import consistent_hu, consistent_suv, upsampled
from vct.engine.cascade.denoiser import SIGMA_DATA, Denoiser
from vct.engine.cascade.intensity import decode, encode
from vct.engine.cascade.network import SUPERRES, UNet, UNetConfig
from vct.engine.cascade.patches import Box, Tiles, tiled
from vct.engine.cascade.sampler import Schedule, volume_noise
from vct.part import Part

FACTOR = 2
AIR_HU, AIR_SUV = -900.0, 0.02
"""A tile whose guide nowhere exceeds both is air (assumed)."""
CONTRASTS = (1e-3, 3.0)
BINS = 24
"""Local contrasts of the guide, evenly in their logarithm, at which the spread of the residual is known."""


class SuperresConfig(Part):
    """The network, and how a volume is cut for it: two tiles make a torso at 4 mm, sixteen at 2 mm."""

    network: UNetConfig = SUPERRES
    tile: tuple[int, int, int] = (128, 128, 128)
    overlap: int = Field(default=8, ge=0, le=64)
    margin: int = Field(default=8, ge=0, le=64)
    temperature: float = Field(default=0.7, ge=0.0, le=1.0, description="of the noise that sampling begins with")
    """A Gaussian residual keeps its mean and has its spread times this. Briefly trained networks know edges less well
    than they could, and scatter them at 1; 0.7 was chosen by grain and by eye (`docs/decisions/0010`)."""


class Superres(nn.Module):
    """A coarse pair to a fine one.

    Detail is large at edges and small within tissue. Buffer `spread` (2, BINS) is the standard deviation of each
    channel's encoded residual by the guide's contrast between neighbours; the network sees the residual over it, which
    is about as large everywhere.
    """

    spread: torch.Tensor

    def __init__(self, config: SuperresConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("spread", torch.full((2, BINS), SIGMA_DATA))
        self.denoiser = Denoiser(UNet(config.network))

    def loss(
        self, fine: torch.Tensor, guide: torch.Tensor, steer: dict[str, torch.Tensor], sigma: torch.Tensor,
        noise: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """The denoiser's weighted squared error on encoded patches `fine` with `guide`, both (B, 2, x, y, z)."""
        residual = (fine - guide) * (SIGMA_DATA / self.spread_at(guide))
        return self.denoiser.loss(residual, sigma, noise, **steer)

    def refine(
        self,
        ct: torch.Tensor,
        pet: torch.Tensor,
        condition: torch.Tensor,
        fine_mm: float,
        schedule: Schedule,
        seed: int,
        *path: str,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One patient's HU and SUV (X, Y, Z) at `2 fine_mm` to (2X, 2Y, 2Z) at `fine_mm`; block means stay.

        `condition` (4,) are the demographics; the noise comes from the stream named `path`.
        """
        guide = guide_of(ct, pet)
        shape = (int(guide.shape[1]), int(guide.shape[2]), int(guide.shape[3]))
        tiles = Tiles(
            shape=shape,
            size=_at_most(self.config.tile, shape),
            overlap=self.config.overlap,
            margin=self.config.margin,
            multiple=self.config.network.multiple,
        )

        def denoise(x: torch.Tensor, sigma: torch.Tensor, box: Box) -> torch.Tensor:
            clean: torch.Tensor = self.denoiser(x, sigma, **steering(guide, condition, fine_mm, box))
            return clean

        noise = volume_noise((2, *shape), (0, 0, 0), shape, seed, *path, f"{fine_mm:g} mm").to(guide.device)
        noise *= self.config.temperature
        residual = schedule.sample(tiled(denoise, tiles, keep=_more_than_air(ct, pet)), noise[None])[0]
        fine_ct, fine_pet = decode(guide + residual * (self.spread_at(guide[None])[0] / SIGMA_DATA))
        return (
            consistent_hu(fine_ct[None, None], ct[None, None], FACTOR)[0, 0],
            consistent_suv(fine_pet[None, None], pet[None, None], FACTOR)[0, 0],
        )

    def spread_at(self, guide: torch.Tensor) -> torch.Tensor:
        """(B, 2, X, Y, Z) standard deviation of the encoded residual of a guide of that shape, voxel by voxel."""
        place = contrast_place(guide)
        low = place.long().clamp_max(BINS - 2)
        channel = torch.arange(2, device=guide.device)[:, None, None, None]
        return torch.lerp(self.spread[channel, low], self.spread[channel, low + 1], place - low)


def guide_of(ct: torch.Tensor, pet: torch.Tensor) -> torch.Tensor:
    """Encoded trilinear upsampling (..., 2, 2X, 2Y, 2Z) of HU and SUV (..., X, Y, Z), interpolated before the
    logarithm."""
    pair = torch.stack((ct, pet)).reshape(2, -1, *ct.shape[-3:])
    fine = upsampled(pair, FACTOR)
    size = (*ct.shape[:-3], *fine.shape[-3:])
    return encode(fine[0].reshape(size), fine[1].reshape(size))


def contrast_place(guide: torch.Tensor) -> torch.Tensor:
    """(B, 2, X, Y, Z) where the contrast of each voxel with its neighbours lies among the bins, 0 to BINS - 1."""
    contrast = functional.max_pool3d(guide, 3, 1, 1) + functional.max_pool3d(-guide, 3, 1, 1)
    low, high = CONTRASTS
    return (contrast.clamp(low, high) / low).log() * ((BINS - 1) / math.log(high / low))


def steering(guide: torch.Tensor, condition: torch.Tensor, fine_mm: float, box: Box) -> dict[str, torch.Tensor]:
    """What the network sees beside a tile `box` of one volume: guide and positions; demographics (4,) and spacing."""
    low = [piece.start for piece in box]
    size = [piece.stop - piece.start for piece in box]
    place = positions(guide.shape[-3:], low, size).to(guide.device)
    scale = torch.tensor([math.log2(fine_mm / 4.0)], device=guide.device)
    return {
        "condition": torch.cat((condition.to(guide.device), scale))[None],
        "extra": torch.cat((guide[(slice(None), *box)], place))[None],
    }


def _at_most(tile: tuple[int, int, int], shape: tuple[int, int, int]) -> tuple[int, int, int]:
    return min(tile[0], shape[0]), min(tile[1], shape[1]), min(tile[2], shape[2])


def _more_than_air(ct: torch.Tensor, pet: torch.Tensor) -> Callable[[Box], bool]:
    """Tells of a box of the fine volume whether the coarse one holds more than air there."""
    body = functional.max_pool3d(((ct > AIR_HU) | (pet > AIR_SUV)).float()[None, None], 3, 1, 1)[0, 0]

    def keep(box: Box) -> bool:
        x, y, z = (slice(piece.start // FACTOR, -(-piece.stop // FACTOR)) for piece in box)
        return bool(body[x, y, z].any())

    return keep
