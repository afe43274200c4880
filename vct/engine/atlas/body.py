"""A virtual patient's body: a real case posed, the frame fitted round it, the abdomen filled, the skin grown.

All of it lives on lattices in patient mm (x to the right from the midline, y to the front, z height above the floor)
and is the same at every visit; `vct.engine.atlas.render` reads it on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from vct.engine.atlas.belly import fill_with_gut
from vct.engine.atlas.case import Case, Organ
from vct.engine.atlas.composition import Composition, composition
from vct.engine.atlas.filling import filled_abdomen
from vct.engine.atlas.fit import Fit, fit
from vct.engine.atlas.frame import Frame
from vct.engine.atlas.gut import Gut, zero_pair
from vct.engine.atlas.lattice import Field, Lattice
from vct.engine.atlas.organs import OrganMaps, soften
from vct.engine.atlas.pulls import Pulls, pull_fields
from vct.engine.atlas.surface import breast_size, grow_skin, place_uterus
from vct.records import Patient
from vct.volume import Triple

COARSE_MM = 8.0
STRAND_MM = 6.0
HALF_MM = 240.0
TOP_SHARE = 0.820
VESSEL_SIGMA_MM = 10.0
VESSEL_STEP_MM = 5.0
WAVES_MM = ((90.0, 4.0), (38.0, 1.6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body: `skin_mm` is the depth below the skin on `lattice`; sizes and centres are in patient mm."""

    patient: Patient
    case: Case
    fitted: Fit
    maps: OrganMaps
    target: Composition
    lattice: Lattice
    pulls: Pulls
    arms_low_mm: float
    skin_mm: Field
    gut: Gut
    strands: Field
    strand_lattice: Lattice
    vessels_mm: tuple[Field, Field]
    vessel_lattice: Lattice
    lining_depth: float
    fat_levels: tuple[float, float]
    gland_level: float
    breast_centers_mm: tuple[Triple, ...]
    breast_mm: Triple
    uterus_center_mm: Triple
    uterus_mm: Triple
    fov_z_mm: tuple[float, float]
    center_y_mm: float

    @property
    def base_z_mm(self) -> float:
        """Height of the lungs' base in the patient."""
        pose = self.fitted.pose
        return float(pose.offset_mm[2] + pose.scale[2] * self.case.row.base_z_mm)

    def strands_at(self, axes: Any) -> Field:
        """A fine field of unit variance that stays with the body: where fat is crossed by firmer tissue."""
        return self.strand_lattice.read(self.strands, axes)


def field_of_view(height_cm: float) -> tuple[float, float]:
    """Lowest and highest z in mm. Length clavicle to hip: (146.629 h + 110.419) voxels of 2 mm, h in m (TotalGen, 565
    AutoPET crops); its top is assumed at 0.820 of the height above the floor.
    """
    length = (146.629 * height_cm / 100.0 + 110.419) * 2.0
    top = TOP_SHARE * height_cm * 10.0
    return top - length, top


def make_body(patient: Patient, case: Case, frame: Frame, rng: Generator) -> Body:
    """Draw and solve one body. Every random number comes from `rng`."""
    target = composition(patient, rng)
    fitted = fit(case, frame, patient)
    fov = field_of_view(patient.height_cm)
    lattice = _lattice(fitted, fov, COARSE_MM)
    x, y, z = (_wave(lattice, rng) for _ in range(3))
    angle = float(np.clip(rng.normal(150.0, 7.0), 135.0, 165.0))
    gut_rng = rng.spawn(1)[0]
    uterus_center, uterus = place_uterus(fitted, case, patient, rng)
    fitted, target, lining, chest_ml = filled_abdomen(fitted, case, target, fov)
    pulls = pull_fields(fitted, case, lattice, (x, y, z), angle)
    breasts = breast_size(patient, rng)
    strand_lattice, vessel_lattice = _lattice(fitted, fov, STRAND_MM), _organ_lattice(fitted, case)
    strands = strand_lattice.noise(rng, 7.0)
    skin, centers = grow_skin(fitted, lattice, pulls, case, target, patient, fov, breasts)
    gut, rest = fill_with_gut(fitted, case, lattice, target, pulls, lining, gut_rng)
    firmness = strand_lattice.read(strands, gut.lattice.axes_mm())[rest]
    return Body(
        patient=patient,
        case=case,
        fitted=fitted,
        maps=soften(case),
        target=target,
        lattice=lattice,
        pulls=pulls,
        arms_low_mm=float(np.interp(frame.template.shoulder_mm[2] - 260.0, fitted.knots_z[1], fitted.knots_z[0])),
        skin_mm=skin,
        gut=gut,
        strands=strands,
        strand_lattice=strand_lattice,
        vessels_mm=zero_pair(vessel_lattice, rng, VESSEL_SIGMA_MM),
        vessel_lattice=vessel_lattice,
        lining_depth=lining,
        fat_levels=(target.chest_fat_level, _fat_level(firmness, target.visceral_ml - chest_ml, gut.lattice.voxel_ml)),
        gland_level=float(np.clip(-0.6 + 0.035 * (patient.age_years - 25.0), -0.6, 1.4)),
        breast_centers_mm=centers,
        breast_mm=breasts,
        uterus_center_mm=uterus_center,
        uterus_mm=uterus,
        fov_z_mm=fov,
        center_y_mm=_middle(skin, lattice),
    )


def _wave(lattice: Lattice, rng: Generator) -> Field:
    """One component of the person's own small displacement, in mm."""
    (long, high), (short, low) = WAVES_MM
    return np.float32(high) * lattice.noise(rng, long) + np.float32(low) * lattice.noise(rng, short)


def _fat_level(firmness: Field, fat_ml: float, voxel_ml: float) -> float:
    """The firmness below which the belly's free room is fat, so that it holds `fat_ml`; some of it always is firm."""
    share = float(np.clip(fat_ml / max(firmness.size * voxel_ml, 1.0), 0.12, 0.985))
    return float(np.quantile(firmness, share)) if firmness.size else 0.0


def _middle(skin: Field, lattice: Lattice) -> float:
    """y in mm halfway between the body's back and front."""
    held = np.nonzero((skin > 0).any(axis=(0, 2)))[0]
    return lattice.origin_mm[1] + lattice.spacing_mm * float(held[0] + held[-1]) / 2.0


def _lattice(fitted: Fit, fov: tuple[float, float], spacing_mm: float) -> Lattice:
    middle = float(np.mean(fitted.cage.axis_y))
    low, high = (-HALF_MM, middle - 200.0, fov[0] - 16.0), (HALF_MM, middle + 290.0, fov[1] + 16.0)
    return Lattice.over(low, high, spacing_mm)


def _organ_lattice(fitted: Fit, case: Case) -> Lattice:
    """A lattice over the lungs and the liver."""
    points = fitted.pose.points(case, np.isin(case.labels, (Organ.LUNG, Organ.LIVER)))
    return Lattice.over(points.min(axis=0) - 25.0, points.max(axis=0) + 25.0, VESSEL_STEP_MM)
