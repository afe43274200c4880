"""Sizes of the two voxel networks by name: what runs on a CPU, and what was published."""

from __future__ import annotations

from vct.engine.cascade.lowres import LowresConfig
from vct.engine.cascade.network import UNetConfig
from vct.engine.cascade.superres import SuperresConfig

_PUBLISHED_WIDTHS = (64, 128, 192, 256)
_PUBLISHED_BLOCKS = 3

LOWRES: dict[str, LowresConfig] = {
    "small": LowresConfig(),
    "published": LowresConfig(
        network=UNetConfig(extra=3, condition=4, stem=1, widths=_PUBLISHED_WIDTHS, blocks=_PUBLISHED_BLOCKS)
    ),
}
SUPERRES: dict[str, SuperresConfig] = {
    "small": SuperresConfig(),
    "published": SuperresConfig(
        network=UNetConfig(extra=5, condition=5, stem=1, widths=_PUBLISHED_WIDTHS, blocks=_PUBLISHED_BLOCKS),
        tile=(224, 224, 112),
        margin=0,
        temperature=1.0,
    ),
}
"""`published` has the channels, blocks and chunks of arXiv 2505.22489: 64 channels times 1, 2, 3, 4, three blocks a
level, no stem, four chunks along z that overlap by 8. Demographics steer it by FiLM instead of constant channels, and
its decoder is as deep as its encoder: 35 million parameters where the published networks have 80.7."""
