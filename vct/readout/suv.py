"""SUV by lean body mass, and SUVpeak: pure functions of numbers and arrays."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vct.records import Patient, Sex
from vct.volume import Triple

LeanMass = Literal["janmahasatian", "james"]

PEAK_RADIUS_MM = (3000.0 / (4.0 * math.pi)) ** (1.0 / 3.0)
"""Radius of the sphere of 1 cm3: 6.2035 mm."""


def lean_mass_kg(formula: LeanMass, sex: Sex, weight_kg: float, height_cm: float) -> float:
    """Lean body mass. Raises ValueError where the formula has no positive answer (James, in the very obese).

    Janmahasatian 2005 (doi 10.2165/00003088-200544100-00004), with B = W / H^2 in kg/m2:
    men 9270 W / (6680 + 216 B), women 9270 W / (8780 + 244 B).
    James 1976 (HMSO), with H in cm: men 1.10 W - 128 (W / H)^2, women 1.07 W - 148 (W / H)^2.
    """
    if formula == "janmahasatian":
        bmi = weight_kg / (height_cm / 100.0) ** 2
        base, slope = (6680.0, 216.0) if sex == "M" else (8780.0, 244.0)
        return 9270.0 * weight_kg / (base + slope * bmi)
    linear, square = (1.10, 128.0) if sex == "M" else (1.07, 148.0)
    lean = linear * weight_kg - square * (weight_kg / height_cm) ** 2
    if lean <= 0.0:
        raise ValueError(
            f"James's formula gives no lean mass for {weight_kg:.0f} kg at {height_cm:.0f} cm; use janmahasatian"
        )
    return lean


def sul_per_suv(formula: LeanMass | None, patient: Patient) -> float | None:
    """Lean mass over weight, from SUVbw to SUL; 1 without a formula, None where the formula has no answer."""
    if formula is None:
        return 1.0
    try:
        return lean_mass_kg(formula, patient.sex, patient.weight_kg, patient.height_cm) / patient.weight_kg
    except ValueError:
        return None


def peak_sphere(spacing_mm: Triple) -> NDArray[np.bool_]:
    """The voxels (odd, odd, odd) whose centres lie in the 1 cm3 sphere about the middle one (IBSI)."""
    steps = [np.arange(-(n := int(PEAK_RADIUS_MM / spacing)), n + 1) * spacing for spacing in spacing_mm]
    x, y, z = np.meshgrid(*steps, indexing="ij")
    return np.asarray(x**2 + y**2 + z**2 <= PEAK_RADIUS_MM**2)


def sphere_means(
    image: NDArray[Any], spacing_mm: Triple, counted: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Mean over the 1 cm3 sphere about every voxel of `image` (X, Y, Z); beyond its edge there is nothing to average.

    Only `counted` voxels are averaged (all, when left out); where a sphere holds none, its middle voxel stands in.
    Voxels should be small against the sphere; at 2 mm it holds 123.
    """
    from scipy import fft

    weights = np.ones(image.shape) if counted is None else counted.astype(np.float64)
    sphere = peak_sphere(spacing_mm).astype(np.float64)
    full = [n + k - 1 for n, k in zip(image.shape, sphere.shape, strict=True)]
    padded = [fft.next_fast_len(n, real=True) for n in full]
    kernel = fft.rfftn(sphere, padded)
    middle = tuple(slice(k // 2, k // 2 + n) for n, k in zip(image.shape, sphere.shape, strict=True))
    sums, counts = (
        fft.irfftn(fft.rfftn(array, padded) * kernel, padded)[middle] for array in (image * weights, weights)
    )
    counts = np.rint(counts)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1.0), image))


def sphere_peak(
    image: NDArray[Any],
    positions: NDArray[np.bool_],
    spacing_mm: Triple,
    *,
    at_max: bool = False,
    offset_mm: Triple = (0.0, 0.0, 0.0),
    counted: NDArray[np.bool_] | None = None,
) -> float:
    """The highest sphere mean among `positions` (IBSI: global intensity peak), read `offset_mm` beside its place.

    `at_max`: the sphere about the hottest voxel of `positions`; of tied ones the highest (IBSI: local intensity peak).
    `counted` as in `sphere_means`.
    """
    means = sphere_means(image, spacing_mm, counted)
    centers = positions & (image == image[positions].max()) if at_max else positions
    best = np.unravel_index(int(np.where(centers, means, -np.inf).argmax()), means.shape)
    x, y, z = (
        min(max(int(at) + round(off / spacing), 0), n - 1)
        for at, off, spacing, n in zip(best, offset_mm, spacing_mm, means.shape, strict=True)
    )
    return float(means[x, y, z])
