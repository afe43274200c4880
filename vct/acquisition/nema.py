"""The NEMA NU 2 image-quality phantom, through any scanner: recovery of its spheres, noise of its background."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.acquisition.acquisition import Acquisition
from vct.acquisition.harmonised import CONTRAST, DIAMETERS_MM
from vct.acquisition.noise import HALF_LIFE_MINUTES
from vct.acquisition.scanners import Scanner
from vct.records import Patient, Scan, Snapshot, Visit
from vct.shapes import ellipsoid_box, ellipsoid_occupancy
from vct.volume import Grid, Triple, Volume

SPHERES_ON_MM = 57.2
LUNG_INSERT_MM = 44.5
HALF_WIDTH_MM, HALF_DEPTH_MM = 147.0, 116.0
BACKGROUND_KBQ_ML = 2.0
MEASURED_MM = 15.0
CORNER = 2.6


@dataclass(frozen=True, slots=True, kw_only=True)
class SphereResult:
    """One sphere: recovery by the A50 isocontour, of the maximum, and NEMA's contrast recovery in the central slice."""

    diameter_mm: float
    mean_recovery: float
    max_recovery: float
    contrast_recovery: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NemaResult:
    """What the phantom shows of a scanner: its spheres, largest first, and the CoV of background voxels."""

    spheres: tuple[SphereResult, ...]
    background_cov: float
    fwhm_mm: float


def phantom(spacing_mm: float = 2.0) -> Scan:
    """The phantom as EARL fills it: background 1, spheres of 10 to 37 mm at 10, a cold insert along its axis.

    Spheres lie on a circle of 57.2 mm radius in one plane (NEMA NU 2-2012, section 7). The body is a superellipse of
    294 x 232 mm (assumed: nearly that of the real one), without lid or walls.
    """
    reach = (HALF_WIDTH_MM + 20.0, HALF_DEPTH_MM + 20.0, 60.0)
    half = [math.ceil(mm / spacing_mm) for mm in reach]
    grid = Grid(
        shape=(2 * half[0] + 1, 2 * half[1] + 1, 2 * half[2] + 1),
        spacing_mm=(spacing_mm,) * 3,
        origin_mm=(-half[0] * spacing_mm, -half[1] * spacing_mm, -half[2] * spacing_mm),
    )
    x, y, _ = grid.axes_mm()
    body = np.abs(x / HALF_WIDTH_MM) ** CORNER + np.abs(y / HALF_DEPTH_MM) ** CORNER <= 1.0
    pet = np.broadcast_to(body, grid.shape).astype(np.float32)
    pet[np.broadcast_to(np.hypot(x, y) <= LUNG_INSERT_MM / 2.0, grid.shape)] = 0.0
    for diameter, center in zip(DIAMETERS_MM, sphere_centers_mm(), strict=True):
        semi = (diameter / 2.0,) * 3
        box = ellipsoid_box(grid, center, semi)
        pet[box] += ellipsoid_occupancy(grid, center, semi, box) * np.float32(CONTRAST - 1.0)
    volume = Volume(data=pet, grid=grid, unit="SUVbw")
    ct = Volume(data=np.where(body, 0.0, -1000.0).astype(np.float32) + np.zeros_like(pet), grid=grid, unit="HU")
    snapshot = Snapshot(patient=_water_patient(), visit=Visit(name="nema", day=0.0))
    return Scan(snapshot=snapshot, ct=ct, pet=volume, labels=None, made_by="nema")


def sphere_centers_mm() -> tuple[Triple, ...]:
    """Centres of the spheres, in the order of `DIAMETERS_MM`, every 60 degrees."""
    angles = [math.radians(60.0 * number) for number in range(len(DIAMETERS_MM))]
    return tuple((SPHERES_ON_MM * math.cos(a), SPHERES_ON_MM * math.sin(a), 0.0) for a in angles)


def measure(scanner: Scanner, *, minutes: float = 10.0, seed: int = 0, spacing_mm: float = 2.0) -> NemaResult:
    """Scan the phantom for `minutes` with 2 kBq/ml in its background and read it; 0 minutes is without noise."""
    scan = scanned(scanner, minutes, seed, spacing_mm)
    image, grid = scan.pet.data.astype(np.float64), scan.pet.grid
    background = _background(image, grid)
    mean = float(background.mean())
    truth = CONTRAST
    spheres = []
    for diameter, center in zip(DIAMETERS_MM, sphere_centers_mm(), strict=True):
        box = ellipsoid_box(grid, center, (diameter / 2.0 + MEASURED_MM / 2.0,) * 3)
        around = image[box]
        hottest = float(around.max())
        contour = around[around >= (hottest + mean) / 2.0]
        disc = _disc(grid, center, diameter / 2.0)
        spheres.append(
            SphereResult(
                diameter_mm=diameter,
                mean_recovery=float(contour.mean()) / truth,
                max_recovery=hottest / truth,
                contrast_recovery=(float(image[disc].mean()) / mean - 1.0) / (CONTRAST - 1.0),
            )
        )
    cov = float(background.std() / mean)
    return NemaResult(spheres=tuple(spheres), background_cov=cov, fwhm_mm=scan.fwhm_mm)


def scanned(scanner: Scanner, minutes: float, seed: int, spacing_mm: float) -> Scan:
    """The phantom through the scanner, without any effect of a patient's session."""
    steady = {"bed_minutes": minutes or 1.0, "calibration_site_sd": 0.0, "calibration_session_sd": 0.0}
    still = scanner.model_copy(update=steady)
    if not minutes:
        still = still.model_copy(update={"noise": still.noise.model_copy(update={"liver_cov": 0.0})})
    decay = math.exp2(60.0 / HALF_LIFE_MINUTES)
    acquisition = Acquisition(
        scanner=still,
        dose_mbq=BACKGROUND_KBQ_ML * _water_patient().weight_kg * decay,
        dose_cov=0.0,
        dose_error_cov=0.0,
        uptake_sd_minutes=0.0,
        clock_error_sd_minutes=0.0,
        glucose_cov=0.0,
        breathing_mm=0.0,
        motion_sd_mm=0.0,
    )
    return acquisition.acquire(phantom(spacing_mm), seed)


def _water_patient() -> Patient:
    """A patient as wide as the phantom: the counts of 2 kBq/ml behind that much water."""
    diameter_cm = math.sqrt(HALF_WIDTH_MM * HALF_DEPTH_MM) / 5.0
    height_cm = 172.0
    weight_kg = math.pi * diameter_cm**2 / 4.0 * height_cm / 1000.0
    return Patient(id="NEMA", sex="F", age_years=0.0, height_cm=height_cm, weight_kg=weight_kg)


def _background(image: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """Voxels of the body away from its edge, from the insert and from every sphere."""
    x, y, z = grid.axes_mm()
    margin = 25.0
    inner = np.abs(x / (HALF_WIDTH_MM - margin)) ** CORNER + np.abs(y / (HALF_DEPTH_MM - margin)) ** CORNER <= 1.0
    free = inner & (np.hypot(x, y) > LUNG_INSERT_MM / 2.0 + margin) & (np.abs(z) < 50.0)
    for diameter, center in zip(DIAMETERS_MM, sphere_centers_mm(), strict=True):
        away = (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2
        free = free & (away > (diameter / 2.0 + margin) ** 2)
    return np.asarray(image[free])


def _disc(grid: Grid, center: Triple, radius_mm: float) -> NDArray[np.bool_]:
    x, y, z = grid.axes_mm()
    flat = (x - center[0]) ** 2 + (y - center[1]) ** 2 <= radius_mm**2
    return np.asarray(flat & (np.abs(z - center[2]) < grid.spacing_mm[2] / 2.0))
