"""Reading a body on a grid: the tissue and the structure of every voxel, slab by slab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.body import Body
from vct.engine.atlas.case import Organ
from vct.engine.atlas.day import Day
from vct.engine.atlas.filling import LINING_DEPTH
from vct.engine.atlas.frame import nearest
from vct.engine.atlas.gut import RECTUM_FROM
from vct.engine.atlas.organs import SoftOrgan
from vct.engine.atlas.skin import SKIN_MM
from vct.engine.atlas.tissues import Tissue
from vct.structures import STRUCTURES
from vct.volume import Grid

SLAB_MM = 96.0
WALL_MM = {"colon": 3.0, "loop": 2.6, "duodenum": 3.0, "stomach": 5.0}
CORTEX_MM = 6.5
CALYX_MM = 9.0
CALYX_LEVEL = 1.15
LUMEN_MM = 9.0
LIVER_VESSEL_MM = 2.6
ROOT_FROM = 0.7
NAME = STRUCTURES
Slab = dict[str, NDArray[Any]]
ORGAN_PAINT = {
    Organ.SPLEEN: (Tissue.SPLEEN, NAME["spleen"]),
    Organ.LIVER: (Tissue.LIVER, NAME["liver"]),
    Organ.KIDNEY: (Tissue.KIDNEY, NAME["kidney_right"]),
    Organ.STOMACH: (Tissue.STOMACH_WALL, NAME["stomach"]),
    Organ.BLADDER: (Tissue.BLADDER, NAME["urinary_bladder"]),
    Organ.PROSTATE: (Tissue.PROSTATE, NAME["prostate"]),
    Organ.HEART: (Tissue.BLOOD_POOL, NAME["heart"]),
    Organ.LUNG: (Tissue.LUNG, NAME["lung_lower_lobe_left"]),
}
HEART_NAMES = {
    Tissue.MYOCARDIUM: NAME["heart_myocardium"],
    Tissue.ATRIAL_WALL: NAME["heart_atrium_left"],
    Tissue.RIGHT_MYOCARDIUM: NAME["heart_ventricle_right"],
    Tissue.BLOOD_POOL: NAME["heart_ventricle_left"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """Codes of `Tissue` and structure numbers on a grid, both (X, Y, Z) uint8."""

    tissue: NDArray[np.uint8]
    label: NDArray[np.uint8]
    grid: Grid


def render(body: Body, day: Day, grid: Grid) -> Anatomy:
    """Every voxel of `grid` (patient mm, the day's position included)."""
    tissue, label = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    x, y, z = (axis.ravel() + shift for axis, shift in zip(grid.axes_mm(), day.shift_mm, strict=True))
    thick = max(1, int(SLAB_MM / grid.spacing_mm[2]))
    for start in range(0, grid.shape[2], thick):
        stop = min(start + thick, grid.shape[2])
        box = _inner_box(body, x, y, z[start:stop])
        axes = (x[box[0]], y[box[1]], z[start:stop])
        part = _render_slab(body, day, axes)
        tissue[box[0], box[1], start:stop], label[box[0], box[1], start:stop] = part
    return Anatomy(tissue=tissue, label=label, grid=grid)


def _inner_box(body: Body, x: Any, y: Any, z: Any) -> tuple[slice, slice]:
    """Columns and rows that hold the body between the lowest and highest z."""
    lattice = body.lattice
    low = int(np.clip((z[0] - lattice.origin_mm[2]) / lattice.spacing_mm - 1, 0, lattice.shape[2] - 1))
    high = int(np.clip((z[-1] - lattice.origin_mm[2]) / lattice.spacing_mm + 2, low + 1, lattice.shape[2]))
    held: NDArray[np.bool_] = np.any(body.skin_mm[:, :, low:high] > 0, axis=2)
    box = []
    for axis, line in ((0, x), (1, y)):
        along = np.nonzero(held.any(axis=1 - axis))[0]
        if not along.size:
            return slice(0, 1), slice(0, 1)
        edge = lattice.origin_mm[axis] + lattice.spacing_mm * (np.array([along[0] - 1.0, along[-1] + 1.0]))
        first, last = np.searchsorted(line, edge)
        box.append(slice(max(int(first) - 1, 0), min(int(last) + 1, len(line))))
    return box[0], box[1]


def _render_slab(body: Body, day: Day, axes: tuple[Any, Any, Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    lattice, template = body.lattice, body.fitted.frame.template
    skin = lattice.read(body.skin_mm, axes)
    inside = skin > 0
    tissue = np.where(inside, np.where(skin < SKIN_MM, Tissue.SKIN, Tissue.SUBCUTANEOUS_FAT), 0).astype(np.uint8)
    label = np.where(inside, np.where(skin < SKIN_MM, NAME["skin"], NAME["subcutaneous_fat"]), 0).astype(np.uint8)
    _breasts(body, axes, inside, tissue, label)
    _arms(body, axes, tissue, label)
    frame_at = tuple(lattice.read(value, axes) for value in body.pulls.frame)
    wall = nearest(template.frame, template.origin_mm, template.spacing_mm, frame_at)
    names = nearest(template.frame_name, template.origin_mm, template.spacing_mm, frame_at)
    solid = (wall > 0) & inside
    tissue[solid], label[solid] = wall[solid], names[solid]
    lean_fat = solid & (wall == Tissue.FAT)
    label[lean_fat] = NAME["body"]
    cavity = wall == Tissue.CAVITY
    _fill_cavity(body, day, axes, cavity, frame_at, tissue, label)
    _real_organs(body, day, axes, tissue, label)
    return tissue, label


def _breasts(body: Body, axes: Any, inside: Any, tissue: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
    """Fat inside the breasts' ellipsoids, with gland where the body's strands run, denser in the young."""
    for center in body.breast_centers_mm:
        x, y, z = ((axis - c) / r for axis, c, r in zip(np.ix_(*axes), center, body.breast_mm, strict=True))
        away = x * x + y * y + z * z
        held = (away < 1.0) & inside & (tissue == Tissue.SUBCUTANEOUS_FAT)
        if held.any():
            label[held] = NAME["breast"]
            gland = held & (away < 0.7) & (body.strands_at(axes) > body.gland_level)
            tissue[gland] = Tissue.BREAST_GLAND


def _arms(body: Body, axes: Any, tissue: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
    template = body.fitted.frame.template
    if axes[2][-1] < body.arms_low_mm:
        return
    for side, points in zip(("right", "left"), body.pulls.arms, strict=True):
        at = tuple(body.lattice.read(value, axes) for value in points)
        arm = nearest(template.arms, template.origin_mm, template.spacing_mm, at)
        held = (arm > 0) & (tissue > 0)
        if held.any():
            tissue[held] = arm[held]
            bone = np.isin(arm, (Tissue.CORTICAL, Tissue.MARROW, Tissue.RED_MARROW))
            label[held] = NAME["skeletal_muscle"]
            label[bone] = NAME[f"humerus_{side}"]


def _fill_cavity(
    body: Body, day: Day, axes: Any, cavity: Any, frame_at: Any, tissue: NDArray[np.uint8], label: NDArray[np.uint8]
) -> None:
    frame, lattice = body.fitted.frame, body.lattice
    tissue[cavity], label[cavity] = Tissue.VISCERAL_FAT, NAME["torso_fat"]
    chest = frame_at[2] > frame.base_z_mm
    depth = lattice.read(body.pulls.depth, axes)
    lining = cavity & (depth > np.where(chest, LINING_DEPTH, body.lining_depth))
    tissue[lining], label[lining] = Tissue.MUSCLE, NAME["skeletal_muscle"]
    tissue[cavity & chest & ~lining] = Tissue.MEDIASTINUM
    level = np.where(chest, body.fat_levels[0], body.fat_levels[1])
    firm = cavity & ~lining & (body.strands_at(axes) > level)
    tissue[firm], label[firm] = Tissue.SOFT_TISSUE, NAME["body"]
    tubes_at = [lattice.read(value, axes) for value in body.pulls.tubes]
    tubes_at[2] = tubes_at[2] + day.breath(tubes_at[2], frame.base_z_mm)
    template = frame.template
    tubes = nearest(frame.tubes, template.origin_mm, template.spacing_mm, tubes_at)
    tube_names = nearest(template.organs_name, template.origin_mm, template.spacing_mm, tubes_at)
    held = cavity & (tubes > 0) & (tubes != Tissue.LIVER_VESSEL)
    tissue[held], label[held] = tubes[held], tube_names[held]
    unnamed = held & (label == 0)
    label[unnamed] = np.where(
        np.isin(tubes, (Tissue.ARTERY, Tissue.LUNG_VESSEL)), NAME["pulmonary_artery"], NAME["torso_fat"]
    )[unnamed]
    _gut(body, day, axes, cavity, tissue, label)
    if body.patient.sex == "F":
        _uterus(body, axes, cavity, tissue, label)


def _gut(body: Body, day: Day, axes: Any, cavity: Any, tissue: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
    gut = body.gut
    low = gut.lattice.origin_mm[2]
    high = low + gut.lattice.spacing_mm * (gut.lattice.shape[2] - 1)
    z = axes[2]
    first, last = np.searchsorted(z, [low, high])
    if last <= first:
        return
    part = (slice(None), slice(None), slice(int(first), int(last)))
    inner = (axes[0], axes[1], z[first:last])
    fields = (gut.colon_mm, gut.loop_mm, gut.loop_axis_mm, gut.colon_s, gut.duodenum_mm)
    colon, loop, axis, place, duodenum = (gut.lattice.read(field, inner) for field in fields)
    free = cavity[part] & np.isin(
        tissue[part], (Tissue.VISCERAL_FAT, Tissue.MEDIASTINUM, Tissue.SOFT_TISSUE, Tissue.THYMUS)
    )
    t, n = tissue[part], label[part]
    loops = free & (loop > 0)
    hollow = (loop > WALL_MM["loop"]) & (axis < LUMEN_MM)
    t[loops] = np.where(hollow, Tissue.BOWEL_LUMEN, Tissue.SMALL_BOWEL)[loops]
    n[loops] = NAME["small_bowel"]
    first_loop = free & (duodenum > 0)
    t[first_loop] = np.where(duodenum > WALL_MM["duodenum"], Tissue.BOWEL_LUMEN, Tissue.DUODENUM)[first_loop]
    n[first_loop] = NAME["duodenum"]
    tube = free & (colon > 0) & ~first_loop
    rectum = place > RECTUM_FROM
    lumen = colon > WALL_MM["colon"]
    height = inner[1][None, :, None] * 0.045 + day.gas_field(inner)
    gas = lumen & ~rectum & (height > day.gas_level(height, lumen & tube & ~rectum))
    walls = np.where(rectum, Tissue.RECTUM_WALL, Tissue.COLON_WALL)
    t[tube] = np.where(gas, Tissue.GAS, np.where(lumen, Tissue.COLON_LUMEN, walls))[tube]
    n[tube] = NAME["colon"]


def _uterus(body: Body, axes: Any, cavity: Any, tissue: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
    """A pear behind and above the bladder, tilted forward; ovaries at its sides until the menopause."""
    center, size, tilt = body.uterus_center_mm, body.uterus_mm, 0.9
    x, y, z = (axis - c for axis, c in zip(np.ix_(*axes), center, strict=True))
    along = y * np.sin(tilt) + z * np.cos(tilt)
    across = y * np.cos(tilt) - z * np.sin(tilt)
    taper = 1.0 + 0.35 * np.clip(along / size[2], -1, 1)
    inside = (x / (size[0] * taper)) ** 2 + (across / (size[1] * taper)) ** 2 + (along / size[2]) ** 2 < 1.0
    held = inside & cavity
    tissue[held], label[held] = Tissue.UTERUS, NAME["uterus"]


def _real_organs(body: Body, day: Day, axes: Any, tissue: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
    maps, frame, lattice = body.maps, body.fitted.frame, body.lattice
    best = np.zeros(tissue.shape, np.float32)
    owner = np.zeros(tissue.shape, np.uint8)
    boxes = {}
    for organ, soft in maps.soft.items():
        box = _box_of(body, soft, axes)
        if box is None:
            continue
        inner = tuple(axis[piece] for axis, piece in zip(axes, box, strict=True))
        at = [lattice.read(value, inner) for value in body.pulls.case]
        if organ not in (Organ.BLADDER, Organ.PROSTATE):
            at[2] = at[2] + day.breath(at[2], body.case.row.base_z_mm)
        index = np.stack([value.ravel() for value in at]) / np.float32(maps.spacing_mm)
        if organ == Organ.BLADDER:
            middle = (maps.bladder_center_mm / maps.spacing_mm).astype(np.float32)[:, None]
            index = middle + (index - middle) / np.float32(day.bladder_stretch)
        level = soft.read(index).reshape(best[box].shape)
        wins = level > best[box]
        best[box][wins] = level[wins]
        owner[box][wins] = organ
        boxes[organ] = (box, index)
    old = tissue.copy()
    for organ, (box, index) in boxes.items():
        mine = owner[box] == organ
        if mine.any():
            _paint_organ(body, day, organ, box, index, mine, old, axes, tissue, label)
    if Organ.HEART in boxes:
        box, index = boxes[Organ.HEART]
        t, n = tissue[box], label[box]
        root = (maps.root.read(index).reshape(t.shape) > 0) & (owner[box] == 0)
        root &= np.isin(t, (Tissue.MEDIASTINUM, Tissue.SOFT_TISSUE))
        heart = maps.soft[Organ.HEART]
        root &= (index[2] > heart.low[2] + ROOT_FROM * heart.level.shape[2]).reshape(t.shape)
        t[root], n[root] = Tissue.ARTERY, NAME["aorta"]
    if Organ.KIDNEY in boxes:
        box, index = boxes[Organ.KIDNEY]
        hilum = (maps.sinus.read(index).reshape(owner[box].shape) > 0) & (owner[box] == 0)
        core = maps.kidney_depth.read(index).reshape(hilum.shape) > -5.5
        t, n = tissue[box], label[box]
        fat = hilum & np.isin(t, (Tissue.SMALL_BOWEL, Tissue.BOWEL_LUMEN, Tissue.COLON_WALL, Tissue.COLON_LUMEN))
        t[fat], n[fat] = Tissue.VISCERAL_FAT, NAME["torso_fat"]
        pelvis = hilum & core & (frame is not None)
        t[pelvis], n[pelvis] = Tissue.RENAL_PELVIS, NAME["renal_pelvis"]


def _box_of(body: Body, soft: SoftOrgan, axes: Any) -> tuple[slice, slice, slice] | None:
    """The part of the slab that an organ's box may reach, 30 mm for the small deformation and breathing included."""
    pose, step = body.fitted.pose, body.maps.spacing_mm
    low = soft.low * step * pose.scale + pose.offset_mm - 30.0
    high = (soft.low + np.array(soft.level.shape)) * step * pose.scale + pose.offset_mm + 30.0
    box = []
    for line, a, b in zip(axes, low, high, strict=True):
        first, last = (int(value) for value in np.searchsorted(line, [a, b]))
        if last <= first:
            return None
        box.append(slice(first, last))
    return box[0], box[1], box[2]


def _paint_organ(
    body: Body,
    day: Day,
    organ: Organ,
    box: Any,
    index: NDArray[Any],
    mine: NDArray[np.bool_],
    old: NDArray[np.uint8],
    axes: Any,
    tissue: NDArray[np.uint8],
    label: NDArray[np.uint8],
) -> None:
    t, n = tissue[box], label[box]
    code, name = ORGAN_PAINT[organ]
    here = index[:, mine.ravel()]
    codes = np.full(here.shape[1], code, np.uint8)
    names = np.full(here.shape[1], name, np.uint8)
    if organ == Organ.KIDNEY:
        depth = body.maps.kidney_depth.read(here)
        codes[depth > CORTEX_MM] = Tissue.KIDNEY_CORE
        inner = tuple(axis[piece] for axis, piece in zip(axes, box, strict=True))
        codes[(depth > CALYX_MM) & (body.strands_at(inner)[mine] > CALYX_LEVEL)] = Tissue.RENAL_PELVIS
        middle = body.case.row.midline_x_mm / body.maps.spacing_mm
        names[here[0] < middle] = NAME["kidney_left"]
    elif organ == Organ.STOMACH:
        lumen = body.maps.stomach_depth.read(here) > WALL_MM["stomach"]
        front = np.broadcast_to(axes[1][box[1]][None, :, None], mine.shape)[mine]
        codes[lumen] = Tissue.STOMACH_LUMEN
        if lumen.any():
            codes[lumen & (front > np.quantile(front[lumen], 1.0 - day.stomach_gas))] = Tissue.GAS
    elif organ == Organ.HEART:
        codes = _heart(body, here)
        for part, number in HEART_NAMES.items():
            names[codes == part] = number
    elif organ == Organ.LUNG:
        names = _lobes(body, here)
        kept = old[box][mine]
        keep = np.isin(kept, (Tissue.AIRWAY, Tissue.LUNG_VESSEL))
        codes[_vessel_distance(body, axes, box, mine) < _lung_vessel_radius(body, here)] = Tissue.LUNG_VESSEL
        codes[keep] = kept[keep]
    elif organ == Organ.LIVER:
        codes[_vessel_distance(body, axes, box, mine) < LIVER_VESSEL_MM] = Tissue.LIVER_VESSEL
    t[mine], n[mine] = codes, names


def _vessel_distance(body: Body, axes: Any, box: Any, mine: NDArray[np.bool_]) -> NDArray[Any]:
    """Distance in mm from the drawn vessels at an organ's voxels."""
    inner = tuple(axis[piece] for axis, piece in zip(axes, box, strict=True))
    first, second = (body.vessel_lattice.read(field, inner)[mine] for field in body.vessels_mm)
    found: NDArray[Any] = np.hypot(first, second)
    return found


def _lung_vessel_radius(body: Body, index: NDArray[Any]) -> NDArray[Any]:
    """Vessels taper from 3.0 mm at the hila to 0.9 mm at the pleura; about the middle of the heart's top (assumed)."""
    maps = body.maps
    hilum = maps.heart_center_mm / maps.spacing_mm + np.array([0.0, -15.0, 40.0]) / maps.spacing_mm
    away = np.abs(index - hilum[:, None].astype(np.float32)) * np.float32(maps.spacing_mm)
    distance = np.sqrt(np.maximum(away[0] - 35.0, 0.0) ** 2 + away[1] ** 2 + away[2] ** 2)
    radius: NDArray[Any] = 0.9 + 2.1 * np.exp(-distance / 45.0)
    return radius


def _heart(body: Body, index: NDArray[Any]) -> NDArray[np.uint8]:
    """Walls and chambers: the template's heart matched to the real one by centre and second moments."""
    inset, maps = body.fitted.frame.heart, body.maps
    match = _root(inset.covariance) @ np.linalg.inv(_root(maps.heart_covariance))
    away = index.astype(float) * maps.spacing_mm - maps.heart_center_mm[:, None]
    points = match @ away + inset.center_mm[:, None]
    spacing = body.fitted.frame.template.spacing_mm
    found = nearest(inset.labels, inset.origin_mm, spacing, (points[0], points[1], points[2]))
    return np.where(found > 0, found, Tissue.BLOOD_POOL).astype(np.uint8)


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    root: NDArray[np.float64] = (vectors * np.sqrt(np.maximum(values, 1e-9))) @ vectors.T
    return root


def _lobes(body: Body, index: NDArray[Any]) -> NDArray[np.uint8]:
    """Lobes by two slanting fissures, placed by the lungs' own box."""
    soft = body.maps.soft[Organ.LUNG]
    size = np.array(soft.level.shape) - 6.0
    across = index - (soft.low + 3.0)[:, None]
    depth, height = across[1] / size[1], across[2] / size[2]
    right = index[0] > body.case.row.midline_x_mm / body.maps.spacing_mm
    upper = height > 0.80 - 0.86 * depth
    names = np.where(upper, NAME["lung_upper_lobe_left"], NAME["lung_lower_lobe_left"])
    middle = upper & (height < 0.52 - 0.06 * depth)
    on_right = np.where(upper, NAME["lung_upper_lobe_right"], NAME["lung_lower_lobe_right"])
    on_right = np.where(middle, NAME["lung_middle_lobe_right"], on_right)
    return np.where(right, on_right, names).astype(np.uint8)
