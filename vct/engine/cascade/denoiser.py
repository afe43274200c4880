"""EDM's preconditioning and loss in one wrapper (Karras et al. 2022, arXiv 2206.00364, table 1 and section 5)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

SIGMA_DATA = 0.5


class Scalings(NamedTuple):
    """D(x) = skip x + out F(in x, noise); `weight` is the loss weight, 1 / out^2."""

    skip: torch.Tensor
    out: torch.Tensor
    into: torch.Tensor
    noise: torch.Tensor
    weight: torch.Tensor


def scalings(sigma: torch.Tensor, sigma_data: float = SIGMA_DATA) -> Scalings:
    """The scalings of table 1 for noise levels of any shape; the loss and the sampler both read them here."""
    total = sigma**2 + sigma_data**2
    out = sigma * sigma_data / total.sqrt()
    return Scalings(skip=sigma_data**2 / total, out=out, into=total.rsqrt(), noise=sigma.log() / 4.0, weight=out**-2)


def draw_sigma(uniform: torch.Tensor, mean: float, sd: float) -> torch.Tensor:
    """Log-normal noise levels from numbers in (0, 1); see `stratified`."""
    return torch.exp(mean + sd * torch.special.ndtri(uniform.double())).to(uniform.dtype)


def stratified(count: int, generator: torch.Generator) -> torch.Tensor:
    """`count` uniform numbers, one in each of `count` equal parts of (0, 1): a batch covers all noise levels."""
    offset = torch.rand(count, generator=generator)
    return ((torch.arange(count) + offset) / count).clamp(1e-6, 1.0 - 1e-6)


class Denoiser(nn.Module):
    """A network F as a denoiser D: x (B, ...) of data with spread `sigma_data` plus noise of sd `sigma` (B,) to its
    mean.

    The network is called as `network(scaled_x, noise_code, **condition)` with `noise_code` (B,).
    """

    def __init__(self, network: nn.Module, sigma_data: float = SIGMA_DATA) -> None:
        super().__init__()
        self.network = network
        self.sigma_data = sigma_data

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor, **condition: Any) -> torch.Tensor:
        """The expected clean data."""
        scale = scalings(sigma, self.sigma_data)
        raw = self.network(_as(scale.into, noisy) * noisy, scale.noise, **condition)
        clean: torch.Tensor = _as(scale.skip, noisy) * noisy + _as(scale.out, noisy) * raw.to(noisy.dtype)
        return clean

    def loss(self, clean: torch.Tensor, sigma: torch.Tensor, noise: torch.Tensor, **condition: Any) -> torch.Tensor:
        """Weighted squared error (B, ...) of denoising `clean + sigma noise`; about one for a network that knows
        nothing."""
        error: torch.Tensor = self(clean + _as(sigma, clean) * noise, sigma, **condition) - clean
        return _as(scalings(sigma, self.sigma_data).weight, clean) * error**2


def _as(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.reshape(-1, *([1] * (like.ndim - 1)))
