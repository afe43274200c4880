"""The painted body against the sizes it was asked to have."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vct.engine.phantom import tables
from vct.engine.phantom.body import paint
from vct.engine.phantom.paint import Canvas
from vct.engine.phantom.settle import settle
from vct.engine.phantom.tissue import TISSUES
from vct.structures import labels_of
from vct.volume import Grid

PEOPLE = {
    "thin man": ("M", 30.0, 180.0, 17.5),
    "lean woman": ("F", 35.0, 168.0, 18.5),
    "man": ("M", 55.0, 176.0, 25.0),
    "old woman": ("F", 80.0, 158.0, 26.0),
    "heavy man": ("M", 50.0, 178.0, 36.0),
    "obese woman": ("F", 48.0, 163.0, 44.0),
}
# ln volume in hedyPET (n = 80): b0, male, age per 10 years over 50, ln(weight / 75), ln(height / 1.72)
HEDYPET_BONES = {
    "vertebrae_lumbar": (5.65046, 0.06065, 0.02705, -0.07595, 2.2003),
    "hips": (6.55057, 0.05486, 0.02626, 0.02686, 2.05709),
    "ribs": (5.74741, 0.24034, -0.00171, 0.17299, 1.88103),
    "sacrum": (5.18317, -0.04597, 0.02629, -0.09967, 2.48571),
    "sternum": (3.9821, 0.18285, 0.04334, 0.23624, 2.42674),
}


@pytest.fixture(scope="module", params=PEOPLE)
def whole(request, somebody, seed):
    """A patient's body, and the volumes painted on a grid from feet to raised hands."""
    patient = somebody(request.param, *PEOPLE[request.param])
    body = settle(patient, seed)
    tall = body.build.scale[2]
    shape = (88, 76, math.ceil(2090.0 * tall / 8.0))
    grid = Grid(shape=shape, spacing_mm=(8.0,) * 3, origin_mm=(-348.0, -290.0, -935.0 * tall))
    canvas = Canvas(grid, body.build.scale, with_images=False)
    paint(body, canvas, body.build.volumes_ml["urinary_bladder"], dict.fromkeys(TISSUES, 0.0))
    return patient, body, canvas.volume_ml


def test_the_body_weighs_what_the_patient_weighs(whole):
    patient, _, volume_ml = whole
    kg = sum(ml * tables.DENSITY[TISSUES[name][2]] for name, ml in volume_ml.items()) / 1000.0
    assert kg == pytest.approx(patient.weight_kg, rel=0.02)


def test_fat_is_the_share_that_it_should_be(whole):
    patient, body, volume_ml = whole
    adipose_kg = 0.95 * (volume_ml["torso_fat"] + volume_ml["subcutaneous_fat"]) / 1000.0
    assert adipose_kg == pytest.approx(body.traits.fat_share * patient.weight_kg / 0.8, rel=0.06)
    if patient.bmi_kg_m2 > 22.0:
        assert volume_ml["torso_fat"] == pytest.approx(body.build.volumes_ml["visceral_fat"], rel=0.12)
    assert volume_ml["skeletal_muscle"] > 8000.0


@pytest.mark.parametrize(
    ("organ", "structures", "tolerance"),
    [
        ("liver", ("liver",), 0.03), ("spleen", ("spleen",), 0.04), ("kidneys", ("kidneys",), 0.04),
        ("lungs", ("lungs",), 0.07), ("stomach", ("stomach",), 0.04), ("colon", ("colon",), 0.05),
        ("small_bowel", ("small_bowel",), 0.05), ("pancreas", ("pancreas",), 0.08), ("aorta", ("aorta",), 0.07),
        ("heart", ("heart",), 0.09), ("brain", ("brain",), 0.03), ("urinary_bladder", ("urinary_bladder",), 0.03),
        ("gallbladder", ("gallbladder",), 0.1),
    ],
)  # fmt: skip
def test_organs_have_their_published_volume_at_8_mm(whole, organ, structures, tolerance):
    _, body, volume_ml = whole
    target = body.build.volumes_ml[organ]
    members = {name for name, number in _numbers().items() for group in structures if number in labels_of(group)}
    assert sum(volume_ml.get(name, 0.0) for name in members) == pytest.approx(target, rel=tolerance)


@pytest.mark.parametrize("bone", HEDYPET_BONES)
def test_bones_are_near_hedypets(whole, bone):
    patient, _, volume_ml = whole
    b0, male, age, weight, height = HEDYPET_BONES[bone]
    expected = math.exp(
        b0 + male * (patient.sex == "M") + age * (patient.age_years - 50.0) / 10.0
        + weight * math.log(patient.weight_kg / 75.0) + height * math.log(patient.height_cm / 172.0)
    )  # fmt: skip
    members = [name for name, number in _numbers().items() if number in labels_of(bone)]
    assert sum(volume_ml[name] for name in members) == pytest.approx(expected, rel=0.4)


def test_volumes_at_4_mm_are_those_at_8_mm_and_the_targets(man, man_4mm, coarse, on_day, seed):
    eight = coarse.generate(on_day(man), seed)
    targets = settle(man, seed).build.volumes_ml
    for name in ("liver", "lungs", "heart", "kidneys", "spleen", "colon"):
        numbers = labels_of(name)
        fine, rough = (
            float(np.isin(scan.labels.data, numbers).sum()) * scan.labels.grid.voxel_ml for scan in (man_4mm, eight)
        )
        assert fine == pytest.approx(targets[name], rel=0.05)
        assert rough == pytest.approx(fine, rel=0.08)


def _numbers():
    from vct.structures import STRUCTURES

    return STRUCTURES
