"""Uptake of organs, read in their labels."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from vct.errors import nearest
from vct.part import Part, one_of
from vct.readout.base import Readout
from vct.readout.regions import organ_region, percist_region
from vct.readout.segmenter import organ_labels
from vct.readout.suv import LeanMass, sul_per_suv
from vct.records import Reading, Scan
from vct.shapes import Region
from vct.structures import GROUPS, STRUCTURES


class WholeOrgan(Part):
    """All of the organ but a rind, which blur mixes with its neighbours, and the surroundings of lesions."""

    kind: Literal["organ"] = "organ"
    erode_mm: float = Field(default=6.0, ge=0.0, le=50.0, description="thickness of the rind; default assumed")

    def find(self, scan: Scan, organ: str) -> Region | None:
        """The region, or None."""
        return organ_region(scan, organ, self.erode_mm)


class PercistRegion(Part):
    """PERCIST's background: a sphere of 3 cm in the right liver, a cylinder of 1 x 2 cm in the descending aorta."""

    kind: Literal["percist"] = "percist"

    def find(self, scan: Scan, organ: str) -> Region | None:
        """The region, or None."""
        return percist_region(scan, "liver" if organ == "liver" else "aorta")


if TYPE_CHECKING:
    AnyRegion = WholeOrgan | PercistRegion
else:
    AnyRegion = one_of((WholeOrgan, PercistRegion))


class OrganSuv(Readout):
    """A statistic of the SUVs in an organ's region; None when the scan does not show the organ."""

    organ: str = Field(description="a structure or group of structures, such as liver, aorta, kidneys")
    region: AnyRegion = Field(default=WholeOrgan(), description="where in the organ")
    lean_mass: LeanMass | None = Field(
        default=None, description="formula of lean body mass for SUL; SUVbw when left out"
    )

    @field_validator("organ")
    @classmethod
    def _known_organ(cls, organ: str) -> str:
        known = (*STRUCTURES, *GROUPS)
        if organ not in known:
            near = nearest(organ, known)
            raise ValueError("is no structure or group" + (f"; did you mean {near!r}?" if near else ""))
        return organ

    @model_validator(mode="after")
    def _percist_knows_two(self) -> OrganSuv:
        if isinstance(self.region, PercistRegion) and self.organ not in ("liver", "aorta"):
            raise ValueError(f"PERCIST has regions in the liver and the aorta, not in {self.organ!r}")
        return self

    @property
    @abstractmethod
    def statistic(self) -> str:
        """The statistic's name in `default_name`."""

    @abstractmethod
    def reduce(self, values: NDArray[np.float64]) -> float:
        """The statistic of the region's SUVs (N,)."""

    @property
    def default_name(self) -> str:
        """Such as `liver_suv_mean` or `liver_sul_mean_james_percist`."""
        formula = f"_{self.lean_mass}" if self.lean_mass else ""
        where = "_percist" if isinstance(self.region, PercistRegion) else ""
        return f"{self.organ}_{'sul' if self.lean_mass else 'suv'}_{self.statistic}{formula}{where}"

    @property
    def unit(self) -> str:
        """SUVbw or SUL."""
        return "g/ml"

    def measure(self, scan: Scan) -> Reading:
        """The statistic, beside that of the planted uptake; None where the formula gives no lean mass."""
        scale = sul_per_suv(self.lean_mass, scan.snapshot.patient)
        if scale is None:
            return self.reading(scan, None, None)
        region = self.region.find(scan, self.organ)
        value = None if region is None else scale * self.reduce(region.values(scan.pet.data))
        truth = self._truth(scan)
        return self.reading(scan, value, None if truth is None else scale * truth)

    def _truth(self, scan: Scan) -> float | None:
        """The statistic of the planted uptakes; those of a group's members count by their labelled voxels."""
        if self.organ in scan.planted_suv:
            return self.reduce(np.array([scan.planted_suv[self.organ]]))
        members = [name for name in GROUPS.get(self.organ, ()) if name in scan.planted_suv]
        labels = organ_labels(scan)
        if not members or labels is None:
            return None
        counts = np.bincount(labels.data.ravel(), minlength=256)[[STRUCTURES[name] for name in members]]
        return self.reduce(np.repeat([scan.planted_suv[name] for name in members], counts)) if counts.any() else None


class OrganSuvMean(OrganSuv):
    """Mean SUV. Truth: the planted uptake; of a group, the mean over its labelled voxels."""

    kind: Literal["organ_suv_mean"] = "organ_suv_mean"

    @property
    def statistic(self) -> str:
        """`mean`."""
        return "mean"

    def reduce(self, values: NDArray[np.float64]) -> float:
        """Mean."""
        return float(values.mean())


class OrganSuvMax(OrganSuv):
    """Highest SUV of a voxel. Truth: the highest planted uptake."""

    kind: Literal["organ_suv_max"] = "organ_suv_max"

    @property
    def statistic(self) -> str:
        """`max`."""
        return "max"

    def reduce(self, values: NDArray[np.float64]) -> float:
        """Maximum."""
        return float(values.max())


class OrganSuvSd(OrganSuv):
    """Standard deviation of the SUVs of voxels, as PERCIST needs it. Truth: 0 in an organ of one planted uptake."""

    kind: Literal["organ_suv_sd"] = "organ_suv_sd"

    @property
    def statistic(self) -> str:
        """`sd`."""
        return "sd"

    def reduce(self, values: NDArray[np.float64]) -> float:
        """Standard deviation."""
        return float(values.std())
