"""Where a lesion ends: the rules that turn uptake into a contour, for volumes and for counting."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from vct.part import Part, one_of, plugins
from vct.readout.regions import percist_region
from vct.records import Scan


class Threshold(Part):
    """A lesion is seen when it is at least `seen_from`; its contour then lies at `contour`. All in SUVbw."""

    kind: str

    @property
    @abstractmethod
    def tag(self) -> str:
        """The rule as the tail of a readout's name."""

    @abstractmethod
    def seen_from(self, scan: Scan) -> float | None:
        """The SUV from which a lesion counts on this scan; None when the image does not tell."""

    @abstractmethod
    def truly_seen_from(self, scan: Scan) -> float | None:
        """The same for a perfect reader of the planted truth."""

    def contour(self, seen_from: float, hottest: float) -> float:  # noqa: ARG002
        """The SUV of the contour of a lesion whose hottest voxel is `hottest`."""
        return seen_from


class FixedThreshold(Threshold):
    """One SUV for everybody."""

    kind: Literal["fixed"] = "fixed"
    suv: float = Field(default=4.0, gt=0.0, le=50.0)

    @property
    def tag(self) -> str:
        """Such as `suv4`."""
        return f"suv{self.suv:g}"

    def seen_from(self, scan: Scan) -> float | None:  # noqa: ARG002
        """The fixed SUV."""
        return self.suv

    def truly_seen_from(self, scan: Scan) -> float | None:  # noqa: ARG002
        """The fixed SUV."""
        return self.suv


class FractionThreshold(Threshold):
    """A share of each lesion's own SUVmax.

    A lesion whose hottest voxel is below `minimum_suv` has no volume: a share of background would outline everything.
    """

    kind: Literal["fraction_of_max"] = "fraction_of_max"
    fraction: float = Field(default=0.41, gt=0.0, lt=1.0, description="0.41: EANM guideline 2.0 (recalled)")
    minimum_suv: float = Field(default=2.5, ge=0.0, le=50.0, description="least SUVmax of a lesion (assumed)")

    @property
    def tag(self) -> str:
        """Such as `41pct`."""
        return f"{100.0 * self.fraction:g}pct"

    def seen_from(self, scan: Scan) -> float | None:  # noqa: ARG002
        """The least SUVmax."""
        return self.minimum_suv

    def truly_seen_from(self, scan: Scan) -> float | None:  # noqa: ARG002
        """The least SUVmax."""
        return self.minimum_suv

    def contour(self, seen_from: float, hottest: float) -> float:
        """The share of the maximum, or out of reach for a lesion that is not seen."""
        return self.fraction * hottest if hottest >= seen_from else math.inf


class LiverThreshold(Threshold):
    """A multiple of the liver's mean plus standard deviations, in PERCIST's sphere of 3 cm in the right lobe.

    PERCIST 1.0: 1.5 x mean + 2 SD (Wahl 2009, doi 10.2967/jnumed.108.057307). For a perfect reader the planted liver
    is uniform: its SD is 0.
    """

    kind: Literal["liver"] = "liver"
    times_mean: float = Field(default=1.5, gt=0.0, le=10.0)
    plus_sd: float = Field(default=2.0, ge=0.0, le=10.0)

    @property
    def tag(self) -> str:
        """`liver1.5+2sd`, say."""
        return f"liver{self.times_mean:g}+{self.plus_sd:g}sd"

    def seen_from(self, scan: Scan) -> float | None:
        """From the sphere's mean and SD; None when the liver cannot be found."""
        region = percist_region(scan, "liver")
        if region is None:
            return None
        values = region.values(scan.pet.data)
        return self.times_mean * float(values.mean()) + self.plus_sd * float(values.std())

    def truly_seen_from(self, scan: Scan) -> float | None:
        """From the planted uptake of the liver; None when it is not known."""
        liver = scan.planted_suv.get("liver")
        return None if liver is None else self.times_mean * liver


class QPetThreshold(Threshold):
    """A multiple of the liver's mean: 1.3, the border of qPET between Deauville 3 and 4.

    Hasenclever 2014, doi 10.1007/s00259-014-2714-x; there for the mean of the four hottest voxels, here for each.
    """

    kind: Literal["qpet"] = "qpet"
    times_mean: float = Field(default=1.3, gt=0.0, le=10.0)

    @property
    def tag(self) -> str:
        """`qpet1.3`, say."""
        return f"qpet{self.times_mean:g}"

    def seen_from(self, scan: Scan) -> float | None:
        """From the mean of PERCIST's sphere in the liver; None when the liver cannot be found."""
        region = percist_region(scan, "liver")
        return None if region is None else self.times_mean * float(region.values(scan.pet.data).mean())

    def truly_seen_from(self, scan: Scan) -> float | None:
        """From the planted uptake of the liver; None when it is not known."""
        liver = scan.planted_suv.get("liver")
        return None if liver is None else self.times_mean * liver


THRESHOLDS = (FixedThreshold, FractionThreshold, LiverThreshold, QPetThreshold, *plugins("thresholds"))
if TYPE_CHECKING:
    AnyThreshold = Threshold
else:
    AnyThreshold = one_of(THRESHOLDS)
