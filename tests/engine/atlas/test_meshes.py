"""`vct atlas template` on meshes made here: a hollow trunk with bones, organs, a diaphragm and arms."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from vct.cli import app
from vct.engine.atlas.case import Organ
from vct.engine.atlas.frame import prepare
from vct.engine.atlas.meshes import make_template
from vct.engine.atlas.template import read_template
from vct.engine.atlas.tissues import Tissue
from vct.errors import InputError, VctError

STEP = 6.0
# file: layer, tissue, centre and half axes in RAS+ mm
BALLS = {
    "pelvis_r": ("frame", "marrow", (110, 70, 880), (20, 50, 60)),
    "pelvis_l": ("frame", "marrow", (-110, 70, 880), (20, 50, 60)),
    "liver": ("organs", "liver", (50, 95, 1050), (65, 60, 60)),
    "spleen": ("organs", "spleen", (-80, 70, 1050), (22, 30, 40)),
    "stomach": ("organs", "stomach_wall", (-35, 120, 1050), (35, 35, 40)),
    "kidney_r": ("organs", "kidney", (60, 55, 970), (24, 24, 48)),
    "kidney_l": ("organs", "kidney", (-60, 55, 970), (24, 24, 48)),
    "bladder": ("organs", "bladder", (0, 100, 850), (34, 30, 28)),
    "heart": ("organs", "myocardium", (-15, 110, 1180), (45, 40, 45)),
    "arm_r": ("arms", "muscle", (190, 77, 1150), (30, 30, 170)),
    "arm_l": ("arms", "muscle", (-190, 77, 1150), (30, 30, 170)),
}


def ball(center, half, n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n*n, 3) and triangles of an ellipsoid."""
    u = np.linspace(0, 2 * np.pi, n, endpoint=False)[:, None]
    v = np.linspace(0, np.pi, n)[None, :]
    points = np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v) * np.ones_like(u)], -1)
    index = np.arange(n * n).reshape(n, n)
    a, b, c, d = index[:, :-1], np.roll(index, -1, 0)[:, :-1], index[:, 1:], np.roll(index, -1, 0)[:, 1:]
    faces = np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])
    return (points * np.array(half) + np.array(center)).reshape(-1, 3), faces


def write(path: Path, points: np.ndarray, faces: np.ndarray) -> None:
    """An OBJ file along x left, y back, z up, as BodyParts3D's."""
    lines = [f"v {-x:.3f} {-y:.3f} {z:.3f}" for x, y, z in points] + [f"f {a} {b} {c}" for a, b, c in faces + 1]
    path.write_text("\n".join(lines))


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("meshes")
    outer, faces = ball((0, 85, 1070), (160, 110, 330))
    inner, _ = ball((0, 88, 1070), (132, 86, 300))
    write(folder / "wall.obj", np.concatenate([outer, inner]), np.concatenate([faces, faces[:, ::-1] + len(outer)]))
    x, y = np.meshgrid(np.linspace(-140, 140, 15), np.linspace(0, 180, 15), indexing="ij")
    dome = 1130.0 - 0.004 * ((x / 1.2) ** 2 + (y - 90) ** 2)
    index = np.arange(225).reshape(15, 15)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]
    squares = np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])
    write(folder / "diaphragm.obj", np.stack([x, y, dome], -1).reshape(-1, 3), squares)
    rows = [("frame", "wall.obj", "muscle"), ("organs", "diaphragm.obj", "diaphragm")]
    for name, (layer, tissue, center, half) in BALLS.items():
        write(folder / f"{name}.obj", *ball(center, half))
        rows.append((layer, f"{name}.obj", tissue))
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("layer", "file", "tissue"), *rows])
    return folder


def ml(counts: dict[str, int], tissue: str) -> float:
    return counts[tissue] * STEP**3 / 1000.0


def test_template_of_meshes_can_carry_an_atlas(meshes: Path, tmp_path: Path) -> None:
    counts = make_template(meshes, meshes / "table.csv", tmp_path, spacing_mm=STEP)
    assert ml(counts, "spleen") == pytest.approx(4 / 3 * np.pi * 22 * 30 * 40 / 1000, rel=0.08)
    assert ml(counts, "cavity") == pytest.approx(4 / 3 * np.pi * 132 * 86 * 300 / 1000, rel=0.06)
    template = read_template(tmp_path)
    frame = prepare(template)
    assert frame.apex_z_mm == pytest.approx(1370, abs=40)
    assert frame.base_z_mm == pytest.approx(1100, abs=40)
    assert frame.pelvis_z_mm == pytest.approx(824, abs=10)
    assert frame.centers_mm[(Organ.KIDNEY, 1)][0] == pytest.approx(60, abs=4)
    assert frame.centers_mm[(Organ.KIDNEY, -1)][0] == pytest.approx(-60, abs=4)
    assert not (template.organs == 0).any()
    assert {Tissue.CORTICAL, Tissue.MARROW, Tissue.MUSCLE, Tissue.CAVITY} <= set(np.unique(template.frame))


def test_right_is_right(meshes: Path, tmp_path: Path) -> None:
    make_template(meshes, meshes / "table.csv", tmp_path, spacing_mm=STEP)
    template = read_template(tmp_path)
    assert template.box()[0][np.argwhere(template.organs == Tissue.LIVER)[:, 0]].mean() > 30
    assert template.box()[0][np.argwhere(template.organs == Tissue.SPLEEN)[:, 0]].mean() < -60


def test_donors_of_any_height_come_to_one(meshes: Path, tmp_path: Path) -> None:
    taller = make_template(meshes, meshes / "table.csv", tmp_path / "a", spacing_mm=STEP, stature_cm=172.6 / 0.95)
    usual = make_template(meshes, meshes / "table.csv", tmp_path / "b", spacing_mm=STEP)
    assert taller["liver"] == pytest.approx(0.95**3 * usual["liver"], rel=0.03)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("frame,wall.obj,muscle", "frme,wall.obj,muscle", "frame"),
        ("frame,wall.obj,muscle", "frame,wall.obj,muscl", "muscle"),
        ("frame,wall.obj,muscle", "frame,../wall.obj,muscle", "leaves the folder"),
        ("frame,wall.obj,muscle", "frame,gone.obj,muscle", "gone.obj"),
        ("organs,bladder.obj,bladder", "organs,bladder.obj,prostate", "bladder"),
        ("organs,diaphragm.obj,diaphragm", "organs,diaphragm.obj,thymus", "lung or diaphragm"),
        ("layer,file,tissue", "layer,file", "tissue"),
    ],
)
def test_wrong_tables_are_refused(meshes: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    table = tmp_path / "t.csv"
    table.write_text((meshes / "table.csv").read_text().replace(old, new))
    with pytest.raises(VctError, match=said):
        make_template(meshes, table, tmp_path / "out", spacing_mm=STEP)
    assert not (tmp_path / "out").exists()


def test_meshes_in_metres_are_refused(meshes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    for path in meshes.glob("*"):
        text = path.read_text()
        if path.name == "liver.obj":
            text = "\n".join(
                " ".join([p[0], *(str(1000 * float(v)) for v in p[1:])]) if (p := line.split())[0] == "v" else line
                for line in text.splitlines()
            )
        (folder / path.name).write_text(text)
    with pytest.raises(InputError, match="mm"):
        make_template(folder, folder / "table.csv", tmp_path / "out", spacing_mm=STEP)


def test_the_verb(meshes: Path, tmp_path: Path) -> None:
    words = ["atlas", "template", "--meshes", str(meshes), "--table", str(meshes / "table.csv"), "--spacing-mm", "6"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "cavity" in done.output
    assert {path.name for path in tmp_path.iterdir()} == {"frame.nii.gz", "organs.nii.gz", "arms.nii.gz"}
    bad = CliRunner().invoke(app, [*words, "--out", str(tmp_path), "--axes", "LSP"])
    assert bad.exit_code == 2 or isinstance(bad.exception, VctError)
