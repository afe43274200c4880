"""A virtual patient's body: a real case posed, the frame fitted round it, the abdomen filled, the skin grown.

All of it lives on lattices in patient mm (x to the right from the midline, y to the front, z height above the floor)
and is the same at every visit; `vct.engine.atlas.render` reads it on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vct.engine.atlas.case import Case, Organ
from vct.engine.atlas.composition import Composition, composition
from vct.engine.atlas.fit import Fit, fit, inflated
from vct.engine.atlas.frame import SHOULDER_MM, TUBES, Frame
from vct.engine.atlas.gut import Gut, grow_gut, zero_pair
from vct.engine.atlas.lattice import Field, Lattice
from vct.engine.atlas.organs import OrganMaps, soften
from vct.engine.atlas.skin import grow, relative_thickness
from vct.engine.atlas.tissues import Tissue
from vct.records import Patient

COARSE_MM = 8.0
SOLVER_MM = 12.0
GUT_MM = 4.0
TOP_SHARE = 0.820
BREAST_Z_MM = 1218.0
LINING_DEPTH = 0.93
VESSEL_SIGMA_MM = 10.0
VESSEL_STEP_MM = 5.0
Points = tuple[Field, Field, Field]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Fields on `lattice`; pull fields hold the coordinates at which a layer is read, in that layer's mm."""

    patient: Patient
    case: Case
    fitted: Fit
    maps: OrganMaps
    target: Composition
    lattice: Lattice
    to_frame: Points
    to_tubes: Points
    to_case: Points
    to_arms: tuple[Points, Points]
    arms_low_mm: float
    depth: Field
    skin_mm: Field
    gut: Gut
    strands: Field
    strand_lattice: Lattice
    vessels_mm: tuple[Field, Field]
    vessel_lattice: Lattice
    lining_depth: float
    fat_levels: tuple[float, float]
    gland_level: float
    breast_centers_mm: tuple[tuple[float, float, float], ...]
    breast_mm: tuple[float, float, float]
    uterus_center_mm: tuple[float, float, float]
    uterus_mm: tuple[float, float, float]
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
    wave = tuple(4.0 * lattice.noise(rng, 90.0) + 1.6 * lattice.noise(rng, 38.0) for _ in range(3))
    angle = float(np.clip(rng.normal(150.0, 7.0), 135.0, 165.0))
    gut_rng = rng.spawn(1)[0]
    uterus = _uterus(fitted, case, patient, rng)
    maps = soften(case)
    fitted, target, lining, chest_ml = _filled(fitted, case, target, fov)
    moved = _moved(lattice, wave)
    x, y, z, depth = fitted.to_template(*moved)
    to_frame = (x, y, z)
    to_tubes = _tube_points(fitted, case, moved, to_frame)
    to_case = tuple(np.asarray(v, np.float32) for v in fitted.pose.to_case(*moved))
    to_arms = (_arm_points(fitted, moved, to_frame, 1, angle), _arm_points(fitted, moved, to_frame, -1, angle))
    breasts = _breasts(fitted, patient, target, rng)
    strand_lattice = _lattice(fitted, fov, 6.0)
    strands = strand_lattice.noise(rng, 7.0)
    vessel_lattice = _organ_lattice(fitted, case)
    skin, center_y, centers = _skin(
        fitted, lattice, to_frame, to_arms, to_case, depth, case, target, patient, fov, breasts
    )
    gut, rest_ml = _gut(fitted, case, lattice, target, gut_rng, (to_frame, to_tubes, to_case), depth, lining)
    belly_share = float(np.clip((target.visceral_ml - chest_ml) / max(rest_ml, 1.0), 0.40, 0.985))
    return Body(
        patient=patient,
        case=case,
        fitted=fitted,
        maps=maps,
        target=target,
        lattice=lattice,
        to_frame=_float32(to_frame),
        to_tubes=_float32(to_tubes),
        to_case=_float32(to_case),
        to_arms=to_arms,
        arms_low_mm=float(np.interp(SHOULDER_MM[2] - 260.0, fitted.knots_z[1], fitted.knots_z[0])),
        depth=np.asarray(depth, np.float32),
        skin_mm=skin,
        gut=gut,
        strands=strands,
        strand_lattice=strand_lattice,
        vessels_mm=zero_pair(vessel_lattice, rng, VESSEL_SIGMA_MM),
        vessel_lattice=vessel_lattice,
        lining_depth=lining,
        fat_levels=(target.chest_fat_level, NormalDist().inv_cdf(belly_share)),
        gland_level=float(np.clip(-0.6 + 0.035 * (patient.age_years - 25.0), -0.6, 1.4)),
        breast_centers_mm=centers,
        breast_mm=breasts,
        uterus_center_mm=uterus[0],
        uterus_mm=uterus[1],
        fov_z_mm=fov,
        center_y_mm=center_y,
    )


def _uterus(
    fitted: Fit, case: Case, patient: Patient, rng: Generator
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
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


def _float32(points: tuple[Any, ...]) -> Points:
    x, y, z = (np.asarray(value, np.float32) for value in points)
    return x, y, z


def _lattice(fitted: Fit, fov: tuple[float, float], spacing_mm: float) -> Lattice:
    middle = float(np.mean(fitted.cage.axis_y))
    return Lattice.over((-300.0, middle - 250.0, fov[0] - 16.0), (300.0, middle + 300.0, fov[1] + 16.0), spacing_mm)


def _organ_lattice(fitted: Fit, case: Case) -> Lattice:
    """A lattice over the lungs and the liver."""
    points = fitted.pose.points(case, np.isin(case.labels, (Organ.LUNG, Organ.LIVER)))
    return Lattice.over(points.min(axis=0) - 25.0, points.max(axis=0) + 25.0, VESSEL_STEP_MM)


def _moved(lattice: Lattice, wave: tuple[Field, ...]) -> tuple[Any, Any, Any]:
    """Lattice points displaced by the patient's own small deformation; full arrays."""
    x, y, z = lattice.axes_mm()
    return x + wave[0], y + wave[1], z + 0.5 * wave[2]


def nearest(labels: NDArray[np.uint8], origin_mm: Any, spacing_mm: float, points: Any) -> NDArray[np.uint8]:
    """Labels at points by nearest neighbour, 0 outside."""
    index = []
    inside: Any = True
    for value, o, n in zip(points, origin_mm, labels.shape, strict=True):
        at = np.rint((value - o) * (1.0 / spacing_mm)).astype(np.int32)
        good = (at >= 0) & (at < n)
        inside = inside & good
        index.append(np.where(good, at, 0))
    flat = (index[0] * labels.shape[1] + index[1]) * labels.shape[2] + index[2]
    found: NDArray[np.uint8] = np.where(inside, labels.ravel()[flat], 0).astype(np.uint8)
    return found


def _read_frame(frame: Frame, points: Any, layer: str = "frame") -> NDArray[np.uint8]:
    template = frame.template
    labels = frame.tubes if layer == "tubes" else getattr(template, layer)
    return nearest(labels, template.origin_mm, template.spacing_mm, points)


def _filled(
    fitted: Fit, case: Case, target: Composition, fov: tuple[float, float]
) -> tuple[Fit, Composition, float, float]:
    """Inflate the abdomen until it holds organs, bowel and the visceral fat; then scale the wall to the lean target.

    Where the organs' own spread leaves more room than the fat of a lean person fills, bowel takes it, up to 2.2 times its
    target, and then the wall's inner lining, whose depth is returned,
    with the fat between the lungs in ml.
    """
    chest_share, belly_share = (NormalDist().cdf(v) for v in (target.chest_fat_level, target.belly_fat_level))
    lattice = Lattice.over((-216.0, -150.0, fov[0]), (216.0, 330.0, fov[1]), SOLVER_MM)
    axes = lattice.axes_mm()
    points = tuple(np.broadcast_to(value, lattice.shape) for value in axes)
    organs = nearest(case.labels, (0.0, 0.0, 0.0), case.spacing_mm, fitted.pose.to_case(*points)) > 0
    voxel_ml = lattice.voxel_ml
    bowel = target.small_bowel_ml + target.colon_ml

    def visceral(amount: float) -> float:
        *pulled, depth = inflated(fitted, amount).to_template(*points)
        free = (_read_frame(fitted.frame, pulled) == Tissue.CAVITY) & ~organs
        free &= _read_frame(fitted.frame, pulled, "tubes") == 0
        chest = pulled[2] > fitted.frame.base_z_mm
        inner = np.count_nonzero(free & chest & (depth < LINING_DEPTH)) * voxel_ml
        belly = np.count_nonzero(free & ~chest) * voxel_ml - bowel
        return float(inner * chest_share + belly * belly_share)

    amount = _secant(visceral, target.visceral_ml, (0.0, -0.2), (-0.62, 0.9))
    filled = inflated(fitted, amount)
    spare = (visceral(amount) - target.visceral_ml) / belly_share
    more = 1.0 + float(np.clip(spare / bowel, 0.0, 1.2))
    target = replace(target, small_bowel_ml=more * target.small_bowel_ml, colon_ml=min(more, 1.5) * target.colon_ml)
    spare -= (more - 1.0) * bowel
    *pulled, depth = filled.to_template(*points)
    cavity = (_read_frame(fitted.frame, pulled) == Tissue.CAVITY) & ~organs
    free = cavity & (pulled[2] < fitted.frame.base_z_mm)
    chest = cavity & ~free & (depth < LINING_DEPTH) & (_read_frame(fitted.frame, pulled, "tubes") == 0)
    chest_ml = float(np.count_nonzero(chest)) * voxel_ml * chest_share
    lining = _lining(depth[free], spare / voxel_ml)

    def lean(scale: float) -> float:
        pulled = replace(filled, wall_scale=scale).to_template(*points)[:3]
        wall = _read_frame(fitted.frame, pulled)
        solid = (wall != Tissue.OUTSIDE) & (wall != Tissue.CAVITY)
        return float(np.count_nonzero(solid) + np.count_nonzero(organs)) * voxel_ml + bowel

    first = filled.wall_scale
    scale = _secant(lean, target.lean_ml, (first, 1.06 * first), (0.85 * first, 1.22 * first))
    return replace(filled, wall_scale=scale), target, lining, chest_ml


def _lining(depth: NDArray[Any], cells: float) -> float:
    """Depth (radius over the wall's) beyond which free room in the belly becomes wall, so that `cells` of it do."""
    if cells < 1 or not depth.size:
        return 1.5
    ordered = np.sort(depth.ravel())
    return max(float(ordered[max(ordered.size - int(cells), 0)]), 0.74)


def _secant(measure: Any, wanted: float, start: tuple[float, float], bounds: tuple[float, float], n: int = 3) -> float:
    """The argument at which a growing `measure` is `wanted`, within bounds."""
    a, b = start
    fa, fb = measure(a) - wanted, measure(b) - wanted
    for _ in range(n):
        slope = (fb - fa) / (b - a) if b != a else 0.0
        if slope <= 0 or abs(fb) < 0.01 * wanted:
            break
        a, fa = b, fb
        b = float(np.clip(b - fb / slope, *bounds))
        if a == b:
            break
        fb = measure(b) - wanted
    return b if abs(fb) <= abs(fa) else a


def _tube_points(fitted: Fit, case: Case, moved: Any, to_frame: Any) -> tuple[Any, Any, Any]:
    """Where the inner tubes are read: the frame's map, drawn towards the real organs' own places."""
    from vct.engine.atlas.frame import ORGAN_TISSUES

    total = np.full(to_frame[0].shape, 0.35, np.float32)
    sums = [np.zeros(to_frame[0].shape, np.float32) for _ in range(3)]
    for organ in ORGAN_TISSUES:
        points = fitted.pose.points(case, case.labels == organ)
        for side in (1, -1) if organ == Organ.KIDNEY else (0,):
            known = fitted.frame.centers_mm.get((organ, side))
            part = points[np.sign(points[:, 0]) == side] if side else points
            if known is None or not len(part):
                continue
            at = part.mean(axis=0)
            pulled = np.array([float(v) for v in fitted.to_template(*(np.array(c) for c in at))[:3]])
            gap = np.clip(known - pulled, -45.0, 45.0)
            square = sum((m - c) ** 2 for m, c in zip(moved, at, strict=True))
            weight = np.exp(-square / (2 * 45.0**2)).astype(np.float32)
            total += weight
            for held, value in zip(sums, gap, strict=True):
                held += weight * np.float32(value)
    x, y, z = (f + s / total for f, s in zip(to_frame, sums, strict=True))
    return x, y, z


def _arm_points(fitted: Fit, moved: Any, to_frame: Any, side: int, angle_deg: float) -> Points:
    """Arm layer coordinates: the hanging arm turned up about the shoulder, at the patient's own shoulder."""
    joint = np.array(SHOULDER_MM) * (side, 1, 1)
    square = sum((f - j) ** 2 for f, j in zip(to_frame, joint, strict=True))
    at = np.unravel_index(int(np.argmin(square)), square.shape)
    here = np.array([float(m[at]) for m in moved]) - 0.9 * np.array([float(f[at]) for f in to_frame]) + 0.9 * joint
    turn = np.radians(angle_deg) * side
    unit = fitted.wall_scale
    dx, dy, dz = ((m - h) / unit for m, h in zip(moved, here, strict=True))
    cos, sin = np.cos(turn), np.sin(turn)
    return _float32((joint[0] + cos * dx - sin * dz, joint[1] + dy, joint[2] + sin * dx + cos * dz))


def _skin(
    fitted: Fit,
    lattice: Lattice,
    to_frame: Any,
    to_arms: Any,
    to_case: Any,
    depth: Any,
    case: Case,
    target: Composition,
    patient: Patient,
    fov: tuple[float, float],
    breasts: tuple[float, float, float],
) -> tuple[Field, float, tuple[tuple[float, float, float], ...]]:
    frame = fitted.frame
    lean = _read_frame(frame, to_frame) > 0
    lean |= nearest(case.labels, (0.0, 0.0, 0.0), case.spacing_mm, to_case) > 0
    for points in to_arms:
        lean |= _read_frame(frame, points, "arms") > 0
    x, y, z = lattice.axes_mm()
    rows = fitted.cage.levels_mm
    axis = np.interp(z, rows, fitted.cage.axis_y)
    trunk = frame.apex_z_mm - frame.pelvis_z_mm
    height = (fitted.template_z(z) - frame.pelvis_z_mm) / trunk
    thick = relative_thickness(x, y - axis, height, patient.sex, target.fat_fraction)
    within = ((z >= fov[0]) & (z <= fov[1])).mean()
    breast_ml = 2.0 / 3.0 * np.pi * float(np.prod(breasts)) / 1000.0 * 2.0
    wanted = max(target.subcutaneous_ml - breast_ml, 0.3 * target.subcutaneous_ml)
    skin = grow(lean, thick, lattice, wanted / float(within), 4.0 + 100.0 * target.fat_fraction)
    centers = _set_breasts(skin, lattice, fitted, to_frame, breasts)
    held = np.nonzero((skin > 0).any(axis=(0, 2)))[0]
    center = lattice.origin_mm[1] + lattice.spacing_mm * float(held[0] + held[-1]) / 2.0
    return skin, center, centers


def _breasts(fitted: Fit, patient: Patient, target: Composition, rng: Generator) -> tuple[float, float, float]:
    """Half axes in mm of half ellipsoids on the chest; each 250 ml at BMI 23 (ICRP 89: both 500 g), growing with BMI."""
    z = float(np.clip(rng.normal(0, 0.25), -0.6, 0.6))
    if patient.sex == "M":
        return (0.0, 0.0, 0.0)
    volume = 1000.0 * min(300.0 * (patient.bmi_kg_m2 / 23.0) ** 1.8 * float(np.exp(z)), 1000.0)
    unit = (volume / (2.0 / 3.0 * np.pi * 1.20 * 0.52 * 0.95)) ** (1.0 / 3.0)
    return (1.20 * unit, 0.52 * unit, 0.95 * unit)


def _set_breasts(
    skin: Field, lattice: Lattice, fitted: Fit, to_frame: Any, half: tuple[float, float, float]
) -> tuple[tuple[float, float, float], ...]:
    """Raise the skin over the breasts, at the fifth rib; returns their centres on the chest's surface."""
    if half[0] <= 0:
        return ()
    x, y, z = lattice.axes_mm()
    level = int(np.argmin(np.abs(to_frame[2][lattice.shape[0] // 2, lattice.shape[1] // 2] - BREAST_Z_MM)))
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


def _gut(
    fitted: Fit,
    case: Case,
    coarse: Lattice,
    target: Composition,
    rng: Generator,
    pulls: tuple[Any, Any, Any],
    depth: Any,
    lining: float,
) -> tuple[Gut, float]:
    """The bowel, and the room in ml that it leaves in the belly."""
    from scipy import ndimage

    frame = fitted.frame
    z_rows, t_rows = fitted.knots_z
    low = float(np.interp(frame.low_z_mm - 5, t_rows, z_rows))
    high = float(np.interp(frame.base_z_mm + 70, t_rows, z_rows))
    rows = fitted.cage.levels_mm
    used = (rows > low) & (rows < high)
    wide = float(fitted.cage.radius[used].max()) + 12.0
    axis = fitted.cage.axis_y[used]
    lattice = Lattice.over((-wide, axis.min() - 110.0, low), (wide, axis.max() + wide, high), GUT_MM)
    axes = lattice.axes_mm()
    frame_points, tube_points, case_points = (tuple(coarse.read(v, axes) for v in _float32(p)) for p in pulls)
    cavity = _read_frame(frame, frame_points) == Tissue.CAVITY
    solid = nearest(case.labels, (0.0, 0.0, 0.0), case.spacing_mm, case_points) > 0
    tubes = np.isin(_read_frame(frame, tube_points, "tubes"), TUBES)
    room = cavity & ~solid & ~tubes
    open_space = cavity & ~solid
    clearance = (ndimage.distance_transform_edt(open_space[::2, ::2, ::2]) * (2 * GUT_MM)).astype(np.float32)
    half = Lattice(origin_mm=lattice.origin_mm, spacing_mm=2 * GUT_MM, shape=clearance.shape)
    clearance_fine = half.read(clearance, axes)
    deep = coarse.read(np.asarray(depth, np.float32), axes)
    room &= deep <= np.where(frame_points[2] > frame.base_z_mm, LINING_DEPTH, lining)
    preference = _loop_preference(fitted, case, axes, deep)
    targets = (target.colon_ml, target.small_bowel_ml)
    gut = grow_gut(fitted, lattice, room, clearance_fine, preference, targets, rng)
    rest = room & (gut.colon_mm <= 0) & (gut.loop_mm <= 0) & (frame_points[2] < frame.base_z_mm)
    return gut, float(np.count_nonzero(rest)) * lattice.voxel_ml


def _loop_preference(fitted: Fit, case: Case, axes: Any, depth: Field) -> Field:
    """Where small bowel lies: the middle of the belly below stomach and pancreas, in front of the kidneys."""
    frame = fitted.frame
    x, y, z = axes
    kidneys = fitted.pose.points(case, case.labels == Organ.KIDNEY)
    behind = float(kidneys[:, 1].mean())
    z_rows, t_rows = fitted.knots_z
    low = float(np.interp(frame.pelvis_z_mm, t_rows, z_rows))
    high = float(np.interp(frame.base_z_mm, t_rows, z_rows))
    height = (z - low) / (high - low)
    middle = -(((height - 0.38) / 0.36) ** 2)
    retro = -np.clip((behind + 8.0 - y) / 18.0, 0.0, 3.0) * np.clip((height - 0.15) / 0.2, 0.0, 1.0)
    wall = -np.clip((depth - 0.86) / 0.10, 0.0, 2.0)
    flank = -0.6 * np.clip((np.abs(x) - 85.0) / 40.0, 0.0, 1.5)
    found: Field = (middle + retro + wall + flank).astype(np.float32)
    return found
