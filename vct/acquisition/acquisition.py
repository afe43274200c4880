"""`Acquisition`: the protocol's `acquisition:` key. Imaging protocol, scanners, and what the session made of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from vct.acquisition.blur import blurred, sampled, smooth
from vct.acquisition.motion import breathed, shifted
from vct.acquisition.noise import add_noise, share_left_by_filter
from vct.acquisition.scanners import AnyScanner, BiographMct, Scanner
from vct.acquisition.session import SHORTEST_UPTAKE_MINUTES, Session, spread_factor
from vct.acquisition.uptake import LESION, factors_of_the_day, with_factors
from vct.errors import InputError, nearest
from vct.part import Part, SiteName, VisitName
from vct.records import Patient, Scan, Visit
from vct.rng import stream
from vct.shapes import FWHM_PER_SIGMA
from vct.structures import GROUPS, STRUCTURES
from vct.volume import Volume

TOLERANCE = 1e-6
SlopePerMinute = Annotated[float, Field(ge=-0.05, le=0.05)]
GlucosePower = Annotated[float, Field(ge=-3.0, le=3.0)]


class Acquisition(Part):
    """How every patient is imaged, and on which scanner.

    Uptakes change from their value at 60 minutes by `uptake_slopes_per_minute` (d ln SUV / dt): aorta and blood pool
    -1.0 % a minute (hedyPET v1.0, mean of three segments of the thoracic aorta from minute 47.5 to 67.5); lesions
    +0.19 % (median SUVmax +11.8 % from 1 to 2 hours in 134 lung cancers, PMID 26426969); the liver peaks near 75
    minutes and stays within 5 % from 50 to 110 (Laffon 2011, PMID 21878481): left at 0, like all that is not named.
    """

    scanner: AnyScanner = Field(default=BiographMct(), description="scanner of every site and visit not named below")
    by_site: dict[SiteName, AnyScanner] = Field(default={}, description="scanner of a site")
    by_visit: dict[VisitName, AnyScanner] = Field(
        default={}, description="scanner at a visit; goes before that of the site"
    )
    dose_mbq_per_kg: float = Field(
        default=4.4, ge=0.05, le=20.0, description="planned dose; 4.44 in Lung-PET-CT-Dx (TCIA)"
    )
    dose_mbq: float | None = Field(
        default=None, ge=1.0, le=2000.0, description="fixed dose, in place of dose_mbq_per_kg"
    )
    dose_cov: float = Field(
        default=0.04,
        ge=0.0,
        le=0.5,
        description="spread of the given dose about the plan; 15 of 383 MBq (Nahmias 2008)",
    )
    dose_error_cov: float = Field(
        default=0.02, ge=0.0, le=0.3, description="error of the recorded dose: syringe residue, clocks (assumed)"
    )
    uptake_minutes: float = Field(default=60.0, ge=30.0, le=240.0)
    uptake_sd_minutes: float = Field(
        default=5.0, ge=0.0, le=40.0, description="spread of the actual uptake time (assumed; 9 in Nahmias 2008)"
    )
    uptake_slopes_per_minute: dict[str, SlopePerMinute] = Field(
        default={LESION: 0.0019, "aorta": -0.0102, "heart_blood_pool": -0.0102},
        description="relative change of SUV per minute, by structure, group of structures or 'lesion'",
    )

    clock_error_sd_minutes: float = Field(
        default=1.0, ge=0.0, le=60.0, description="between the dose calibrator's clock and the scanner's (assumed)"
    )
    glucose_cov: float = Field(
        default=0.057,
        ge=0.0,
        le=0.5,
        description="fasting glucose from day to day in one patient (Selvin 2007, doi 10.1001/archinte.167.14.1545)",
    )
    glucose_powers: dict[str, GlucosePower] = Field(
        default={LESION: -0.5, "brain": -1.0},
        description="SUV goes with (glucose / usual)^power, by tissue as above (assumed; -1: full competition)",
    )
    breathing_mm: float = Field(
        default=8.0, ge=0.0, le=40.0, description="way of the liver's dome in free breathing, peak to peak (assumed)"
    )
    breathing_cov: float = Field(default=0.3, ge=0.0, le=1.0, description="of that way, between sessions (assumed)")
    motion_sd_mm: float = Field(
        default=1.5, ge=0.0, le=20.0, description="shift of the patient between CT and PET along each axis (assumed)"
    )

    @field_validator("uptake_slopes_per_minute", "glucose_powers")
    @classmethod
    def _known_tissues(cls, slopes: dict[str, float]) -> dict[str, float]:
        known = (LESION, *STRUCTURES, *GROUPS)
        for name in slopes:
            if name not in known:
                near = nearest(name, known)
                raise ValueError(
                    f"{name!r} is no structure, group of structures or 'lesion'"
                    + (f"; did you mean {near!r}?" if near else "")
                )
        return slopes

    def scanner_for(self, patient: Patient, visit: Visit) -> Scanner:
        """The scanner that images this patient at this visit: the visit's, else the site's, else the general one."""
        return self.by_visit.get(visit.name, self.by_site.get(patient.site, self.scanner))

    def acquire(self, scan: Scan, seed: int) -> Scan:
        """The scan as the patient's scanner shows it; planted truth, lesions and CT stay what they were.

        In this order: uptake time and glucose, breathing, blur up to the scanner's resolution, the scanner's voxels
        with the patient where he lies by then, counting noise on them, post-filter, calibration, dose and clock error.
        Labels follow onto the PET's grid but stay where the CT saw them. Raises InputError when the scanner is sharper
        or quieter than the scan already is.
        """
        patient, visit = scan.snapshot.patient, scan.snapshot.visit
        scanner = self.scanner_for(patient, visit)
        rng = stream(seed, patient.id, visit.name, "scan")
        session = self.session(patient, visit, scanner, seed, rng)
        liver_cov = scanner.liver_cov(patient, session.dose_mbq, session.uptake_minutes)
        _refuse_better(scanner, liver_cov, scan)
        factors = factors_of_the_day(
            self.uptake_slopes_per_minute, session.uptake_minutes, self.glucose_powers, session.glucose_ratio
        )
        of_the_day = replace(scan, pet=replace(scan.pet, data=with_factors(scan, factors)))
        sharp = breathed(of_the_day, session.breathing_mm)
        pet, fwhm_mm = blurred(sharp, scan.fwhm_mm, scanner.fwhm_mm)
        grid = pet.grid if scanner.voxel_mm is None else pet.grid.resampled(scanner.voxel_mm)
        data = sampled(pet, shifted(grid, session.shift_mm)).data
        added = math.sqrt(max(0.0, liver_cov**2 - scan.noise_cov**2))
        if added > 0.0:
            data = add_noise(data, added, rng, grid, scanner.noise_fwhm_mm)
        if scanner.reconstruction is not None:
            slices, suv = scanner.reconstruction.reconstruct(
                scan,
                sampled(sharp, shifted(grid, session.shift_mm)),
                fwhm_mm=scanner.fwhm_mm,
                carried_mm=scan.fwhm_mm,
                bed_minutes=scanner.bed_minutes * scanner.sensitivity,
                dose_mbq=session.dose_mbq,
                uptake_minutes=session.uptake_minutes,
                rng=rng,
            )
            data[:, :, slices] = suv
        data = smooth(data, [(scanner.filter_mm / FWHM_PER_SIGMA / spacing) ** 2 for spacing in grid.spacing_mm])
        return replace(
            scan,
            pet=Volume(data=data * np.float32(session.suv_factor), grid=grid, unit="SUVbw"),
            labels=None if scan.labels is None else scan.labels.resampled(grid),
            made_by=f"{scan.made_by} + {scanner.kind}",
            fwhm_mm=math.hypot(fwhm_mm, scanner.filter_mm),
            noise_cov=liver_cov * share_left_by_filter(grid, scanner.noise_fwhm_mm, scanner.filter_mm),
        )

    def session(self, patient: Patient, visit: Visit, scanner: Scanner, seed: int, rng: np.random.Generator) -> Session:
        """Draw the session: four normals from `rng`, the patient's six, and the machine's own bias from its site's."""
        late, dose, record, drift = rng.standard_normal(4)
        clock, glucose, breath, *moved = stream(seed, patient.id, visit.name, "session").standard_normal(6).tolist()
        machine = stream(seed, "site", patient.site, scanner.kind, "calibration").standard_normal()
        planned = self.dose_mbq if self.dose_mbq is not None else self.dose_mbq_per_kg * patient.weight_kg
        given = planned * spread_factor(dose, self.dose_cov)
        return Session(
            uptake_minutes=max(SHORTEST_UPTAKE_MINUTES, self.uptake_minutes + self.uptake_sd_minutes * late),
            dose_mbq=given,
            recorded_dose_mbq=given / spread_factor(record, self.dose_error_cov),
            calibration=(1.0 + scanner.calibration_bias)
            * spread_factor(machine, scanner.calibration_site_sd)
            * spread_factor(drift, scanner.calibration_session_sd),
            clock_minutes=self.clock_error_sd_minutes * clock,
            glucose_ratio=spread_factor(glucose, self.glucose_cov),
            breathing_mm=self.breathing_mm * spread_factor(breath, self.breathing_cov),
            shift_mm=(self.motion_sd_mm * moved[0], self.motion_sd_mm * moved[1], self.motion_sd_mm * moved[2]),
        )


def _refuse_better(scanner: Scanner, liver_cov: float, scan: Scan) -> None:
    """Raise InputError when the scanner is sharper or quieter than the scan already is: that cannot be undone."""
    patient, visit = scan.snapshot.patient, scan.snapshot.visit
    if scanner.fwhm_mm < scan.fwhm_mm - TOLERANCE:
        raise InputError(
            f"scanner {scanner.kind!r} resolves {scanner.fwhm_mm:g} mm, but scans by {scan.made_by!r} carry a blur of "
            f"{scan.fwhm_mm:g} mm already: set its fwhm_mm to at least {scan.fwhm_mm:g}"
        )
    if liver_cov < scan.noise_cov - TOLERANCE:
        raise InputError(
            f"scanner {scanner.kind!r} shows a liver CoV of {liver_cov:.3f} in patient {patient.id} at {visit.name!r}, "
            f"but scans by {scan.made_by!r} carry {scan.noise_cov:.3f} already: lower its counts or raise its noise"
        )
