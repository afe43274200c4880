"""A small diffusion over the code of a body: what demographics do not decide about shape and uptake.

A body is a long vector (spline coefficients of its displacement, tissue factors). Its mean is a ridge regression on the
demographics; what remains lives in a few principal modes; their scores, made white, are what the diffusion draws. A
silent network leaves them standard normal, so that training can only add what a Gaussian lacks. The numbers with a
distribution of their own (volumes, uptake) are made normal, one by one, before modes are sought, and back after.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from vct.engine.cascade.denoiser import SIGMA_DATA, Denoiser
from vct.engine.cascade.network import Embedding
from vct.engine.cascade.sampler import Schedule
from vct.part import Part

FEATURES = 6
KNOTS = torch.linspace(-3.0, 3.0, 25)
"""Normal scores at which the distribution of a number is kept; beyond them, one of 370, it is that of the last."""


class CodeConfig(Part):
    """`raw` numbers a body, the last `shaped` of them with distributions of their own, `modes` left after the
    regression, and the size of the network."""

    raw: int = Field(ge=1)
    shaped: int = Field(default=0, ge=0)
    modes: int = Field(ge=1, le=512)
    condition: int = Field(default=4, ge=1, le=64)
    width: int = Field(default=128, ge=8, le=2048)
    blocks: int = Field(default=3, ge=1, le=16)


def features(condition: torch.Tensor) -> torch.Tensor:
    """(B, 6) what the regression sees of standardised demographics (B, 4): one, age, height, weight, and the squares of
    age and weight.

    The sex is left out: each sex has its own model.
    """
    _, age, height, weight = condition.unbind(dim=1)
    return torch.stack((torch.ones_like(age), age, height, weight, age**2, weight**2), dim=1)


class CodeNet(nn.Module):
    """A residual network on codes (B, modes), steered by noise level and demographics."""

    def __init__(self, config: CodeConfig) -> None:
        super().__init__()
        width = config.width
        self.embed = Embedding(config.condition, width)
        self.into = nn.Linear(config.modes, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.blocks))
        self.films = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(config.blocks))
        self.mixes = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Dropout(0.1), nn.Linear(2 * width, width))
            for _ in range(config.blocks)
        )
        self.out = nn.Linear(width, config.modes)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, noisy: torch.Tensor, noise_code: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """(B, modes), (B,), (B, condition) to (B, modes)."""
        emb = self.embed(noise_code, condition)
        h = self.into(noisy)
        for norm, film, mix in zip(self.norms, self.films, self.mixes, strict=True):
            scale, shift = film(emb).chunk(2, dim=1)
            h = h + mix(norm(h) * (1.0 + scale) + shift)
        out: torch.Tensor = self.out(functional.silu(h))
        return out


class CodeModel(nn.Module):
    """Demographics and noise to the long vector of a body.

    Buffers: `mean` (6, raw) regression; `modes` (modes, raw), one residual standard deviation long each; `mix`
    (modes, modes) lower triangle of their correlation; `low` and `high` (condition,) the range that training covered;
    `quantiles` (knots, shaped) what the last numbers are at the normal scores `KNOTS`, times e to the regression
    `widths` (6, shaped): how demographics widen them.
    """

    mean: torch.Tensor
    modes: torch.Tensor
    mix: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    quantiles: torch.Tensor
    widths: torch.Tensor

    def __init__(self, config: CodeConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(FEATURES, config.raw))
        self.register_buffer("modes", torch.zeros(config.modes, config.raw))
        self.register_buffer("mix", torch.eye(config.modes))
        self.register_buffer("low", torch.full((config.condition,), -1e3))
        self.register_buffer("high", torch.full((config.condition,), 1e3))
        self.register_buffer("quantiles", KNOTS[:, None].repeat(1, config.shaped))
        self.register_buffer("widths", torch.zeros(FEATURES, config.shaped))
        self.denoiser = Denoiser(CodeNet(config))

    def expected(self, condition: torch.Tensor) -> torch.Tensor:
        """(B, raw) the mean body of demographics (B, condition), held at the edge of what training covered."""
        return features(self._held(condition)) @ self.mean

    def whiten(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores (B, modes) in standard deviations to what the diffusion learns, of spread `SIGMA_DATA`."""
        white: torch.Tensor = torch.linalg.solve_triangular(self.mix, scores.T, upper=False).T * SIGMA_DATA
        return white

    def unwhiten(self, white: torch.Tensor) -> torch.Tensor:
        """The inverse of `whiten`."""
        return (white / SIGMA_DATA) @ self.mix.T

    def draw(self, condition: torch.Tensor, noise: torch.Tensor, schedule: Schedule) -> torch.Tensor:
        """(B, raw) bodies from demographics (B, condition) and standard normal noise (B, modes)."""
        held = self._held(condition)
        white = schedule.sample(lambda x, sigma: self.denoiser(x, sigma, condition=held), noise)
        return self.expected(condition) + self._shaped(self.unwhiten(white) @ self.modes, features(held))

    def _shaped(self, left: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Residuals (B, raw) whose last columns, normal scores, have taken on their own distributions for people of
        whom `known` (B, 6) are the features."""
        plain, scores = torch.split(left, [self.config.raw - self.config.shaped, self.config.shaped], dim=1)
        step = float(KNOTS[1] - KNOTS[0])
        at = ((scores - float(KNOTS[0])) / step).clamp(0.0, len(KNOTS) - 1.0)
        low = at.floor().clamp_max(len(KNOTS) - 2).long()
        first, second = self.quantiles.gather(0, low), self.quantiles.gather(0, low + 1)
        shaped = (first + (at - low) * (second - first)) * (known @ self.widths).exp()
        return torch.cat((plain, shaped), dim=1)

    def _held(self, condition: torch.Tensor) -> torch.Tensor:
        return torch.minimum(torch.maximum(condition, self.low), self.high)
