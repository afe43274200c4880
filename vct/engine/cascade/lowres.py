"""The `voxel` blueprint: stage 1 as in the paper, a diffusion over the whole torso at 8 mm.

It learns what is left of a body after a ridge regression of every voxel on the demographics.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from vct.engine.cascade.conditioning import positions
from vct.engine.cascade.denoiser import SIGMA_DATA, Denoiser
from vct.engine.cascade.grid import shape_at
from vct.engine.cascade.network import LOWRES, UNet, UNetConfig
from vct.engine.cascade.sampler import Schedule
from vct.part import Part

TEMPLATE_FEATURES = 6


class LowresConfig(Part):
    """The network, and the spacing of its grid."""

    network: UNetConfig = LOWRES
    spacing_mm: float = Field(default=8.0, gt=0.0)


def template_features(condition: torch.Tensor) -> torch.Tensor:
    """(B, 6) of standardised demographics (B, 4): one, sex, age, height, weight and its square."""
    weight = condition[:, 3:4]
    return torch.cat((torch.ones_like(weight), condition, weight**2), dim=1)


class Lowres(nn.Module):
    """Demographics and noise to an encoded pair (B, 2, X, Y, Z).

    Buffers: `template` (6, 2, X, Y, Z), the regression; `spread` (2,), each channel's residual standard deviation;
    `low` and `high` (4,), the demographics that training covered.
    """

    template: torch.Tensor
    spread: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, config: LowresConfig) -> None:
        super().__init__()
        self.config = config
        self.shape = shape_at(config.spacing_mm)
        self.register_buffer("template", torch.zeros(TEMPLATE_FEATURES, 2, *self.shape))
        self.register_buffer("spread", torch.full((2,), SIGMA_DATA))
        self.register_buffer("low", torch.full((4,), -1e3))
        self.register_buffer("high", torch.full((4,), 1e3))
        self.denoiser = Denoiser(UNet(config.network))

    def expected(self, condition: torch.Tensor) -> torch.Tensor:
        """(B, 2, X, Y, Z) the mean body of demographics (B, 4), encoded."""
        return torch.einsum("bf,fcxyz->bcxyz", template_features(self._held(condition)), self.template)

    def residual(self, encoded: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """What the diffusion learns of encoded bodies: of spread `SIGMA_DATA` in both channels."""
        return (encoded - self.expected(condition)) * (SIGMA_DATA / self._spread())

    def loss(
        self, encoded: torch.Tensor, condition: torch.Tensor, sigma: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """The denoiser's weighted squared error on encoded bodies (B, 2, X, Y, Z)."""
        steer = {"condition": self._held(condition), "extra": self._extra(len(encoded), encoded.device)}
        return self.denoiser.loss(self.residual(encoded, condition), sigma, noise, **steer)

    def draw(self, condition: torch.Tensor, noise: torch.Tensor, schedule: Schedule) -> torch.Tensor:
        """Encoded bodies (B, 2, X, Y, Z) from demographics (B, 4) and standard normal noise of their shape."""
        steer = {"condition": self._held(condition), "extra": self._extra(len(noise), noise.device)}
        residual = schedule.sample(lambda x, sigma: self.denoiser(x, sigma, **steer), noise)
        return self.expected(condition) + residual * (self._spread() / SIGMA_DATA)

    def _spread(self) -> torch.Tensor:
        return self.spread[:, None, None, None]

    def _extra(self, count: int, device: torch.device) -> torch.Tensor:
        return positions(self.shape).to(device)[None].expand(count, -1, -1, -1, -1)

    def _held(self, condition: torch.Tensor) -> torch.Tensor:
        return torch.minimum(torch.maximum(condition, self.low), self.high)
