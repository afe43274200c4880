"""The body's surface: skin over fat, breasts and uterus where they belong to the sex."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from vct.engine.atlas.case import Case, Organ
from vct.engine.atlas.composition import Composition
from vct.engine.atlas.fit import Fit
from vct.engine.atlas.frame import nearest, read_frame
from vct.engine.atlas.lattice import Field, Lattice
from vct.engine.atlas.pulls import Pulls
from vct.engine.atlas.skin import grow, relative_thickness
from vct.records import Patient
from vct.volume import Triple

BREAST_Z_MM = 1218.0


def grow_skin(
    fitted: Fit,
    lattice: Lattice,
    pulls: Pulls,
    case: Case,
    target: Composition,
    patient: Patient,
    fov_z_mm: tuple[float, float],
    breasts: Triple,
) -> tuple[Field, tuple[Triple, ...]]:
    """Depth below the skin in mm on the lattice, breasts included, and the breasts' centres."""
    frame = fitted.frame
    lean = read_frame(frame, pulls.frame) > 0
    lean |= nearest(case.labels, (0.0, 0.0, 0.0), case.spacing_mm, pulls.case) > 0
    for points in pulls.arms:
        lean |= read_frame(frame, points, "arms") > 0
    x, y, z = lattice.axes_mm()
    rows = fitted.cage.levels_mm
    axis = np.interp(z, rows, fitted.cage.axis_y)
    trunk = frame.apex_z_mm - frame.pelvis_z_mm
    height = (fitted.template_z(z) - frame.pelvis_z_mm) / trunk
    thick = relative_thickness(x, y - axis, height, patient.sex, target.fat_fraction)
    within = ((z >= fov_z_mm[0]) & (z <= fov_z_mm[1])).mean()
    breast_ml = 2.0 / 3.0 * np.pi * float(np.prod(breasts)) / 1000.0 * 2.0
    wanted = max(target.subcutaneous_ml - breast_ml, 0.3 * target.subcutaneous_ml)
    skin = grow(lean, thick, lattice, wanted / float(within), 1.0 + 110.0 * target.fat_fraction)
    centers = _set_breasts(skin, lattice, fitted, pulls, breasts)
    return skin, centers


def breast_size(patient: Patient, rng: Generator) -> Triple:
    """Half axes in mm of half ellipsoids on the chest: each 300 ml at BMI 23, growing with BMI (assumed)."""
    z = float(np.clip(rng.normal(0, 0.25), -0.6, 0.6))
    if patient.sex == "M":
        return (0.0, 0.0, 0.0)
    volume = 1000.0 * min(300.0 * (patient.bmi_kg_m2 / 23.0) ** 1.8 * float(np.exp(z)), 1000.0)
    unit = (volume / (2.0 / 3.0 * np.pi * 1.20 * 0.52 * 0.95)) ** (1.0 / 3.0)
    return (1.20 * unit, 0.52 * unit, 0.95 * unit)


def _set_breasts(skin: Field, lattice: Lattice, fitted: Fit, pulls: Pulls, half: Triple) -> tuple[Triple, ...]:
    """Raise the skin over the breasts, at the fifth rib; returns their centres on the chest's surface."""
    if half[0] <= 0:
        return ()
    x, y, z = lattice.axes_mm()
    level = int(np.argmin(np.abs(pulls.frame[2][lattice.shape[0] // 2, lattice.shape[1] // 2] - BREAST_Z_MM)))
    centers = []
    for side in (1.0, -1.0):
        across = side * (0.5 * half[0] + 42.0 * fitted.pose.scale[0])
        column = int(np.argmin(np.abs(x.ravel() - across)))
        held = np.nonzero(skin[column, :, level] > 0)[0]
        if not held.size:
            continue
        center = (across, float(y.ravel()[held[-1]]) - 6.0, float(z.ravel()[level]))
        away = np.sqrt(sum(((axis - c) / h) ** 2 for axis, c, h in zip((x, y, z), center, half, strict=True)))
        bulge = ((1.0 - away) * half[1]).astype(np.float32)
        blend = np.clip(0.5 + 0.5 * (bulge - skin) / 14.0, 0.0, 1.0)
        skin += blend * (bulge - skin) + 14.0 * blend * (1.0 - blend)
        centers.append(center)
    return tuple(centers)


def place_uterus(fitted: Fit, case: Case, patient: Patient, rng: Generator) -> tuple[Triple, Triple]:
    """Centre and half axes in mm: 80 g before the menopause (ICRP 89), about half of it after (assumed)."""
    points = fitted.pose.points(case, case.labels == Organ.BLADDER)
    top, middle, back = points[:, 2].max(), points.mean(axis=0), np.percentile(points[:, 1], 10)
    size = (0.80 if patient.age_years > 52 else 1.0) * float(np.exp(np.clip(rng.normal(0, 0.12), -0.3, 0.3)))
    center = (
        float(middle[0] + rng.normal(0, 5)),
        float(back - 2.0),
        float(0.55 * top + 0.45 * middle[2] + 14.0 * size),
    )
    return center, (25.0 * size, 19.0 * size, 39.0 * size)
