"""Which organ lies where: a label map from a CT, in TotalSegmentator's names.

Three ways, one part: the labels that the engine hands out with its scans, the shipped network, and TotalSegmentator's
own program where it is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.part import one_of, plugins
from vct.segmenter.base import Segmenter
from vct.segmenter.command import TotalSegmentator
from vct.segmenter.engine import EngineLabels
from vct.segmenter.shipped import Network

SEGMENTERS: tuple[type[Segmenter], ...] = (EngineLabels, Network, TotalSegmentator, *plugins("segmenters"))

if TYPE_CHECKING:
    AnySegmenter = Segmenter
else:
    AnySegmenter = one_of(SEGMENTERS)

__all__ = ["SEGMENTERS", "AnySegmenter", "EngineLabels", "Network", "Segmenter", "TotalSegmentator"]
