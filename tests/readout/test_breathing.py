"""Labels of the CT are found again on a PET whose diaphragm stands elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vct.readout.breathing import on_pet
from vct.readout.reader import study_of
from vct.readout.segmenter import labels_on_pet, physiological
from vct.records import Patient, Scan, Snapshot, Visit
from vct.structures import STRUCTURES, voxels_of
from vct.volume import Grid, Volume

GRID = Grid(shape=(40, 40, 90), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(-78.0, -78.0, -180.0))


def body(up_mm: float = 0.0, spacing_mm: float = 4.0) -> tuple[Volume, Volume]:
    """Labels and PET of lungs above a liver, a hot heart between the lungs; the PET's organs stand `up_mm` higher."""
    n = round(360.0 / spacing_mm)
    grid = replace(GRID, shape=(40, 40, n), spacing_mm=(4.0, 4.0, spacing_mm))
    x, y, z = grid.axes_mm()
    inside = np.broadcast_to((np.abs(x) < 70) & (np.abs(y) < 60), grid.shape)

    def drawn(lift: float) -> np.ndarray:
        dome = 20.0 - (x**2 + y**2) / 120.0 + lift
        labels = np.where(inside, STRUCTURES["skeletal_muscle"], 0).astype(np.uint8)
        within = (np.abs(x) < 60) & (np.abs(y) < 50) & np.ones_like(z, dtype=bool)
        labels[within & (z >= dome) & (z < 130)] = STRUCTURES["lung_lower_lobe_right"]
        labels[within & (z < dome) & (z > -100 + lift)] = STRUCTURES["liver"]
        heart = x**2 + y**2 + (z - 60.0 - lift) ** 2 < 30.0**2
        labels[heart] = STRUCTURES["heart_myocardium"]
        return labels

    table = np.zeros(256, np.float32)
    for name, suv in (
        ("liver", 2.3),
        ("lung_lower_lobe_right", 0.5),
        ("heart_myocardium", 6.0),
        ("skeletal_muscle", 0.7),
    ):
        table[STRUCTURES[name]] = suv
    noise = np.random.default_rng(1).normal(1.0, 0.1, grid.shape)
    return (
        Volume(data=drawn(0.0), grid=grid, unit="label"),
        Volume(data=(table[drawn(up_mm)] * noise).astype(np.float32), grid=grid, unit="SUVbw"),
    )


def top_mm(labels: Volume, organ: str = "liver") -> float:
    seen = voxels_of(labels.data, organ).any(axis=(0, 1))
    return float(labels.grid.axes_mm()[2].ravel()[np.flatnonzero(seen)[-1]])


@pytest.mark.parametrize("spacing_mm", [2.0, 4.0])
@pytest.mark.parametrize("up_mm", [-16.0, -8.0, 4.0, 12.0])
def test_the_movement_is_found(up_mm: float, spacing_mm: float) -> None:
    labels, pet = body(up_mm, spacing_mm)
    moved = on_pet(labels, pet.data)
    assert moved.grid == labels.grid
    assert top_mm(moved) - top_mm(labels) == pytest.approx(up_mm, abs=4.0)
    assert (moved.data[..., -10:] == labels.data[..., -10:]).all()


def test_without_movement_or_lungs_labels_stay() -> None:
    labels, pet = body()
    assert on_pet(labels, pet.data) is labels
    bare = replace(labels, data=np.where(voxels_of(labels.data, "lungs"), 0, labels.data))
    assert on_pet(bare, body(12.0)[1].data) is bare


def test_a_liver_that_reaches_into_the_lung_is_no_lesion() -> None:
    labels, pet = body(12.0)
    ct = Volume(data=np.zeros(labels.data.shape, np.float32), grid=labels.grid, unit="HU")
    patient = Patient(id="P1", sex="F", age_years=50.0, height_cm=165.0, weight_kg=60.0)
    scan = Scan(
        snapshot=Snapshot(patient=patient, visit=Visit(name="one", day=0.0)),
        ct=ct, pet=pet, labels=labels, made_by="test", fwhm_mm=6.0, noise_cov=0.1,
    )  # fmt: skip
    found = labels_on_pet(scan)
    assert found is not None
    assert (physiological(scan) == voxels_of(found.data, "heart")).all()
    assert [mark for mark in study_of(scan).marks if mark.seen] == []
