"""What a segmenter is."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from vct.part import Part
from vct.records import Scan
from vct.volume import Volume


class Segmenter(Part):
    """Finds organs on a CT."""

    @abstractmethod
    def segment(self, ct: Volume) -> Volume:
        """Labels (numbers of `vct.structures`) of a CT in HU, on its grid."""

    def labelled(self, scan: Scan) -> Scan:
        """The scan with this segmenter's labels, on the PET's grid, in place of those that it had."""
        return replace(scan, labels=self.segment(scan.ct).resampled(scan.pet.grid))
