"""How hot lesions are: SUVmax, SUVpeak, SULpeak, over the liver too, and as the eye sees it.

A patient on whose scan nothing was marked has no value: there is nothing to lay a region on. A lesion that faded is
still read at its place, so a complete response gets its number.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from vct.readout.heat import lesion_max, lesion_peak
from vct.readout.lesions import LesionReadout
from vct.readout.reader import study_of
from vct.readout.regions import percist_region
from vct.readout.suv import LeanMass, sul_per_suv
from vct.readout.truth import true_peak
from vct.records import Lesion, Mark, Reading, Scan


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
        value = self.pick(scan, lambda mark: lesion_max(scan, mark))
        return self.reading(scan, value, self.pick_true(scan, lambda lesion: lesion.suv))


class PeakReadout(LesionReadout):
    """Mean of the 1 cm3 sphere in a lesion: the highest that there is, or that about the hottest voxel.

    Truth: the sphere that holds most of the planted activity; a lesion smaller than the sphere is averaged with what
    lies around it, a thin living rim with its core.
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
        at_max = self.placement == "at_max"

        def measured(mark: Mark) -> float:
            return scale * lesion_peak(scan, mark, at_max=at_max)

        def planted(lesion: Lesion) -> float | None:
            peak = true_peak(scan, lesion)
            return None if peak is None else scale * peak

        return self.reading(scan, self.pick(scan, measured), self.pick_true(scan, planted))


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


class TumourToLiver(LesionReadout):
    """SUVpeak over the mean of PERCIST's sphere in the liver. Truth: the same of the planted uptakes."""

    kind: Literal["tumour_to_liver"] = "tumour_to_liver"

    @property
    def default_name(self) -> str:
        """`tumour_to_liver`."""
        return self.tagged("tumour_to_liver")

    @property
    def unit(self) -> str:
        """A ratio."""
        return "1"

    def measure(self, scan: Scan) -> Reading:
        """The ratio; None without a liver."""
        liver, planted = percist_region(scan, "liver"), scan.planted_suv.get("liver")
        value = self.pick(scan, lambda mark: lesion_peak(scan, mark))
        truth = self.pick_true(scan, lambda lesion: true_peak(scan, lesion))
        return self.reading(
            scan,
            None if value is None or liver is None else value / float(liver.values(scan.pet.data).mean()),
            None if truth is None or not planted else truth / planted,
        )


class QPet(LesionReadout):
    """qPET: mean of a lesion's four hottest connected voxels over the liver's mean (Hasenclever 2014, doi
    10.1007/s00259-014-2714-x). Voxels are connected by faces, from the hottest on. Truth: the planted uptakes' ratio.
    """

    kind: Literal["qpet"] = "qpet"

    @property
    def default_name(self) -> str:
        """`qpet`."""
        return self.tagged("qpet")

    @property
    def unit(self) -> str:
        """A ratio."""
        return "1"

    def measure(self, scan: Scan) -> Reading:
        """The ratio; None without a liver."""
        liver, planted = percist_region(scan, "liver"), scan.planted_suv.get("liver")
        value = self.pick(scan, lambda mark: _four_hottest(scan, mark))
        truth = self.pick_true(scan, lambda lesion: lesion.suv)
        return self.reading(
            scan,
            None if value is None or liver is None else value / float(liver.values(scan.pet.data).mean()),
            None if truth is None or not planted else truth / planted,
        )


class VisualUptake(LesionReadout):
    """SUVpeak as the reader's eye takes it, for Deauville scores: plus the study's grading error in units of the liver.

    A machine without error sees SUVpeak itself. Where nothing was marked the eye sees no uptake: 0. None without a
    liver to compare with.
    """

    kind: Literal["visual_uptake"] = "visual_uptake"

    @property
    def default_name(self) -> str:
        """`visual_uptake`."""
        return self.tagged("visual_uptake")

    @property
    def unit(self) -> str:
        """SUVbw."""
        return "g/ml"

    def measure(self, scan: Scan) -> Reading:
        """The perceived peak, beside the planted one."""
        liver = percist_region(scan, "liver")
        value = self.pick(scan, lambda mark: lesion_peak(scan, mark)) or 0.0
        truth = self.pick_true(scan, lambda lesion: true_peak(scan, lesion)) if scan.snapshot.lesions else 0.0
        if liver is None:
            return self.reading(scan, None, truth)
        slip = study_of(scan).grade_shift * float(liver.values(scan.pet.data).mean())
        return self.reading(scan, max(0.0, value + slip) if value > 0.0 else 0.0, truth)


def _four_hottest(scan: Scan, mark: Mark) -> float:
    """Mean of the hottest voxel and the three hottest that hang on to it, one after another."""
    image = np.where(mark.region.mask, scan.pet.data[mark.region.box], -np.inf)
    first = np.unravel_index(int(image.argmax()), image.shape)
    taken = [tuple(int(at) for at in first)]
    edge: dict[tuple[int, ...], float] = {}
    while len(taken) < 4:
        x, y, z = taken[-1]
        for place in ((x - 1, y, z), (x + 1, y, z), (x, y - 1, z), (x, y + 1, z), (x, y, z - 1), (x, y, z + 1)):
            if all(0 <= at < n for at, n in zip(place, image.shape, strict=True)) and place not in taken:
                edge[place] = float(image[place])
        best = max(edge, key=lambda place: edge[place], default=None)
        if best is None or edge.pop(best) == -np.inf:
            break
        taken.append(best)
    return float(np.mean([scan.pet.data[mark.region.box][place] for place in taken]))
