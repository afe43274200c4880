"""The labels that came with the scan."""

from __future__ import annotations

from typing import Literal

from vct.records import Scan
from vct.segmenter.base import Segmenter
from vct.segmenter.shipped import Network
from vct.volume import Volume


class EngineLabels(Segmenter):
    """What the engine says of its own scans: a perfect segmenter. Where an engine says nothing, the shipped network."""

    kind: Literal["engine"] = "engine"

    def segment(self, ct: Volume, pet: Volume | None = None) -> Volume:
        """Images alone have no engine behind them: by the shipped network."""
        return Network().segment(ct, pet)

    def labelled(self, scan: Scan) -> Scan:
        """The scan as it is, or with the network's labels where it has none."""
        return scan if scan.labels is not None else super().labelled(scan)
