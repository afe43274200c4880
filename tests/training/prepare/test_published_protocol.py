"""From real studies to the published table, verb by verb: prepare, split, train, twins, fidelity. Tiny."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from vct.cli import app  # noqa: E402
from vct.engine.cascade import engine as cascade  # noqa: E402
from vct.engine.cascade import sampler  # noqa: E402
from vct.engine.phantom import Phantom  # noqa: E402
from vct.records import Patient, Snapshot, Visit  # noqa: E402
from vct.training import anatomy, register, violins  # noqa: E402
from vct.training.folder import read_imaging, read_table, read_volume  # noqa: E402
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
def source(tmp_path_factory, total_task):
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
        case = f"fdg_{person.id}_2004-01-01"
        for stem, data, unit in (
            (f"imagesTr/{case}_0000", scan.ct.data, "HU"),
            (f"imagesTr/{case}_0001", scan.pet.data * np.float32(hotter), "SUVbw"),
            (f"labels/{case}", total_task(scan.labels).data, "label"),
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


def prepared_split(source, prepared, resolution, held) -> None:
    prepared.mkdir()
    (prepared / ".key").write_text("00" * 32)
    options = ("--table", source / "people.csv", "--segmentations", source / "labels", "--segmenter", "none")
    said = vct("prepare", "autopet", "--source", source, "--out", prepared, *options, "--resolution", resolution)
    cases = len(list((source / "labels").iterdir()))
    assert f"{cases} prepared" in said
    assert f"{cases - held} scans" in vct("prepare", "split", prepared, "--test", held)


def network(path, **settings):
    """A file with a tiny network's size."""
    tiny = {"stem": 4, "widths": [8], "head": 4}
    path.write_text(json.dumps({"network": tiny | settings.pop("network"), **settings}))
    return path


def paper_rows(out) -> dict[tuple[str, str, str], dict[str, str]]:
    """The paper's table by organ, quantity and group, with every organ and group in it."""
    with (out / "paper_table.csv").open(newline="") as file:
        found = {(row["organ"], row["quantity"], row["group"]): row for row in csv.DictReader(file)}
    groups = {"all", "sex F", "sex M", "age < 65", "age >= 65"}
    for organ in ("liver", "heart", "kidneys", "spleen", "lungs"):
        for quantity in ("volume_ml", "suv_mean", "suv_max"):
            assert groups == {group for name, what, group in found if (name, what) == (organ, quantity)}
    row = found["liver", "volume_ml", "all"]
    assert (row["n"], row["n_reference"]) == (str(HELD), str(HELD))
    return found


@pytest.mark.parametrize("resolution", [16, pytest.param(4, marks=pytest.mark.slow)], ids=["16 mm", "8 and 4 mm"])
def test_the_voxels_go_from_studies_to_the_published_table(source, tmp_path, monkeypatch, resolution) -> None:
    """As docs/real-data.md walks it, with two evaluations a scan; organs of the twins come from finished segmentations.
    The quick one goes without stage 2 and pictures.
    """
    monkeypatch.setattr(sampler, "DEFAULT", sampler.Schedule(steps=2))
    if resolution == 16:
        monkeypatch.setattr(cascade, "RESOLUTIONS_MM", (16.0,))
        monkeypatch.setattr(violins, "save_violins", lambda *_, **__: None)
    prepared, weights, synthetic, out = (tmp_path / name for name in ("prepared", "weights", "synthetic", "out"))
    prepared_split(source, prepared, resolution, HELD)
    quick = ("--data", prepared / "train", "--out", weights, "--batch", 2, "--accelerator", "cpu")
    first = network(tmp_path / "lowres.json", network={"extra": 3, "condition": 4}, spacing_mm=max(resolution, 8))
    assert "after 2 steps" in vct("train", "lowres", *quick, "--steps", 2, "--config", first)
    if resolution == 4:
        second = network(tmp_path / "superres.json", network={"extra": 5, "condition": 5, "norm": "rms"})
        assert "after 2 steps" in vct("train", "superres", *quick, "--fine-mm", 4, "--steps", 2, "--config", second)
    engine = ("--engine", f"cascade:{weights}", "--resolution", resolution)
    vct("prepare", "twins", prepared / "test", *engine, "--out", synthetic)
    assert "cascade voxel" in read_imaging(synthetic)["made_by"]

    finished = tmp_path / "finished"
    finished.mkdir()
    for twin in read_table(synthetic):
        labels = read_volume(prepared / "test", twin.id, "labels").data
        grid = read_volume(synthetic, twin.id, "ct").grid
        assert grid.shape == labels.shape
        total = np.where(labels > 117, 0, labels)
        Volume(data=total, grid=grid, unit="label").save(finished / f"{twin.id}.nii.gz", note="")
    vct("prepare", "label", synthetic, "--segmenter", "none", "--segmentations", finished)
    vct("fidelity", synthetic, "--reference", prepared / "test", "--out", out)
    assert read_table(prepared / "test") == read_table(synthetic), "the same people, under the same names"
    found = paper_rows(out)
    for quantity, percent in (("volume_ml", 10.0), ("suv_mean", 30.0)):
        assert abs(float(found["liver", quantity, "all"]["percent"])) < percent, "a regression on people of their kind"


@pytest.mark.slow
def test_from_studies_to_the_published_table(source, tmp_path, monkeypatch) -> None:
    level = register.Level(spans=register.LEVELS[-1].spans, steps=2, step_mm=4.0, stiffness=2e-5)
    monkeypatch.setattr(register.register, "__defaults__", ((level,),))
    monkeypatch.setattr(anatomy, "FEWEST_BODIES", 3)
    monkeypatch.setattr(cascade, "RESOLUTIONS_MM", (16.0,))
    prepared, weights, synthetic, out = (tmp_path / name for name in ("prepared", "weights", "synthetic", "out"))
    prepared_split(source, prepared, 16, HELD)
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
    found = paper_rows(out)
    row = found["liver", "volume_ml", "all"]
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
