"""`Osem`: a scanner's `reconstruction:` key. Slices are projected, counted and reconstructed instead of blurred."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from vct.acquisition.blur import smooth
from vct.acquisition.noise import HALF_LIFE_MINUTES
from vct.acquisition.osem import MU_WATER_PER_MM, Geometry, mu_per_mm, osem, scanned
from vct.errors import InputError, nearest
from vct.part import Part
from vct.records import Scan
from vct.shapes import FWHM_PER_SIGMA
from vct.structures import GROUPS, STRUCTURES, labels_of
from vct.volume import Volume

LEAST_COUNTS = 1.0


class Osem(Part):
    """2-D OSEM with attenuation from the CT and the scanner's resolution as PSF, of the slices asked for.

    Slices outside keep the quick way. Trues are activity x bed time x sensitivity x survival
    through a disc of water as large as the slice; `sensitivity_cps_per_kbq`
    is NEMA's system sensitivity (9.7 for the Biograph mCT, recalled), all of it given to the slice. Scatter and randoms
    come as a flat, known background. The PSF along the axis is the quick way's Gaussian.
    """

    kind: Literal["osem"] = "osem"
    iterations: int = Field(default=2, ge=1, le=100)
    subsets: int = Field(default=21, ge=1, le=360)
    views: int = Field(default=168, ge=4, le=720)
    models_psf: bool = Field(default=True, description="whether the reconstruction knows the resolution")
    background: float = Field(default=0.4, ge=0.0, le=10.0, description="scatter and randoms over trues")
    sensitivity_cps_per_kbq: float = Field(default=9.7, gt=0.0, le=1000.0)
    structure: str | None = Field(default="liver", description="slices through it, or null for every slice")

    @model_validator(mode="after")
    def _subsets_divide(self) -> Osem:
        if self.views % self.subsets:
            raise ValueError(f"subsets must divide views ({self.views})")
        return self

    @field_validator("structure")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        known = (*STRUCTURES, *GROUPS)
        if name is not None and name not in known:
            near = nearest(name, known)
            raise ValueError("is no structure or group" + (f"; did you mean {near!r}?" if near else ""))
        return name

    def reconstruct(
        self,
        scan: Scan,
        pet: Volume,
        *,
        fwhm_mm: float,
        carried_mm: float,
        bed_minutes: float,
        dose_mbq: float,
        uptake_minutes: float,
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Numbers of the slices asked for, and their SUVs (X, Y, slices), from `pet` at a blur of `carried_mm`.

        The CT is `scan`'s. Raises InputError when pixels are not square or the structure is not in the labels.
        """
        grid = pet.grid
        if not math.isclose(grid.spacing_mm[0], grid.spacing_mm[1]):
            raise InputError(f"osem needs square pixels (got {grid.spacing_mm[0]:g} x {grid.spacing_mm[1]:g} mm)")
        numbers = self._slices(scan, pet)
        missing_mm2 = max(0.0, fwhm_mm**2 - carried_mm**2) / FWHM_PER_SIGMA**2
        axial = smooth(pet.data, (0.0, 0.0, missing_mm2 / grid.spacing_mm[2] ** 2))[:, :, numbers]
        hu = scan.ct.resampled(grid).data[:, :, numbers]
        n = max(grid.shape[:2])
        geometry = Geometry(size=n, pixel_mm=grid.spacing_mm[0], views=self.views)
        activity, mu = _square(np.maximum(axial, 0.0), n), _square(mu_per_mm(hu), n)
        decayed_bq = 1e6 * dose_mbq * math.exp2(-uptake_minutes / HALF_LIFE_MINUTES)
        bq = activity.sum(axis=0) * grid.voxel_ml * decayed_bq / (1000.0 * scan.snapshot.patient.weight_kg)
        trues = float(bq.mean()) / 1000.0 * self.sensitivity_cps_per_kbq * 60.0 * bed_minutes
        width_mm = 2.0 * np.sqrt((mu > 0.0).sum(axis=0) * grid.spacing_mm[0] ** 2 / math.pi)
        survival = float(np.exp(-MU_WATER_PER_MM * width_mm).mean())
        psf_mm = math.sqrt(missing_mm2) * FWHM_PER_SIGMA
        data = scanned(
            activity,
            mu,
            geometry,
            counts=max(LEAST_COUNTS, trues * survival),
            background=self.background,
            psf_mm=psf_mm,
            rng=rng,
        )
        image = osem(
            data,
            geometry,
            iterations=self.iterations,
            subsets=self.subsets,
            psf_mm=psf_mm if self.models_psf else 0.0,
        )
        cut = image.reshape(n, n, -1)[: grid.shape[0], : grid.shape[1]]
        return numbers, np.asarray(cut, dtype=np.float32)

    def _slices(self, scan: Scan, pet: Volume) -> NDArray[np.intp]:
        if self.structure is None:
            return np.arange(pet.grid.shape[2])
        found = np.empty(0, dtype=np.intp)
        if scan.labels is not None:
            labels = scan.labels.resampled(pet.grid).data
            found = np.flatnonzero(np.isin(labels, labels_of(self.structure)).any(axis=(0, 1)))
        if not found.size:
            raise InputError(f"osem was asked for the slices of {self.structure!r}, which the labels do not show")
        return found


def _square(slices: NDArray[Any], n: int) -> NDArray[np.float64]:
    """(X, Y, slices) with zeros added to n x n, as (n * n, slices)."""
    wide = np.zeros((n, n, slices.shape[2]))
    wide[: slices.shape[0], : slices.shape[1]] = slices
    return wide.reshape(n * n, -1)
