"""Fitting the frame around a real person's organs: a smooth map from the patient to the template.

Heights map through the lung apex, the lung base and the pelvic floor; across, the template's wall takes its distance
from the body axis from the organs that touch it (lungs above all), from body size where none does, and from the fat
that the abdomen must hold. Inside the wall radii scale; outside, the wall keeps its thickness times `wall_scale`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.cage import LEVEL_MM, N_ANGLES, Cage, Table, angles, fill_gaps, look_up, reach, smooth
from vct.engine.atlas.case import Case, CaseRow, Organ
from vct.engine.atlas.frame import Frame
from vct.records import Patient

APEX_SHARE = 0.784
MARGIN_MM = 2.5
Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """How a case's map lies in the patient: patient = offset + scale * case, in mm; `back_mm` shifts the body axis."""

    scale: NDArray[np.float64]
    offset_mm: NDArray[np.float64]

    def to_case(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Patient to case coordinates."""
        a, b, c = ((value - o) / s for value, o, s in zip((x, y, z), self.offset_mm, self.scale, strict=True))
        return a, b, c

    def points(self, case: Case, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Patient coordinates (N, 3) of a case's voxels."""
        return np.argwhere(mask) * case.spacing_mm * self.scale + self.offset_mm


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The map from patient to template; `cage` is the patient's, `ratio` its wall over the template's."""

    frame: Frame
    pose: Pose
    knots_z: tuple[NDArray[np.float64], NDArray[np.float64]]
    shift_y: NDArray[np.float64]
    cage: Cage
    hull: Table
    wall_scale: float

    def template_z(self, z: Array) -> Array:
        """Template heights of patient heights."""
        return np.interp(z, *self.knots_z)

    def to_template(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array, Array]:
        """Template coordinates of patient points, and how deep they lie: radius over the wall's radius."""
        tz = self.template_z(z)
        level = (z - self.cage.low_z_mm) / LEVEL_MM
        rows = self.cage.levels_mm
        axis = np.interp(z, rows, self.cage.axis_y)
        dx, dy = x, y - axis
        radius = np.hypot(dx, dy)
        angle = np.arctan2(dy, dx)
        wall = look_up(self.cage.radius, level, angle)
        source = self.frame.cage
        target = look_up(source.radius, (tz - source.low_z_mm) / LEVEL_MM, angle)
        pulled = np.where(radius < wall, radius * target / wall, target + (radius - wall) / self.wall_scale)
        stretch = pulled / np.maximum(radius, 1e-3)
        template_axis = np.interp(tz, source.levels_mm, source.axis_y)
        return dx * stretch, template_axis + dy * stretch, tz, radius / wall


def scale_of(row: CaseRow, patient: Patient) -> NDArray[np.float64]:
    """(3,) factors from a case to the patient: height exactly, breadth by a small power of the weight's excess."""
    tall = patient.height_cm / row.height_cm
    heavy = (patient.weight_kg / row.weight_kg) / tall**2
    wide = float(np.clip(heavy**0.12 * tall**0.5, 0.88, 1.14))
    return np.array([wide, wide, float(np.clip(tall, 0.88, 1.14))])


def pose_of(case: Case, frame: Frame, patient: Patient) -> Pose:
    """Scale the case to the patient's size and set it into the patient by its lungs' apex, midline and back."""
    row = case.row
    scale = scale_of(row, patient)
    apex = APEX_SHARE * patient.height_cm * 10.0
    x_offset = -row.midline_x_mm * scale[0]
    z_offset = apex - row.apex_z_mm * scale[2]
    lung = np.argwhere(case.labels == Organ.LUNG) * case.spacing_mm * scale
    back_y = np.array([np.percentile(part, 2) for part in _by_level(lung[:, 2], lung[:, 1])])
    y_offset = float(np.mean(_template_back(frame, back_y.size)) - back_y.mean())
    return Pose(scale=scale, offset_mm=np.array([x_offset, y_offset, z_offset]))


def _by_level(z: Array, values: Array, n: int = 12) -> list[Array]:
    edges = np.linspace(z.min(), z.max() + 1e-6, n + 1)
    parts = [values[(z >= low) & (z < high)] for low, high in pairwise(edges)]
    return [part for part in parts if part.size]


def _template_back(frame: Frame, n: int) -> Array:
    z = frame.template.box()[2]
    at = np.linspace(frame.base_z_mm, frame.apex_z_mm, 2 * n + 1)[1::2]
    return np.interp(at, z, frame.back_y_mm)


def fit(case: Case, frame: Frame, patient: Patient) -> Fit:
    """The frame around the case's organs, before the abdomen is filled."""
    from scipy.interpolate import PchipInterpolator

    pose = pose_of(case, frame, patient)
    row = case.row
    unit = patient.height_cm * 10.0 / frame.template.stature_mm
    apex = APEX_SHARE * patient.height_cm * 10.0
    expected_base = apex - unit * (frame.apex_z_mm - frame.base_z_mm)
    seen_base = pose.offset_mm[2] + pose.scale[2] * row.base_z_mm
    base = 0.5 * expected_base + 0.5 * float(np.clip(seen_base, expected_base - 50, expected_base + 50))
    trunk = unit * (frame.apex_z_mm - frame.pelvis_z_mm)
    pelvis = apex - float(
        np.clip(apex - (pose.offset_mm[2] + pose.scale[2] * row.pelvis_z_mm), 0.93 * trunk, 1.07 * trunk)
    )
    patient_z = np.array([pelvis - 400 * unit, pelvis, base, apex, apex + 300 * unit])
    template_z = np.array(
        [frame.pelvis_z_mm - 400, frame.pelvis_z_mm, frame.base_z_mm, frame.apex_z_mm, frame.apex_z_mm + 300]
    )
    fine = np.arange(patient_z[0], patient_z[-1], LEVEL_MM)
    knots = (fine, PchipInterpolator(patient_z, template_z)(fine))
    shift = _axis_shift(case, frame, pose, knots, fine)
    axis = np.interp(knots[1], frame.cage.levels_mm, frame.cage.axis_y) + shift
    female = patient.sex == "F"
    cage, hull = _fitted_cage(case, frame, pose, knots, axis, unit)
    lean = (patient.weight_kg / (patient.height_cm / 100.0) ** 2 / 22.0) ** 0.15
    return Fit(
        frame=frame,
        pose=pose,
        knots_z=knots,
        shift_y=shift,
        cage=cage,
        hull=hull,
        wall_scale=float(unit * lean * (0.9 if female else 1.0)),
    )


def _axis_shift(case: Case, frame: Frame, pose: Pose, knots: tuple[Array, Array], levels: Array) -> NDArray[np.float64]:
    """How far the body axis lies from the template's, by height: from lungs' backs, kidneys and bladder."""
    from scipy import ndimage

    at, values = [], []
    lung = pose.points(case, case.labels == Organ.LUNG)
    for part in _by_level(lung[:, 2], np.arange(len(lung)), 8)[:-1]:
        height = float(lung[part, 2].mean())
        back = float(np.percentile(lung[part, 1], 2))
        z = frame.template.box()[2]
        at.append(height)
        values.append(back - float(np.interp(np.interp(height, *knots), z, frame.back_y_mm)))
    for organ, weight in ((Organ.KIDNEY, 0.8), (Organ.BLADDER, 0.6)):
        points = pose.points(case, case.labels == organ)
        centers = [value for (which, _), value in frame.centers_mm.items() if which == organ]
        at.append(float(points[:, 2].mean()))
        values.append(weight * float(np.clip(points[:, 1].mean() - np.mean(centers, axis=0)[1], -35, 35)))
    order = np.argsort(at)
    line = np.interp(levels, np.array(at)[order], np.array(values)[order])
    smoothed: NDArray[np.float64] = ndimage.gaussian_filter1d(line, 35.0 / LEVEL_MM, mode="nearest")
    return smoothed


def _fitted_cage(
    case: Case, frame: Frame, pose: Pose, knots: tuple[Array, Array], axis: Array, unit: float
) -> tuple[Cage, Table]:
    levels = knots[0]
    source = frame.cage
    rows = (knots[1] - source.low_z_mm) / LEVEL_MM
    grid_rows, grid_angles = np.meshgrid(rows, angles(), indexing="ij")
    template = look_up(source.radius, grid_rows, grid_angles).astype(float)
    lungs = _organ_reach(case, pose, levels, axis, (Organ.LUNG,))
    solid = _organ_reach(case, pose, levels, axis, (Organ.LIVER, Organ.SPLEEN))
    every = _organ_reach(case, pose, levels, axis, tuple(Organ))
    front = np.sin(angles())[None, :]
    trusted = ((lungs > 0.6 * template) & (np.abs(front) < 0.97)).astype(float)
    flank = ((solid > 0.8 * template) & (np.abs(front) < 0.75) & (solid > lungs)).astype(float) * 0.5
    weight = trusted + flank
    ratio = np.where(weight > 0, (np.maximum(lungs, solid) + MARGIN_MM) / template, 0.0)
    ratio = np.clip(ratio, 0.6, 1.6)
    chest = float(np.median(ratio[trusted > 0])) if trusted.any() else unit
    high = _step(knots[1], frame.base_z_mm - 60.0, frame.base_z_mm + 20.0)[:, None]
    low = 1.0 - _step(knots[1], frame.pelvis_z_mm + 60.0, frame.pelvis_z_mm + 190.0)[:, None]
    prior = high * chest + (1.0 - high) * (low * unit + (1.0 - low) * (0.5 * unit + 0.5 * chest))
    prior = np.broadcast_to(prior, template.shape)
    top = smooth(weight * ratio, 14.0, 12.0) + 0.03 * prior
    bottom = smooth(weight, 14.0, 12.0) + 0.03
    radius = template * top / bottom
    hull = np.where(every > 0, every + MARGIN_MM, 0.0)
    hull = np.where(front < -0.8, np.minimum(hull, radius), hull)
    hull = _tented(hull)
    hull = np.where(front < -0.5, np.minimum(hull, radius), hull)
    radius = np.maximum(radius, smooth(np.maximum(hull, radius), 10.0, 7.0))
    return Cage(radius=radius, axis_y=np.asarray(axis, dtype=float), low_z_mm=float(levels[0])), hull


def _tented(hull: Table) -> Table:
    """The hull that a taut wall spans: a point pushes it out over 50 degrees to either side and 30 mm up and down."""
    from scipy import ndimage

    along = ndimage.maximum_filter1d(hull, 7, axis=0, mode="nearest")
    turns = range(-round(50 * N_ANGLES / 360), round(50 * N_ANGLES / 360) + 1)
    spread = [np.roll(along, k, axis=1) * np.cos(2 * np.pi * k / N_ANGLES) ** 0.8 for k in turns]
    return smooth(np.max(spread, axis=0), 14.0, 6.0)


def _organ_reach(case: Case, pose: Pose, levels: Array, axis: Array, organs: tuple[Organ, ...]) -> Table:
    points = pose.points(case, np.isin(case.labels, organs))
    level = ((points[:, 2] - levels[0]) / LEVEL_MM + 0.5).astype(int)
    inside = (level >= 0) & (level < len(levels))
    points, level = points[inside], level[inside]
    table = reach(points[:, 0], points[:, 1] - axis[level], level, len(levels))
    near = fill_gaps(table)
    hit = smooth((table > 0).astype(float), LEVEL_MM, 5.0) > 0.3
    filled: Table = np.where(table > 0, table, np.where(hit, near, 0.0))
    return filled


def _step(values: Array, low: float, high: float) -> Array:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def inflated(fitted: Fit, amount: float) -> Fit:
    """The fit with its belly pushed out (or in, below 0) by a share of its radius, most in front and at the sides."""
    frame, cage = fitted.frame, fitted.cage
    tz = fitted.template_z(cage.levels_mm)
    along = _step(tz, frame.pelvis_z_mm - 10.0, frame.pelvis_z_mm + 110.0) * (
        1.0 - _step(tz, frame.base_z_mm - 20.0, frame.base_z_mm + 110.0)
    )
    front = np.sin(angles())
    across = np.clip(0.95 + 0.35 * front, 0.0, 1.15) if amount > 0 else np.clip(0.2 + 1.0 * front, 0.0, 1.1)
    bump = along[:, None] * across[None, :]
    factor = np.clip(1.0 + amount * bump, 0.40, 2.5)
    radius = np.maximum(cage.radius * factor, np.minimum(fitted.hull, cage.radius))
    taut = np.where(front > -0.2, _taut(radius), radius)
    radius = smooth(radius + along[:, None] * (taut - radius), 6.0, 4.0)
    return replace(fitted, cage=replace(cage, radius=radius))


def _taut(radius: Table) -> Table:
    """Radii raised to the chords that neighbours of up to 50 degrees span: a belly has no hollow between two organs."""
    out = radius
    for _ in range(2):
        chords = [out]
        for k in range(1, round(50 * N_ANGLES / 360) + 1):
            a, b = np.roll(out, k, axis=1), np.roll(out, -k, axis=1)
            chords.append(np.cos(2 * np.pi * k / N_ANGLES) * 2.0 * a * b / (a + b))
        out = np.max(chords, axis=0)
    return out
