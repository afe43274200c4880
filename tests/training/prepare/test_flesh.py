"""Muscle and fat by HU, against a phantom whose own labels were taken away."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from vct.cli import app
from vct.engine.phantom import Phantom
from vct.records import Patient, Snapshot, Visit
from vct.structures import STRUCTURES
from vct.training.flesh import FLESH, with_flesh
from vct.training.folder import read_volume, write_scan, write_table
from vct.training.organs import read_numbers
from vct.volume import Volume

OURS = [number for number in STRUCTURES.values() if number > 117]


@pytest.fixture(scope="module")
def scan():
    patient = Patient(id="A", sex="F", age_years=61.0, height_cm=170.0, weight_kg=80.0)
    return Phantom(spacing_mm=4.0).generate(Snapshot(patient=patient, visit=Visit(name="scan", day=0.0), lesions=()), 3)


@pytest.fixture(scope="module")
def total(scan) -> Volume:
    """What TotalSegmentator's `total` task would give."""
    data = np.where(np.isin(scan.labels.data, OURS), 0, scan.labels.data).astype(np.uint8)
    return Volume(data=data, grid=scan.labels.grid, unit="label")


def overlap(found: Volume, truth: Volume, name: str) -> float:
    """Dice coefficient."""
    a, b = (volume.data == STRUCTURES[name] for volume in (found, truth))
    return 2.0 * float((a & b).sum()) / float(a.sum() + b.sum())


def test_muscle_and_fat_are_told_apart(scan, total) -> None:
    found = with_flesh(scan.ct, total)
    assert overlap(found, scan.labels, "skeletal_muscle") > 0.8
    assert overlap(found, scan.labels, "subcutaneous_fat") > 0.8
    assert overlap(found, scan.labels, "torso_fat") > 0.6
    body = scan.labels.data > 0
    assert ((found.data > 0) & body).sum() / body.sum() > 0.98
    kept = total.data > 0
    np.testing.assert_array_equal(found.data[kept], total.data[kept])


def test_labels_that_have_flesh_are_left_alone(scan) -> None:
    assert with_flesh(scan.ct, scan.labels) is scan.labels


def test_a_folder_is_labelled_once_and_measured(scan, total, tmp_path) -> None:
    """As after `vct prepare twins` with a voxel blueprint, which leaves an empty organs.csv."""
    write_table(tmp_path / "scans", [scan.snapshot.patient], "a phantom")
    write_scan(tmp_path / "scans", scan)
    (tmp_path / "scans" / "A" / "labels.nii.gz").unlink()
    (tmp_path / "scans" / "organs.csv").write_text("scan,sex,age_years,height_cm,weight_kg,organ,quantity,value\n")
    order = ["prepare", "label", str(tmp_path / "scans"), "--segmenter", "none"]
    refused = CliRunner().invoke(app, order)
    assert "no segmentation, and no segmenter is installed" in str(refused.exception)
    (tmp_path / "made").mkdir()
    total.save(tmp_path / "made" / "A.nii.gz")
    said = CliRunner().invoke(app, [*order, "--segmentations", str(tmp_path / "made")])
    assert said.exit_code == 0, said.output
    labels = read_volume(tmp_path / "scans", "A", "labels")
    assert {STRUCTURES[name] for name in FLESH} <= set(np.unique(labels.data).tolist())
    numbers = {(item.organ, item.quantity): item.value for item in read_numbers(tmp_path / "scans" / "organs.csv")}
    assert numbers["liver", "volume_ml"] == pytest.approx(
        np.count_nonzero(scan.labels.data == STRUCTURES["liver"]) * scan.labels.grid.voxel_ml, rel=1e-3
    )
    before = (tmp_path / "scans" / "A" / "labels.nii.gz").stat().st_mtime_ns
    assert CliRunner().invoke(app, order).exit_code == 0
    assert (tmp_path / "scans" / "A" / "labels.nii.gz").stat().st_mtime_ns == before
