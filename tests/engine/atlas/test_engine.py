"""The atlas engine on a small atlas: the contract of every engine, and the truths that it promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vct.engine.atlas import Atlas
from vct.engine.base import Engine
from vct.errors import InputError
from vct.records import Lesion, Patient, Scan, Snapshot, Visit
from vct.structures import STRUCTURES, labels_of

BASELINE, WEEK8 = Visit(name="baseline", day=0), Visit(name="week8", day=56)


def scan_of(engine: Atlas, patient: Patient, visit: Visit = BASELINE, seed: int = 1, **more) -> Scan:
    return engine.generate(Snapshot(patient=patient, visit=visit, **more), seed)


def volume_ml(scan: Scan, structure: str) -> float:
    assert scan.labels is not None
    return float(np.isin(scan.labels.data, labels_of(structure)).sum()) * scan.labels.grid.voxel_ml


def test_satisfies_the_engine_protocol(engine: Atlas) -> None:
    assert isinstance(engine, Engine)


def test_scan_has_units_and_one_grid(engine: Atlas, man: Patient) -> None:
    scan = scan_of(engine, man)
    assert (scan.ct.unit, scan.pet.unit, scan.labels.unit) == ("HU", "SUVbw", "label")
    assert scan.ct.grid == scan.pet.grid == scan.labels.grid
    assert scan.ct.data.shape == (56, 56, 96)
    assert scan.ct.data.dtype == scan.pet.data.dtype == np.float32
    assert scan.pet.data.min() >= 0
    assert scan.ct.data.min() >= -1024


def test_same_seed_same_scan(atlas_folder: Path, engine: Atlas, man: Patient) -> None:
    other = Atlas(folder=atlas_folder, spacing_mm=8.0)
    first, second = scan_of(engine, man), scan_of(other, man)
    assert np.array_equal(first.pet.data, second.pet.data)
    assert np.array_equal(first.ct.data, second.ct.data)
    assert not np.array_equal(first.pet.data, scan_of(engine, man, seed=2).pet.data)


def test_arm_does_not_matter(engine: Atlas, man: Patient) -> None:
    twin = replace(man, arm="drug")
    assert np.array_equal(scan_of(engine, man).pet.data, scan_of(engine, twin).pet.data)


def test_body_stays_and_day_changes(engine: Atlas, man: Patient) -> None:
    first, later = scan_of(engine, man), scan_of(engine, man, WEEK8)
    assert not np.array_equal(first.labels.data, later.labels.data)
    for organ in ("liver", "spleen", "kidneys", "lungs"):
        assert volume_ml(later, organ) == pytest.approx(volume_ml(first, organ), rel=0.08)


@pytest.mark.parametrize("sex", ["F", "M"])
def test_labels_show_the_sexs_own_organs(engine: Atlas, sex: str) -> None:
    patient = Patient(id="P2", sex=sex, age_years=50, height_cm=170, weight_kg=75)
    held = set(np.unique(scan_of(engine, patient).labels.data))
    own, other = (("uterus", "breast"), ("prostate",)) if sex == "F" else (("prostate",), ("uterus", "breast"))
    assert held >= {STRUCTURES[name] for name in own}
    assert not held & {STRUCTURES[name] for name in other}


def test_organs_measure_as_drawn(engine: Atlas, man: Patient) -> None:
    scan = scan_of(replace_spacing(engine, 4.0), man)
    for organ, tolerance in {"liver": 0.02, "spleen": 0.04, "kidneys": 0.04, "heart": 0.08}.items():
        measured = float(scan.pet.data[np.isin(scan.labels.data, labels_of(organ))].mean())
        assert measured == pytest.approx(scan.planted_suv[organ], rel=tolerance), organ


def replace_spacing(engine: Atlas, spacing_mm: float) -> Atlas:
    return Atlas(folder=engine.folder, spacing_mm=spacing_mm)


def test_fat_meets_its_target_and_volume_follows_weight(engine: Atlas) -> None:
    totals = []
    for k, weight in enumerate((60.0, 85.0, 120.0)):
        patient = Patient(id=f"W{k}", sex="M", age_years=55, height_cm=176, weight_kg=weight)
        scan = scan_of(engine, patient)
        target = engine.body(patient, 1).target.subcutaneous_ml
        assert volume_ml(scan, "subcutaneous_fat") == pytest.approx(target, rel=0.15)
        totals.append(float((scan.labels.data > 0).sum()) * scan.labels.grid.voxel_ml)
    assert totals[0] < totals[1] < totals[2]


def test_lesions_are_placed_once_and_add_uptake(engine: Atlas, man: Patient) -> None:
    pytest.importorskip("vct.engine.lesions")
    lesion = Lesion(id="L1", organ="liver", diameter_mm=30, suv=12.0, room_mm=30)
    first = scan_of(engine, man, lesions=(lesion,))
    later = scan_of(engine, man, WEEK8, lesions=(lesion,))
    clean = scan_of(engine, man)
    a, b = first.snapshot.lesions[0].center_mm, later.snapshot.lesions[0].center_mm
    assert np.abs(np.subtract(a, b)).max() < 25.0
    assert first.pet.data.max() > clean.pet.data[np.isin(clean.labels.data, labels_of("liver"))].max()
    assert (first.pet.data - clean.pet.data).sum() > 0


def test_absurd_settings_are_refused(atlas_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2, 4 or 8"):
        Atlas(folder=atlas_folder, spacing_mm=3.0)
    with pytest.raises(InputError, match="atlas build"):
        Atlas(folder=tmp_path)
    with pytest.raises(InputError, match="folder"):
        Atlas.from_spec("", None)
    assert Atlas.from_spec(str(atlas_folder), 8.0).spacing_mm == 8.0
