"""How much disease there is: metabolic tumour volume, total lesion glycolysis, spread, and counts.

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
from vct.readout.heat import lesion_max, lesion_peak
from vct.readout.lesions import LesionReadout, Of
from vct.readout.reader import study_of
from vct.readout.thresholds import AnyThreshold, FixedThreshold, LiverThreshold
from vct.readout.truth import lesions_in_view
from vct.records import Lesion, Mark, Reading, Scan


class Burden(LesionReadout):
    """Voxels within a lesion's contour, looked for in its marked region; regions do not overlap."""

    of: Of = Field(default="sum", description="sum, hottest, target (of the first scan), targets (up to five)")
    threshold: AnyThreshold = Field(default=FixedThreshold(), description="rule that draws the contour")

    @abstractmethod
    def content(self, suv: NDArray[np.float64], ml: float) -> float:
        """What pieces of lesion count, of these SUVs (N,) and of `ml` each."""

    def measure(self, scan: Scan) -> Reading:
        """The burden on the image and in truth: that of planted lesions hot enough to be seen, without cores that the
        contour leaves out."""
        seen, truly_seen = self.threshold.seen_from(scan), self.threshold.truly_seen_from(scan)
        return self.reading(
            scan,
            None if seen is None else self._measured(scan, seen),
            None if truly_seen is None else self._true(scan, truly_seen),
        )

    def _measured(self, scan: Scan, seen_from: float) -> float:
        study = study_of(scan)
        if self.of == "hottest" and study.marks:
            hottest = max(study.marks, key=lambda mark: lesion_max(scan, mark) * mark.appeal)
            return self._piece(scan, hottest, seen_from)
        return self.pick(scan, lambda mark: self._piece(scan, mark, seen_from)) or 0.0

    def _piece(self, scan: Scan, mark: Mark, seen_from: float) -> float:
        if not mark.seen:
            return 0.0
        level = self.threshold.contour(seen_from, lesion_max(scan, mark)) * study_of(scan).contour_factor
        values = mark.region.values(scan.pet.data)
        return self.content(values[values >= level], scan.pet.grid.voxel_ml)

    def _true(self, scan: Scan, seen_from: float) -> float:
        def planted(lesion: Lesion) -> float:
            if lesion.suv < seen_from:
                return 0.0
            found = self.content(np.array([lesion.suv]), lesion.volume_ml - lesion.core_ml)
            if lesion.core_suv >= self.threshold.contour(seen_from, lesion.suv):
                found += self.content(np.array([lesion.core_suv]), lesion.core_ml)
            return found

        if self.of == "hottest" and lesions_in_view(scan):
            return planted(max(lesions_in_view(scan), key=lambda lesion: lesion.suv))
        return self.pick_true(scan, planted) or 0.0


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


class Spread(Readout):
    """Dmax: the largest distance between two lesions that are seen, centre to centre (Cottereau 2020, doi
    10.2967/jnumed.119.229823). 0 with fewer than two. Lesions stand where they are hottest; truth: planted centres.
    """

    kind: Literal["dmax"] = "dmax"
    threshold: AnyThreshold = Field(default=FixedThreshold(), description="rule that says from where a lesion is seen")

    @property
    def default_name(self) -> str:
        """`dmax` and the rule of its threshold."""
        return f"dmax_{self.threshold.tag}"

    @property
    def unit(self) -> str:
        """Millimetres."""
        return "mm"

    def measure(self, scan: Scan) -> Reading:
        """The distance on the image, and between planted lesions hot enough to be seen."""
        seen, truly_seen = self.threshold.seen_from(scan), self.threshold.truly_seen_from(scan)
        marks = [mark for mark in study_of(scan).marks if mark.seen]
        value = None if seen is None else _widest([m.at_mm for m in marks if lesion_max(scan, m) >= seen])
        planted = [lesion.center_mm for lesion in lesions_in_view(scan) if lesion.suv >= (truly_seen or math.inf)]
        return self.reading(
            scan, value, None if truly_seen is None else _widest([at for at in planted if at is not None])
        )


class CountReadout(Readout):
    """Number of lesions whose SUVpeak reaches the threshold, or lies `below` it. Truth: the same of planted uptake."""

    threshold: AnyThreshold = Field(default=LiverThreshold(), description="rule that says from where a lesion is seen")

    only_new: ClassVar[bool] = False
    below: ClassVar[bool] = False

    @property
    def unit(self) -> str:
        """A count."""
        return "1"

    def measure(self, scan: Scan) -> Reading:
        """Count marks seen on the image, and lesions that a perfect reader sees."""
        marks = [mark for mark in study_of(scan).marks if mark.seen and (mark.is_new or not self.only_new)]
        lesions = [lesion for lesion in lesions_in_view(scan) if lesion.is_new or not self.only_new]
        seen, truly_seen = self.threshold.seen_from(scan), self.threshold.truly_seen_from(scan)
        value = None if seen is None else float(sum((lesion_peak(scan, mark) < seen) == self.below for mark in marks))
        truth = (
            None if truly_seen is None else float(sum((lesion.suv < truly_seen) == self.below for lesion in lesions))
        )
        return self.reading(scan, value, truth)


class LesionCount(CountReadout):
    """How many lesions are seen."""

    kind: Literal["lesion_count"] = "lesion_count"

    @property
    def default_name(self) -> str:
        """`lesion_count` and the rule of its threshold."""
        return f"lesion_count_{self.threshold.tag}"


class NewLesionCount(CountReadout):
    """How many of the lesions that are seen belong to none that the reader knew from earlier scans."""

    kind: Literal["new_lesion_count"] = "new_lesion_count"

    only_new: ClassVar[bool] = True

    @property
    def default_name(self) -> str:
        """`new_lesion_count` and the rule of its threshold."""
        return f"new_lesion_count_{self.threshold.tag}"


class PaleLesionCount(CountReadout):
    """How many lesions are marked but paler than the threshold: by default PERCIST's, which then cannot measure them.
    The truth counts those that nobody marked, too.
    """

    kind: Literal["pale_lesion_count"] = "pale_lesion_count"

    below: ClassVar[bool] = True

    @property
    def default_name(self) -> str:
        """`pale_lesion_count` and the rule of its threshold."""
        return f"pale_lesion_count_{self.threshold.tag}"


def _widest(points: list[tuple[float, float, float]]) -> float:
    return max((math.dist(one, other) for one in points for other in points), default=0.0)
