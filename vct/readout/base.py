"""What a readout is: one number with a unit, taken from one scan."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import Field

from vct.part import Part
from vct.records import Reading, Scan


class Readout(Part):
    """Measures one quantity on a scan and says what a perfect reader would have reported."""

    name: str = Field(default="", max_length=60, description="what the tables call it; its own default when left out")

    @property
    @abstractmethod
    def default_name(self) -> str:
        """The name when the protocol gives none; a threshold's rule is part of it."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """Unit of the value: "g/ml", "ml", "g", "1"."""

    @property
    def label(self) -> str:
        """The name under which readings are filed and endpoints refer to this readout."""
        return self.name or self.default_name

    @abstractmethod
    def measure(self, scan: Scan) -> Reading:
        """Take the reading, beside the planted truth."""

    def reading(self, scan: Scan, value: float | None, truth: float | None) -> Reading:
        """A reading of this readout on this scan."""
        patient, visit = scan.snapshot.patient, scan.snapshot.visit
        return Reading(
            patient=patient.id,
            arm=patient.arm,
            visit=visit.name,
            day=visit.day,
            readout=self.label,
            value=value,
            unit=self.unit,
            truth=truth,
        )
