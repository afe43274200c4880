"""From real studies to the published table, verb by verb: prepare, split, train, twins, fidelity. Tiny."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from vct.cli import app  # noqa: E402
from vct.engine.cascade import engine as cascade  # noqa: E402
from vct.engine.phantom import Phantom  # noqa: E402
from vct.records import Patient, Snapshot, Visit  # noqa: E402
from vct.training import anatomy, register  # noqa: E402
from vct.training.folder import read_table, read_volume  # noqa: E402
from vct.volume import Volume  # noqa: E402

PEOPLE = [
    Patient(
        id=f"p{number:02d}",
        sex="F" if number % 2 else "M",
        age_years=52.0 if number % 4 < 2 else 71.0,
        height_cm=160.0 + number % 7 * 3.0,
        weight_kg=60.0 + number % 5 * 6.0,
    )
    for number in range(18)
]
HELD = 8


def vct(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(item) for item in arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """autoPET III's layout, the phantom's images, and the labels of TotalSegmentator's `total` task beside them.

    Four phantoms stand for all: each person's is stretched to their height, and its uptake is theirs.
    """
    folder = tmp_path_factory.mktemp("real")
    for name in ("imagesTr", "labels"):
        (folder / name).mkdir()
    rows = ["subject_id,age,sex,height,weight"]
    visit = Visit(name="scan", day=0.0)
    phantom = Phantom(spacing_mm=16.0)
    first = {
        (p.sex, p.age_years): phantom.generate(Snapshot(patient=p, visit=visit, lesions=()), 3) for p in PEOPLE[:4]
    }
    rng = np.random.default_rng(0)
    for person in PEOPLE:
        scan = first[person.sex, person.age_years]
        taller = person.height_cm / scan.snapshot.patient.height_cm
        grid = replace(scan.ct.grid, spacing_mm=(16.0, 16.0, scan.ct.grid.spacing_mm[2] * taller))
        hotter = float(np.exp(rng.normal(0.0, 0.15)))
        total = np.where(scan.labels.data > 117, 0, scan.labels.data).astype(np.uint8)
        case = f"fdg_{person.id}_2004-01-01"
        for stem, data, unit in (
            (f"imagesTr/{case}_0000", scan.ct.data, "HU"),
            (f"imagesTr/{case}_0001", scan.pet.data * np.float32(hotter), "SUVbw"),
            (f"labels/{case}", total, "label"),
        ):
            Volume(data=data, grid=grid, unit=unit).save(folder / f"{stem}.nii.gz", note="")
        rows.append(f"{person.id},{person.age_years},{person.sex},{person.height_cm},{person.weight_kg}")
    (folder / "people.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads of torch cost more than they bring on arrays of this size."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_from_studies_to_the_published_table(source, tmp_path, monkeypatch) -> None:
    level = register.Level(spans=register.LEVELS[-1].spans, steps=2, step_mm=4.0, stiffness=2e-5)
    monkeypatch.setattr(register.register, "__defaults__", ((level,),))
    monkeypatch.setattr(anatomy, "FEWEST_BODIES", 3)
    monkeypatch.setattr(cascade, "RESOLUTIONS_MM", (16.0,))
    prepared, weights, synthetic, out = (tmp_path / name for name in ("prepared", "weights", "synthetic", "out"))
    prepared.mkdir()
    (prepared / ".key").write_text("00" * 32)
    options = ("--table", source / "people.csv", "--segmentations", source / "labels", "--segmenter", "none")
    assert "18 prepared" in vct(
        "prepare", "autopet", "--source", source, "--out", prepared, *options, "--resolution", 16
    )
    assert "10 scans" in vct("prepare", "split", prepared, "--test", HELD)
    vct(
        "train", "anatomy", "--data", prepared / "train", "--out", weights, "--spacing-mm", 16, "--steps", 2,
        "--accelerator", "cpu",
    )  # fmt: skip
    engine = f"cascade:{weights}"
    vct("prepare", "twins", prepared / "test", "--engine", engine, "--resolution", 16, "--out", synthetic)
    vct("fidelity", synthetic, "--reference", prepared / "test", "--out", out)

    real, twins = read_table(prepared / "test"), read_table(synthetic)
    assert real == twins, "the same people, under the same names"
    assert len(twins) == HELD
    with (out / "paper_table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["organ"], row["quantity"], row["group"]): row for row in rows}
    groups = {"all", "sex F", "sex M", "age < 65", "age >= 65"}
    for organ in ("liver", "heart", "kidneys", "spleen", "lungs"):
        for quantity in ("volume_ml", "suv_mean", "suv_max"):
            assert groups == {group for name, what, group in found if (name, what) == (organ, quantity)}
    row = found["liver", "volume_ml", "all"]
    assert (row["n"], row["n_reference"]) == (str(HELD), str(HELD))
    assert abs(float(row["percent"])) < 25.0, "drawn from 10 people of the same kind"
    assert 0.0 <= float(row["t_p"]) <= 1.0
    assert 0.0 <= float(row["u_p"]) <= 1.0
    split = [int(found["liver", "suv_mean", group]["n"]) for group in ("sex F", "sex M")]
    assert sum(split) == HELD
    for quantity in ("volume_ml", "suv_mean", "suv_max"):
        for by in ("", "_by_age"):
            picture = out / f"violins_{quantity}{by}.png"
            assert picture.read_bytes()[:4] == b"\x89PNG"
    muscle = read_volume(prepared, real[0].id, "labels").data == 140
    assert muscle.mean() > 0.02, "muscle was filled in, or bodies would be made of air"
