"""Scanners: resolution, noise at stated conditions, calibration. One free kind and presets of real machines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from vct.acquisition.harmonised import BANDS, Standard, inside, matched_fwhm_mm
from vct.acquisition.noise import HALF_LIFE_MINUTES, noise_variance
from vct.acquisition.reconstruction import Osem
from vct.part import Part, one_of, plugins
from vct.records import Patient

VoxelMm = Annotated[float, Field(ge=1.5, le=20.0)]


class NoiseReference(Part):
    """The noise that was once measured, and the conditions under which it was."""

    liver_cov: float = Field(ge=0.0, le=1.0, description="standard deviation over mean of voxels in the liver; 0: none")
    dose_mbq: float = Field(default=300.0, ge=1.0, le=2000.0)
    uptake_minutes: float = Field(default=60.0, ge=10.0, le=300.0)
    bed_minutes: float = Field(default=2.0, gt=0.0, le=60.0)
    weight_kg: float = Field(default=75.0, ge=20.0, le=300.0)
    height_cm: float = Field(default=172.0, ge=100.0, le=250.0)
    randoms_to_trues: float = Field(
        default=0.3, ge=0.0, le=10.0, description="under these conditions; falls with the dose (assumed)"
    )

    @property
    def randoms_per_mbq_per_kg(self) -> float:
        """Randoms over trues at a decayed 1 MBq/kg."""
        decayed_mbq = self.dose_mbq * math.exp2(-self.uptake_minutes / HALF_LIFE_MINUTES)
        return self.randoms_to_trues * self.weight_kg / decayed_mbq


class Scanner(Part):
    """What a scanner with its reconstruction adds to an engine's scan.

    Calibration: the factor on every SUV is (1 + `calibration_bias`), times one log-normal draw for the machine at its
    site (`calibration_site_sd`) and one for each session (`calibration_session_sd`). PET/CT calibration wanders by 3 to
    4 % over the years at one machine (Lockhart 2011, J Nucl Med 52:218); that sites differ by as much is assumed.
    """

    kind: str
    fwhm_mm: float = Field(
        ge=0.0, le=20.0, description="resolution of the reconstructed image, its own filter and voxel average included"
    )
    noise: NoiseReference
    bed_minutes: float = Field(gt=0.0, le=60.0, description="acquisition time of one bed position")
    voxel_mm: tuple[VoxelMm, VoxelMm, VoxelMm] | None = Field(
        default=None, description="voxel size x, y, z of the PET; the engine's grid when left out"
    )
    noise_fwhm_mm: float = Field(
        default=3.0,
        ge=0.0,
        le=20.0,
        description="kernel that correlates the noise; fitted to the ratio of SUVmax to SUVpeak noise (Lodge 2012)",
    )
    post_filter_mm: float = Field(
        default=0.0, ge=0.0, le=20.0, description="FWHM of a further Gaussian filter, over signal and noise"
    )
    harmonised: Standard | None = Field(
        default=None, description="earl_1 or earl_2: the post-filter with which this scanner meets that standard"
    )
    reconstruction: Osem | None = Field(
        default=None, description="reconstruct slices from counts; noise and blur are put on the image when left out"
    )
    sensitivity: float = Field(default=1.0, gt=0.0, le=100.0, description="relative to the scanner of `noise`")
    calibration_bias: float = Field(default=0.0, ge=-0.5, le=0.5, description="0.1: every SUV 10 % too high")
    calibration_site_sd: float = Field(default=0.03, ge=0.0, le=0.3)
    calibration_session_sd: float = Field(default=0.03, ge=0.0, le=0.3)

    @model_validator(mode="after")
    def _voxels_resolve(self) -> Scanner:
        if self.voxel_mm is not None and max(self.voxel_mm) > self.fwhm_mm:
            raise ValueError(f"voxel_mm must not exceed fwhm_mm ({self.fwhm_mm:g} mm): the image would be undersampled")
        return self

    @model_validator(mode="after")
    def _can_be_harmonised(self) -> Scanner:
        if self.harmonised is None:
            return self
        if self.post_filter_mm:
            raise ValueError("harmonised chooses the post-filter: leave post_filter_mm out")
        if matched_fwhm_mm(self.harmonised, self.fwhm_mm) is None:
            best = matched_fwhm_mm(self.harmonised, 0.0)
            raise ValueError(
                f"no filter brings a scanner of {self.fwhm_mm:g} mm into {self.harmonised}'s bands, which want about "
                f"{best:g} mm: it is too blunt"
            )
        return self

    @property
    def filter_mm(self) -> float:
        """FWHM of the post-filter, the harmonising one included."""
        if self.harmonised is None:
            return self.post_filter_mm
        target = matched_fwhm_mm(self.harmonised, self.fwhm_mm) or self.fwhm_mm
        return math.sqrt(target**2 - self.fwhm_mm**2)

    @property
    def final_fwhm_mm(self) -> float:
        """Resolution after the post-filter."""
        return math.hypot(self.fwhm_mm, self.filter_mm)

    @property
    def meets(self) -> tuple[Standard, ...]:
        """The standards whose noise-free recovery bands this scanner meets at every sphere."""
        return tuple(name for name in BANDS if self.final_fwhm_mm > 0.0 and inside(name, self.final_fwhm_mm))

    def liver_cov(self, patient: Patient, dose_mbq: float, uptake_minutes: float) -> float:
        """CoV of voxels that this scanner shows in this patient's liver before the post-filter."""
        here = noise_variance(
            dose_mbq=dose_mbq,
            uptake_minutes=uptake_minutes,
            bed_minutes=self.bed_minutes,
            weight_kg=patient.weight_kg,
            height_cm=patient.height_cm,
            randoms_per_mbq_per_kg=self.noise.randoms_per_mbq_per_kg,
        )
        there = noise_variance(
            dose_mbq=self.noise.dose_mbq,
            uptake_minutes=self.noise.uptake_minutes,
            bed_minutes=self.noise.bed_minutes,
            weight_kg=self.noise.weight_kg,
            height_cm=self.noise.height_cm,
            randoms_per_mbq_per_kg=self.noise.randoms_per_mbq_per_kg,
        )
        return self.noise.liver_cov * math.sqrt(here / there / self.sensitivity)


class FreeScanner(Scanner):
    """A scanner of which every number is the user's."""

    kind: Literal["scanner"] = "scanner"


class BiographMct(Scanner):
    """Siemens Biograph mCT, the scanner of AutoPET: PSF + TOF, 2 mm filter, 2 minutes a bed, 350 MBq at 60 minutes.

    `fwhm_mm`: NEMA 5.0, 5.0, 6.4 mm at 1 cm and 4.9, 4.9, 5.7 mm at 10 cm (Sci Rep 2019, table 6 of doi
    10.1038/s41598-019-51898-z), each in quadrature with the 2 mm filter; geometric mean 5.7 mm. `noise.liver_cov`:
    liver SNR 8.71 in 30 patients (Kim 2020, doi 10.1007/s13139-020-00661-8). The conditions beside it are AutoPET's
    dose, uptake and bed time (autopet.grand-challenge.org) and an assumed body, since Kim's own were not read.
    """

    kind: Literal["biograph_mct"] = "biograph_mct"
    fwhm_mm: float = Field(default=5.7, ge=0.0, le=20.0)
    bed_minutes: float = Field(default=2.0, gt=0.0, le=60.0)
    noise: NoiseReference = NoiseReference(liver_cov=0.115, dose_mbq=350.0)


class DiscoveryMi(Scanner):
    """GE Discovery MI, digital.

    `fwhm_mm`: the Gaussian that gives the published NEMA contrast recovery 53.7, 64.0, 73.1, 82.7, 86.8, 90.7 % of
    spheres of 10 to 37 mm (Hsu 2017, comparison table) within 2 points. `noise.liver_cov`: liver SNR 11.13 in the
    same 30 patients as the Biograph mCT (Kim 2020, doi 10.1007/s13139-020-00661-8); conditions as assumed there.
    """

    kind: Literal["discovery_mi"] = "discovery_mi"
    fwhm_mm: float = Field(default=5.5, ge=0.0, le=20.0)
    bed_minutes: float = Field(default=2.0, gt=0.0, le=60.0)
    noise: NoiseReference = NoiseReference(liver_cov=0.090, dose_mbq=350.0)


class BiographVisionQuadra(Scanner):
    """Siemens Biograph Vision Quadra, 106 cm long: PSF + TOF, 2 mm filter; 10 minutes for the whole torso.

    `fwhm_mm`: about 3.5 mm NEMA (recalled: Prenosil 2022) in quadrature with the 2 mm filter. `noise`: median CoV of
    liver voxels 18.0 % in 80 adults with 31 MBq, 20 minutes from minute 50 (hedyPET v1.0, computed from its files);
    texture of the liver is part of it, so it is an upper bound. The body is assumed.
    """

    kind: Literal["biograph_vision_quadra"] = "biograph_vision_quadra"
    fwhm_mm: float = Field(default=4.0, ge=0.0, le=20.0)
    bed_minutes: float = Field(default=10.0, gt=0.0, le=60.0)
    noise: NoiseReference = NoiseReference(liver_cov=0.18, dose_mbq=31.4, bed_minutes=20.0)


SCANNERS: tuple[type[Scanner], ...] = (
    FreeScanner,
    BiographMct,
    DiscoveryMi,
    BiographVisionQuadra,
    *plugins("scanners"),
)
if TYPE_CHECKING:
    AnyScanner = Scanner
else:
    AnyScanner = one_of(SCANNERS)
