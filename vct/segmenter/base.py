"""What a segmenter is."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from vct.part import Part
from vct.records import Scan
from vct.volume import Volume


class Segmenter(Part):
    """Finds organs on a CT, or on a CT and its PET."""

    @abstractmethod
    def segment(self, ct: Volume, pet: Volume | None = None) -> Volume:
        """Labels (numbers of `vct.structures`) of a CT in HU, on its grid; a PET (SUVbw) may help."""

    def labelled(self, scan: Scan) -> Scan:
        """The scan with this segmenter's labels, on the PET's grid, in place of those that it had."""
        return replace(scan, labels=self.segment(scan.ct, scan.pet).resampled(scan.pet.grid))
