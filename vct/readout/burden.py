"""How much disease there is: metabolic tumour volume, total lesion glycolysis, and counts.

A patient without lesions has a burden of 0, and so has one whose lesions all lie below the threshold.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vct.readout.base import Readout
from vct.readout.lesions import LesionReadout, lesion_max, lesion_peak, lesion_region, lesions_in_view
from vct.readout.thresholds import AnyThreshold, FixedThreshold, LiverThreshold
from vct.records import Lesion, Reading, Scan


class Burden(LesionReadout):
    """Voxels within a lesion's contour, looked for in its ellipsoid dilated by the resolution; none counts twice."""

    of: str = Field(default="sum", min_length=1, max_length=40, description="sum, hottest, or a lesion's id")
    threshold: AnyThreshold = Field(default=FixedThreshold(), description="rule that draws the contour")

    @abstractmethod
    def content(self, suv: NDArray[np.float64], ml: float) -> float:
        """What pieces of lesion count, of these SUVs (N,) and of `ml` each."""

    def measure(self, scan: Scan) -> Reading:
        """The burden on the image and in truth: that of planted lesions hot enough to be seen."""
        lesions = self._chosen(scan)
        if lesions is None:
            return self.reading(scan, None, None)
        seen, truly_seen = self.threshold.seen_from(scan), self.threshold.truly_seen_from(scan)
        return self.reading(
            scan,
            None if seen is None else self._measured(scan, lesions, seen),
            None if truly_seen is None else self._true(lesions, truly_seen),
        )

    def _chosen(self, scan: Scan) -> list[Lesion] | None:
        lesions = list(lesions_in_view(scan))
        if self.of == "sum" or not lesions:
            return lesions
        if self.of == "hottest":
            return [max(lesions, key=lambda lesion: lesion_max(scan, lesion))]
        return [lesion for lesion in lesions if lesion.id == self.of] or None

    def _measured(self, scan: Scan, lesions: list[Lesion], seen_from: float) -> float:
        taken = np.zeros(scan.pet.grid.shape, dtype=np.bool_)
        pieces = []
        for lesion in lesions:
            region = lesion_region(scan, lesion, scan.fwhm_mm)
            level = self.threshold.contour(seen_from, lesion_max(scan, lesion))
            inside = region.mask & (scan.pet.data[region.box] >= level) & ~taken[region.box]
            taken[region.box] |= inside
            values = scan.pet.data[region.box][inside].astype(np.float64)
            pieces.append(self.content(values, scan.pet.grid.voxel_ml))
        return math.fsum(pieces)

    def _true(self, lesions: list[Lesion], seen_from: float) -> float:
        seen = [lesion for lesion in lesions if lesion.suv >= seen_from]
        return math.fsum(self.content(np.array([lesion.suv]), lesion.volume_ml) for lesion in seen)


class Mtv(Burden):
    """Metabolic tumour volume: of the voxels at or above the contour. Truth: volume of the lesions that are seen."""

    kind: Literal["mtv"] = "mtv"

    @property
    def default_name(self) -> str:
        """`mtv` and the rule of its threshold."""
        return self.tagged(f"mtv_{self.threshold.tag}")

    @property
    def unit(self) -> str:
        """Millilitres."""
        return "ml"

    def content(self, suv: NDArray[np.float64], ml: float) -> float:
        """Their volume."""
        return suv.size * ml


class Tlg(Burden):
    """Total lesion glycolysis: mean SUVbw x volume of the voxels at or above the contour."""

    kind: Literal["tlg"] = "tlg"

    @property
    def default_name(self) -> str:
        """`tlg` and the rule of its threshold."""
        return self.tagged(f"tlg_{self.threshold.tag}")

    @property
    def unit(self) -> str:
        """SUVbw (g/ml) x ml."""
        return "g"

    def content(self, suv: NDArray[np.float64], ml: float) -> float:
        """Their SUV x volume."""
        return float(suv.sum()) * ml


class CountReadout(Readout):
    """Number of lesions whose SUVpeak reaches the threshold. Truth: those whose planted uptake does."""

    threshold: AnyThreshold = Field(default=LiverThreshold(), description="rule that says from where a lesion is seen")

    only_new: ClassVar[bool] = False

    @property
    def unit(self) -> str:
        """A count."""
        return "1"

    def measure(self, scan: Scan) -> Reading:
        """Count lesions seen on the image, and those that a perfect reader sees."""
        lesions = [lesion for lesion in lesions_in_view(scan) if lesion.is_new or not self.only_new]
        seen, truly_seen = self.threshold.seen_from(scan), self.threshold.truly_seen_from(scan)
        value = None if seen is None else float(sum(lesion_peak(scan, lesion) >= seen for lesion in lesions))
        truth = None if truly_seen is None else float(sum(lesion.suv >= truly_seen for lesion in lesions))
        return self.reading(scan, value, truth)


class LesionCount(CountReadout):
    """How many lesions are seen."""

    kind: Literal["lesion_count"] = "lesion_count"

    @property
    def default_name(self) -> str:
        """`lesion_count` and the rule of its threshold."""
        return f"lesion_count_{self.threshold.tag}"


class NewLesionCount(CountReadout):
    """How many of the lesions that are seen were absent at the first visit."""

    kind: Literal["new_lesion_count"] = "new_lesion_count"

    only_new: ClassVar[bool] = True

    @property
    def default_name(self) -> str:
        """`new_lesion_count` and the rule of its threshold."""
        return f"new_lesion_count_{self.threshold.tag}"
