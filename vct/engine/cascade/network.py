"""A 3-D U-Net behind a space-to-depth stem, with a full-resolution head and FiLM conditioning.

The stem is what makes the network cheap (37 GFLOP an evaluation at 56 x 56 x 96 against 2,872 of the published one);
the head is what lets it denoise at all: tokens narrower than the voxels they hold cannot carry the noise through.
"""

from __future__ import annotations

import math
from typing import Literal, TypeVar

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from vct.part import Part

_M = TypeVar("_M", bound=nn.Module)


class UNetConfig(Part):
    """Size of a `UNet`; `extra` channels are read beside the noisy ones, `condition` numbers steer every block.

    `norm` "group" looks at the whole input; "rms" at each voxel alone, so that a tile does not differ from the whole.
    """

    channels: int = Field(default=2, ge=1, le=64)
    extra: int = Field(default=0, ge=0, le=64)
    condition: int = Field(default=0, ge=0, le=256)
    stem: int = Field(default=4, ge=1, le=8)
    widths: tuple[int, ...] = Field(default=(96, 192), min_length=1, max_length=5)
    blocks: int = Field(default=1, ge=1, le=4)
    head: int = Field(default=16, ge=1, le=64)
    norm: Literal["group", "rms"] = "group"

    @property
    def multiple(self) -> int:
        """Sizes of the input along x, y and z must be multiples of this."""
        return int(self.stem * 2 ** (len(self.widths) - 1))


LOWRES = UNetConfig(extra=3, condition=4, stem=4, widths=(96, 192), norm="group")
"""Stage 1: position channels beside the noisy pair."""
SUPERRES = UNetConfig(extra=5, condition=5, stem=2, widths=(32, 64, 128), head=32, norm="rms")
"""Stage 2: the guide (two channels) and positions beside the noisy residual; demographics and the scale steer it. Edges
are its work, and a token of 4 x 4 x 4 voxels is too narrow for them."""


def space_to_depth(x: torch.Tensor, factor: int) -> torch.Tensor:
    """(B, C, X, Y, Z) to (B, C f^3, X/f, Y/f, Z/f): every block of f^3 voxels becomes channels."""
    b, c, *size = x.shape
    nx, ny, nz = (n // factor for n in size)
    blocks = x.reshape(b, c, nx, factor, ny, factor, nz, factor)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, c * factor**3, nx, ny, nz)


def depth_to_space(x: torch.Tensor, factor: int) -> torch.Tensor:
    """The inverse of `space_to_depth`."""
    b, c, nx, ny, nz = x.shape
    blocks = x.reshape(b, c // factor**3, factor, factor, factor, nx, ny, nz)
    return blocks.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, -1, nx * factor, ny * factor, nz * factor)


class UNet(nn.Module):
    """`config` says how large; the output starts at zero, so that an untrained denoiser returns the prior's
    estimate."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, emb = config.widths, 4 * config.widths[0]
        read = config.channels + config.extra
        self.embed = Embedding(config.condition, emb)
        self.stem = _conv(read * config.stem**3, widths[0])
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            self.down.append(nn.ModuleList(Block(width, width, emb, config.norm) for _ in range(config.blocks)))
            if level + 1 < len(widths):
                self.shrink.append(nn.Conv3d(width, widths[level + 1], 2, stride=2))
                self.grow.append(_conv(widths[level + 1], width))
                self.up.append(
                    nn.ModuleList(
                        Block(2 * width if not index else width, width, emb, config.norm)
                        for index in range(config.blocks)
                    )
                )
        self.features = _conv(widths[0], 4 * config.stem**3)
        self.head_in = _conv(4 + read, config.head)
        self.head_out = _zero(_conv(config.head, config.channels))

    def forward(
        self,
        noisy: torch.Tensor,
        noise_code: torch.Tensor,
        condition: torch.Tensor | None = None,
        extra: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B, C, X, Y, Z) noisy, (B,) noise code, (B, K) condition, (B, E, X, Y, Z) extra to (B, C, X, Y, Z)."""
        x = noisy if extra is None else torch.cat((noisy, extra), dim=1)
        emb = self.embed(noise_code, condition)
        h = self.stem(space_to_depth(x, self.config.stem))
        kept: list[torch.Tensor] = []
        for level, blocks in enumerate(self.down):
            h = _through(blocks, h, emb)
            if level < len(self.shrink):
                kept.append(h)
                h = self.shrink[level](h)
        for level in reversed(range(len(self.up))):
            h = self.grow[level](functional.interpolate(h, scale_factor=2.0, mode="nearest"))
            h = _through(self.up[level], torch.cat((h, kept[level]), dim=1), emb)
        fine = depth_to_space(self.features(functional.silu(h)), self.config.stem)
        out: torch.Tensor = self.head_out(functional.silu(self.head_in(torch.cat((fine, x), dim=1))))
        return out


class Embedding(nn.Module):
    """Noise level (Fourier features) and condition to one vector a sample."""

    frequencies: torch.Tensor

    def __init__(self, condition: int, width: int, features: int = 64) -> None:
        super().__init__()
        steps = torch.arange(features // 2, dtype=torch.float32) / (features // 2 - 1)
        self.register_buffer("frequencies", 2.0 * math.pi * 0.05 * 80.0**steps, persistent=False)
        self.noise = nn.Linear(features, width)
        self.condition = nn.Linear(condition, width) if condition else None
        self.mix = nn.Linear(width, width)

    def forward(self, noise_code: torch.Tensor, condition: torch.Tensor | None) -> torch.Tensor:
        """(B,) and (B, K) to (B, width)."""
        angles = noise_code.float()[:, None] * self.frequencies
        h = self.noise(torch.cat((angles.cos(), angles.sin()), dim=1))
        if self.condition is not None:
            if condition is None:
                raise ValueError("this network needs a condition")
            h = h + self.condition(condition)
        out: torch.Tensor = functional.silu(self.mix(functional.silu(h)))
        return out


class Block(nn.Module):
    """A residual block of two convolutions; the embedding scales and shifts between them (FiLM, arXiv 1709.07871)."""

    def __init__(self, into: int, out: int, emb: int, norm: str) -> None:
        super().__init__()
        self.norm_in, self.norm_mid = _norm(norm, into), _norm(norm, out)
        self.conv_in, self.conv_out = _conv(into, out), _zero(_conv(out, out))
        self.film = _zero(nn.Linear(emb, 2 * out))
        self.skip = nn.Conv3d(into, out, 1) if into != out else nn.Identity()

    def forward(self, x: torch.Tensor, emb: torch.Tensor) -> torch.Tensor:
        """(B, into, X, Y, Z) and (B, emb) to (B, out, X, Y, Z)."""
        h = self.conv_in(functional.silu(self.norm_in(x)))
        scale, shift = self.film(emb)[:, :, None, None, None].chunk(2, dim=1)
        h = self.norm_mid(h) * (1.0 + scale) + shift
        out: torch.Tensor = self.skip(x) + self.conv_out(functional.silu(h))
        return out


class VoxelNorm(nn.Module):
    """Root-mean-square over the channels of each voxel (arXiv 1910.07467): looks at no other voxel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        size = x.float().square().mean(dim=1, keepdim=True).add(1e-6).rsqrt().to(x.dtype)
        return x * size * self.gain[None, :, None, None, None]


def _norm(kind: str, channels: int) -> nn.Module:
    return VoxelNorm(channels) if kind == "rms" else nn.GroupNorm(math.gcd(8, channels), channels)


def _conv(into: int, out: int) -> nn.Conv3d:
    return nn.Conv3d(into, out, 3, padding=1)


def _zero(module: _M) -> _M:
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def _through(blocks: nn.Module, h: torch.Tensor, emb: torch.Tensor) -> torch.Tensor:
    for block in blocks.children():
        h = block(h, emb)
    return h
