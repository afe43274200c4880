"""Building an atlas: what is kept, what is refused and why."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from vct.engine.atlas import build
from vct.engine.atlas.build import TEMPLATES, read_index
from vct.engine.atlas.case import load_case
from vct.engine.atlas.screen import clean, landmarks, objection
from vct.engine.atlas.template import Template
from vct.errors import InputError
from vct.structures import STRUCTURES


def test_index_holds_every_good_case(atlas_folder: Path) -> None:
    rows = read_index(atlas_folder)
    assert len(rows) == 6
    assert {row.sex for row in rows} == {"F", "M"}
    for row in rows:
        assert 142 <= row.height_cm <= 203
        assert 16 <= row.weight_kg / (row.height_cm / 100) ** 2 <= 50.1
        case = load_case(atlas_folder / "cases" / f"{row.name}.npz", row)
        assert float((case.labels == 3).sum()) * 0.064 == pytest.approx(row.liver_ml, abs=0.1)
        assert (row.prostate_ml > 0) == (row.sex == "M")


def test_template_bones_have_names(atlas_folder: Path) -> None:
    template = Template.load(atlas_folder / TEMPLATES["M"])
    held = set(np.unique(template.frame_name))
    wanted = ("vertebrae_L3", "vertebrae_T8", "hip_left", "hip_right", "femur_left", "rib_left_1", "skeletal_muscle")
    assert held >= {STRUCTURES[name] for name in wanted}
    left = np.argwhere(template.frame_name == STRUCTURES["hip_left"])[:, 0].mean()
    right = np.argwhere(template.frame_name == STRUCTURES["hip_right"])[:, 0].mean()
    assert right > left  # RAS+: x grows to the right


def broken(labels: np.ndarray, what: str) -> np.ndarray:
    out = labels.copy()
    if what == "no liver":
        out[out == 3] = 0
    elif what == "one kidney":
        middle = out.shape[0] // 2
        out[:middle][out[:middle] == 2] = 0
    elif what == "upside down":
        out = out[:, :, ::-1]
    return out


@pytest.mark.parametrize(
    ("what", "reason"), [("no liver", "liver missing"), ("one kidney", "kidney"), ("upside down", "order")]
)
def test_bad_maps_are_refused_with_a_reason(sources: Path, what: str, reason: str) -> None:
    labels = np.asarray(nib.load(sources / "organs" / "case4.nii.gz").dataobj)
    assert objection(clean(labels, "M", 4.0), 4.0) == ""
    assert reason in objection(clean(broken(labels, what), "M", 4.0), 4.0)


def test_cleaning_mends(sources: Path) -> None:
    labels = np.asarray(nib.load(sources / "organs" / "case4.nii.gz").dataobj).copy()
    labels[1, 1, 1] = 3
    liver = np.argwhere(labels == 3).mean(axis=0).astype(int)
    labels[tuple(liver)] = 0
    mended = clean(labels, "F", 4.0)
    assert not (mended == 9).any()
    assert (mended == 3).sum() == (labels == 3).sum()
    marks = landmarks(mended, 4.0)
    assert 400 < marks.trunk_mm < 600
    assert marks.base_z_mm < marks.apex_z_mm


def test_what_is_left_out_is_written_down(sources: Path, tmp_path: Path) -> None:
    with (sources / "organs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["age_years"] = "12"
    table = tmp_path / "t.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    summary = build(sources / "organs", table, sources / "template", tmp_path / "out")
    assert summary["n_refused"] == 1
    assert "under 18" in (tmp_path / "out" / "refused.csv").read_text()


def test_missing_inputs_say_what_is_missing(sources: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t\.csv"):
        build(sources / "organs", tmp_path / "t.csv", sources / "template", tmp_path / "out")
    (tmp_path / "half").mkdir()
    shutil.copy(sources / "template" / "small_frame.nii.gz", tmp_path / "half")
    with pytest.raises(InputError, match="organs"):
        build(sources / "organs", sources / "organs.csv", tmp_path / "half", tmp_path / "out")
