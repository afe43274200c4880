"""From a patient to a body: sizes first, then the cuts at which every shape has its published volume.

The body is settled once per patient on an 8 mm grid and can then be painted on any grid. Its mass is the patient's
weight: adipose tissue by the fat share, bones, organs and skin by their volumes, and muscle makes up the rest.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from vct.engine.phantom import abdomen, frame, tables, thorax
from vct.engine.phantom.body import STANDARD_CM, Body, field_mm, hard_pieces, paint, soft_pieces, torso_grid
from vct.engine.phantom.frame import Build
from vct.engine.phantom.paint import Canvas, Piece, averaged_field, filled, level_of_volume, occupancy
from vct.engine.phantom.physiology import Traits, draw_traits
from vct.engine.phantom.space import FAR
from vct.engine.phantom.tissue import TISSUES
from vct.records import Patient
from vct.volume import Grid, Volume

LIPID_SHARE = 0.80  # of adipose tissue, ICRP 89
_STEP_MM = 8.0
_LABELS_MM = 6.0
_KEPT = 4
_SKIN_MM = (1.0, 3.0)
_BELLY_RANGE = (-40.0, 150.0)
_IN_CAVITY = (
    "liver", "spleen", "kidneys", "gallbladder", "stomach", "pancreas", "adrenals", "duodenum", "small_bowel", "colon",
    "urinary_bladder",
)  # fmt: skip


def settle(patient: Patient, seed: int) -> Body:
    """The body of `patient`; arm, site and dates do not count."""
    return _settle(_bare(patient), seed)


def usual_labels(patient: Patient, seed: int) -> Volume:
    """Labels of the torso on the patient's usual day: the same at every visit and for scans of any voxel size."""
    return _usual_labels(_bare(patient), seed)


def _bare(patient: Patient) -> Patient:
    return Patient(
        id=patient.id,
        sex=patient.sex,
        age_years=patient.age_years,
        height_cm=patient.height_cm,
        weight_kg=patient.weight_kg,
    )


@lru_cache(maxsize=_KEPT)
def _settle(patient: Patient, seed: int) -> Body:
    traits = draw_traits(patient, seed)
    build = _start(patient, traits)
    canvas = Canvas(_grid(patient, build), build.scale, with_images=False)
    levels: dict[str, float] = {}
    for piece in hard_pieces(build):
        _cut(piece, canvas, levels)
    build, chest_fat_ml = _lift_diaphragm(build, canvas)
    build = _fill_belly(build, canvas, chest_fat_ml)
    for piece in soft_pieces(build, build.volumes_ml["urinary_bladder"]):
        _cut(piece, canvas, levels)
    build = _clothe(build, canvas, levels, patient, traits)
    return Body(traits=traits, build=build, levels=levels, reach_mm=_reach(canvas, patient))


@lru_cache(maxsize=_KEPT)
def _usual_labels(patient: Patient, seed: int) -> Volume:
    body = _settle(patient, seed)
    canvas = Canvas(torso_grid(patient, body, _LABELS_MM), body.build.scale, with_images=False)
    paint(body, canvas, body.build.volumes_ml["urinary_bladder"], dict.fromkeys(TISSUES, 0.0))
    return canvas.label_volume()


def _cut(piece: Piece, canvas: Canvas, levels: dict[str, float]) -> None:
    if piece.target_ml is not None:
        levels[piece.key] = canvas.level_for(piece, piece.target_ml)
    canvas.paint(piece, levels.get(piece.key, 0.0), 0.0, 0.0)


def _start(patient: Patient, traits: Traits) -> Build:
    """Size of the skeleton: length with the height; width less than in proportion, a little with the BMI (assumed)."""
    tall = patient.height_cm / STANDARD_CM
    bmi = min(max(patient.bmi_kg_m2, 17.0), 45.0)
    wide = traits.frame * tall**0.7 * (bmi / 24.0) ** 0.08 * (0.94 if patient.sex == "F" else 1.0)
    return Build(
        sex=patient.sex,
        scale=(wide, wide, tall),
        volumes_ml=traits.volumes_ml,
        wobble=traits.wobble,
        chest_fat=min(max((traits.volumes_ml["visceral_fat"] / 2500.0) ** 0.25, 0.72), 1.15),
        trabecular_hu=traits.hu["trabecular"],
        lung_hu=traits.hu["lung"],
    )


def _grid(patient: Patient, build: Build) -> Grid:
    """The whole body with raised arms."""
    plump = max(patient.bmi_kg_m2 - 25.0, 0.0)
    wide = 240.0 * build.scale[0] + 6.0 * plump
    back, front = -152.0 * build.scale[1] - 2.5 * plump, 150.0 * build.scale[1] + 6.5 * plump
    low, high = -930.0 * build.scale[2], 1140.0 * build.scale[2]
    across, deep, along = (math.ceil(length / _STEP_MM) for length in (2.0 * wide, front - back, high - low))
    first = _STEP_MM / 2.0
    return Grid(
        shape=(across, deep, along),
        spacing_mm=(_STEP_MM, _STEP_MM, _STEP_MM),
        origin_mm=(first - across * first, back + first, low + first),
    )


def _lift_diaphragm(build: Build, framed: Canvas) -> tuple[Build, float]:
    """Lift the diaphragm until the lungs have their volume; also returns the fat in the chest."""
    room = Piece(name="torso_fat", field=lambda s: -frame.diaphragm(s, build), box=(-150, 150, -130, 110, 180, 560))
    lifted, chest_fat_ml = build, 0.0
    for _ in range(2):
        canvas = framed.clone()
        for piece in (*thorax.heart(lifted), thorax.mediastinum(lifted)):
            _cut(piece, canvas, {})
        chest_fat_ml = canvas.volume_ml["torso_fat"]
        space, window = canvas.space(room.box)
        inside = (1.0 - canvas.covered[window]) * occupancy(frame.cage(space), 0.0, _STEP_MM)
        level = level_of_volume(room.field(space), inside, build.volumes_ml["lungs"] / canvas.grid.voxel_ml)
        lifted = replace(build, diaphragm_mm=-level)
    return lifted, chest_fat_ml


def _fill_belly(build: Build, framed: Canvas, chest_fat_ml: float) -> Build:
    """Push the abdominal wall out until the cavity holds the organs and the visceral fat."""
    canvas = framed.clone()
    for piece in abdomen.psoas(build):
        _cut(piece, canvas, {})
    space, window = canvas.space(abdomen.visceral_fat(build).box)
    free = 1.0 - canvas.covered[window]
    organs = sum(build.volumes_ml[name] for name in _IN_CAVITY)
    organs += build.volumes_ml["uterus"] if build.sex == "F" else 0.0
    fat = max(build.volumes_ml["visceral_fat"] - chest_fat_ml, 0.1 * organs)
    low, high = _BELLY_RANGE
    for _ in range(12):
        middle = (low + high) / 2.0
        inside = frame.cavity(space, replace(build, belly_mm=middle)) < 0.0
        if float(free[inside].sum()) * canvas.grid.voxel_ml < organs + fat:
            low = middle
        else:
            high = middle
    return replace(build, belly_mm=(low + high) / 2.0)


def _clothe(build: Build, canvas: Canvas, levels: dict[str, float], patient: Patient, traits: Traits) -> Build:
    """Thicken muscle and subcutaneous fat until the body weighs what the patient weighs."""
    inner_kg = sum(ml * tables.DENSITY[TISSUES[name][2]] for name, ml in canvas.volume_ml.items()) / 1000.0
    fat_ml = 1000.0 * traits.fat_share * patient.weight_kg / LIPID_SHARE / tables.DENSITY["fat"]
    held_ml = sum(canvas.volume_ml.get(name, 0.0) for name in ("torso_fat", "subcutaneous_fat"))
    fat_ml = max(fat_ml - held_ml, 0.05 * fat_ml)
    skin_ml = 1000.0 * tables.SKIN_KG_M2[patient.sex] * _surface_m2(patient) / tables.DENSITY["skin"]
    rest = patient.weight_kg - inner_kg - (fat_ml * tables.DENSITY["fat"] + skin_ml * tables.DENSITY["skin"]) / 1000.0
    muscle_ml = 1000.0 * max(rest, 0.08 * patient.weight_kg) / tables.DENSITY["muscle"]

    space, window = canvas.space()
    lean, voxel_ml = frame.lean(space, build), canvas.grid.voxel_ml
    thickness = lean / frame.muscle_growth(space)
    build = replace(build, muscle_mm=level_of_volume(thickness, 1.0 - canvas.covered, muscle_ml / voxel_ml))
    muscle = lean - build.muscle_mm * frame.muscle_growth(space)
    canvas.lay("skeletal_muscle", "around", window, occupancy(muscle, 0.0, _STEP_MM), 0.0, 0.0)
    padding = muscle / frame.fat_growth(space, build)
    if build.sex == "F":
        padding = np.where(frame.breasts(space, build) < 0.0, -FAR, padding)
    build = replace(build, fat_mm=level_of_volume(padding, 1.0 - canvas.covered, fat_ml / voxel_ml))
    padded = frame.padded(muscle, space, build)
    wrapped = averaged_field(padded, _STEP_MM)
    canvas.lay("subcutaneous_fat", "around", window, filled(*wrapped, 0.0), 0.0, 0.0)
    thin, thick = (
        float(np.maximum(filled(*wrapped, mm) - canvas.covered, 0.0).sum(dtype=np.float64)) for mm in _SKIN_MM
    )
    share = (skin_ml / voxel_ml - thin) / (thick - thin)
    levels["skin"] = _SKIN_MM[0] + share * (_SKIN_MM[1] - _SKIN_MM[0])
    canvas.lay("skin", "around", window, filled(*wrapped, levels["skin"]), 0.0, 0.0)
    return build


def _surface_m2(patient: Patient) -> float:
    """Body surface (Du Bois 1916)."""
    return 0.007184 * float(patient.weight_kg**0.425 * patient.height_cm**0.725)


def _reach(canvas: Canvas, patient: Patient) -> tuple[float, float, float]:
    space, _ = canvas.space()
    low, high = field_mm(patient)
    z = space.z.ravel() * canvas.scale[2]
    body = canvas.covered[:, :, (z > low) & (z < high)] > 0.5
    x = np.abs(space.x.ravel()[body.any(axis=(1, 2))]) * canvas.scale[0]
    y = space.y.ravel()[body.any(axis=(0, 2))] * canvas.scale[1]
    half = _STEP_MM / 2.0
    return float(x.max()) + half, float(y.min()) - half, float(y.max()) + half
