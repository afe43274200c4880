"""How hot lesions are: SUVmax, SUVpeak, SULpeak.

A patient without any lesion has no value: there is nothing to lay a region on. A lesion that faded is still read at
its place, since courses keep it with the little uptake that is left; so a complete response gets its number.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vct.readout.lesions import LesionReadout, lesion_max, lesion_peak, lesions_in_view, true_peak
from vct.readout.suv import LeanMass, sul_per_suv
from vct.records import Reading, Scan


class SuvMax(LesionReadout):
    """The hottest voxel of a lesion, SUVbw. Truth: the lesion's planted uptake."""

    kind: Literal["suv_max"] = "suv_max"

    @property
    def default_name(self) -> str:
        """`suv_max`."""
        return self.tagged("suv_max")

    @property
    def unit(self) -> str:
        """SUVbw."""
        return "g/ml"

    def measure(self, scan: Scan) -> Reading:
        """The maximum over the lesion's region."""
        lesions = lesions_in_view(scan)
        value = self.pick({lesion.id: lesion_max(scan, lesion) for lesion in lesions})
        return self.reading(scan, value, self.pick({lesion.id: lesion.suv for lesion in lesions}))


class PeakReadout(LesionReadout):
    """Mean of the 1 cm3 sphere in a lesion: the highest that there is, or that about the hottest voxel.

    Truth: the same sphere about the lesion's centre in the planted activity; a lesion smaller than the sphere is
    averaged with what lies around it.
    """

    placement: Literal["highest", "at_max"] = Field(default="highest", description="where the sphere is centred")

    @property
    def unit(self) -> str:
        """SUVbw or SUL."""
        return "g/ml"

    def peak_name(self, stem: str) -> str:
        """`stem`, with the placement when it is not the usual one."""
        return self.tagged(stem if self.placement == "highest" else f"{stem}_{self.placement}")

    def measure_scaled(self, scan: Scan, scale: float) -> Reading:
        """SUVpeak times `scale`."""
        lesions, at_max = lesions_in_view(scan), self.placement == "at_max"
        value = self.pick({lesion.id: scale * lesion_peak(scan, lesion, at_max=at_max) for lesion in lesions})
        known = {lesion.id: true_peak(scan, lesion) for lesion in lesions}
        truth = self.pick({name: None if peak is None else scale * peak for name, peak in known.items()})
        return self.reading(scan, value, truth)


class SuvPeak(PeakReadout):
    """SUVpeak by body weight."""

    kind: Literal["suv_peak"] = "suv_peak"

    @property
    def default_name(self) -> str:
        """`suv_peak`."""
        return self.peak_name("suv_peak")

    def measure(self, scan: Scan) -> Reading:
        """The peak of SUVbw."""
        return self.measure_scaled(scan, 1.0)


class SulPeak(PeakReadout):
    """SUVpeak by lean body mass, as PERCIST reads it."""

    kind: Literal["sul_peak"] = "sul_peak"
    lean_mass: LeanMass = Field(default="janmahasatian", description="formula of lean body mass")

    @property
    def default_name(self) -> str:
        """`sul_peak` and the formula of lean body mass."""
        return self.peak_name(f"sul_peak_{self.lean_mass}")

    def measure(self, scan: Scan) -> Reading:
        """The peak of SUVbw times lean mass over weight; None where the formula gives no lean mass."""
        scale = sul_per_suv(self.lean_mass, scan.snapshot.patient)
        return self.reading(scan, None, None) if scale is None else self.measure_scaled(scan, scale)
