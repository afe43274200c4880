"""A denoiser that sees a volume tile by tile: bounded memory, seamless, and no work in the air."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch

from vct.engine.cascade.sampler import Denoise

Box = tuple[slice, slice, slice]
Size = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Cuts a volume of `shape` into boxes of at most `size` voxels along each axis.

    Neighbours share `margin` voxels on either side that are computed and thrown away, and between them `overlap` voxels
    that are blended linearly. Where the margin covers what the network sees around a voxel, the tiles equal the whole.
    All cuts lie on multiples of `multiple`, so that space-to-depth sees the same blocks in a tile as in the whole.
    """

    shape: Size
    size: Size
    overlap: int = 8
    margin: int = 8
    multiple: int = 8

    def __post_init__(self) -> None:
        for whole, side in zip(self.shape, self.size, strict=True):
            if whole % self.multiple or side % self.multiple:
                raise ValueError(f"tiles of {self.size} in {self.shape} must be multiples of {self.multiple}")
            if side < whole and side <= self.overlap + 2 * self.margin:
                raise ValueError(f"tiles of {side} leave nothing beside an overlap of {self.overlap} and the margins")

    def boxes(self) -> Iterator[Box]:
        """Every tile, margins included; together they cover the volume."""
        for x, y, z in product(*(self._starts(axis) for axis in range(3))):
            yield tuple(
                slice(start, min(start + side, whole))
                for start, side, whole in zip((x, y, z), self.size, self.shape, strict=True)
            )  # type: ignore[misc]

    def weight(self, box: Box) -> torch.Tensor:
        """Blending weights (x, y, z) of a tile: 0 in its margins, rising linearly over the overlap; over all tiles the
        weights are divided by their sum."""
        lines = [self._line(piece, whole) for piece, whole in zip(box, self.shape, strict=True)]
        return lines[0][:, None, None] * lines[1][None, :, None] * lines[2][None, None, :]

    def _starts(self, axis: int) -> list[int]:
        whole, side = self.shape[axis], self.size[axis]
        if side >= whole:
            return [0]
        stride = (side - self.overlap - 2 * self.margin) // self.multiple * self.multiple
        return sorted({min(start, whole - side) for start in range(0, whole, max(stride, self.multiple))})

    def _line(self, piece: slice, whole: int) -> torch.Tensor:
        at = torch.arange(piece.start, piece.stop, dtype=torch.float32) + 0.5
        low = torch.ones_like(at) if piece.start == 0 else (at - piece.start - self.margin) / max(self.overlap, 1)
        high = torch.ones_like(at) if piece.stop == whole else (piece.stop - self.margin - at) / max(self.overlap, 1)
        return torch.minimum(low, high).clamp(0.0, 1.0)


def tiled(
    denoise_box: Callable[[torch.Tensor, torch.Tensor, Box], torch.Tensor],
    tiles: Tiles,
    keep: Callable[[Box], bool] = lambda _: True,
) -> Denoise:
    """A denoiser of whole volumes (B, C, X, Y, Z) out of one of boxes `denoise_box(x, sigma, box)`.

    Boxes that `keep` refuses (air) are not computed: their expected clean data is 0, the mean of a residual. The
    sampler does not know of tiles: they agree at every noise level, not only at the end.
    """
    kept = [(box, tiles.weight(box)) for box in tiles.boxes() if keep(box)]
    total = torch.zeros(tiles.shape)
    for box in tiles.boxes():
        total[box] += tiles.weight(box)

    def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        clean = torch.zeros_like(x)
        for box, weight in kept:
            share = (weight / total[box]).to(x.device)
            clean[(..., *box)] += denoise_box(x[(..., *box)], sigma, box) * share
        return clean

    return denoise
