"""Studies in every layout become one folder of training bodies; nothing that identifies anyone stays."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from vct.cli import app
from vct.engine.cascade.grid import shape_at
from vct.errors import InputError
from vct.formats.bids import write_bids
from vct.formats.dicom_export import write_dicom
from vct.formats.exam import Exam
from vct.records import Lesion, Patient, Visit
from vct.segmenter import Network
from vct.structures import STRUCTURES
from vct.training.data import prepare as read_for_training
from vct.training.folder import read_table, read_volume
from vct.training.prepare import prepare


def rows(out: Path, name: str = "participants.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def reasons(source: Path, out: Path) -> dict[str, int]:
    try:
        return prepare(source, out, segmenter="none", spacing_mm=8.0).refused
    except InputError:
        return {row["reason"]: 1 for row in rows(out, "refused.csv")}


@pytest.fixture(scope="module")
def prepared(challenge_once, tmp_path_factory) -> Path:
    out, challenge = tmp_path_factory.mktemp("prepared") / "out", challenge_once
    found = prepare(challenge, out, segmenter="none", spacing_mm=8.0, workers=2)
    assert (found.prepared, found.refused) == (3, {})
    return out


def test_the_challenge_layout(prepared, body, ends_mm) -> None:
    people = {row["weight_kg"]: row for row in rows(prepared)}
    assert people["90.5"]["sex"] == "M"
    assert people["90.5"]["age_years"] == "41.0"
    assert people["70.0"]["diagnosis"] == "MELANOMA"
    assert people["90.5"]["diagnosis"] == "", "free text may name someone"
    assert sorted(row["patient"] for row in rows(prepared))[0] != rows(prepared)[0]["id"]
    assert len({row["patient"] for row in rows(prepared)}) == 2
    for patient in read_table(prepared):
        ct, pet = (read_volume(prepared, patient.id, name) for name in ("ct", "pet"))
        assert ct.grid == pet.grid
        assert ct.grid.shape == shape_at(8.0)
        assert ct.grid.spacing_mm[:2] == (8.0, 8.0)
        low = ct.grid.origin_mm[2] - ct.grid.spacing_mm[2] / 2
        assert (low, low + 96 * ct.grid.spacing_mm[2]) == pytest.approx(ends_mm, abs=12.0)
        liver = _at(pet, (75.0, 20.0, 320.0))
        assert liver == pytest.approx(2.2, abs=0.02)
        lesion = nib.load(prepared / patient.id / "lesions.nii.gz")
        volume = np.count_nonzero(lesion.dataobj) * ct.grid.voxel_ml
        assert volume == pytest.approx(np.count_nonzero(body.lesions.data) * body.lesions.grid.voxel_ml, rel=0.2)


def _at(volume, point) -> float:
    index = [round((p - o) / s) for p, o, s in zip(point, volume.grid.origin_mm, volume.grid.spacing_mm, strict=True)]
    return float(volume.data[tuple(index)])


def test_nothing_identifying_is_kept(prepared) -> None:
    nothing_of(prepared, {"PETCT_aaa", "PETCT_bbb", "2004-0", "2005-0", "John", "Doe"}, 4 + 3 * 4)
    assert stat.S_IMODE((prepared / ".key").stat().st_mode) == 0o600


def test_going_on_does_nothing_twice(challenge_once, prepared, tmp_path) -> None:
    challenge, prepared = challenge_once, shutil.copytree(prepared, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in prepared.rglob("*.nii.gz")}
    shutil.rmtree(prepared / rows(prepared)[1]["id"])
    prepare(challenge, prepared, segmenter="none", spacing_mm=8.0)
    after = {path: path.stat().st_mtime_ns for path in prepared.rglob("*.nii.gz")}
    assert before.keys() == after.keys()
    assert sum(before[path] != after[path] for path in before) == 3
    assert not list(prepared.glob(".tmp-*"))


def test_the_number_of_workers_changes_nothing(challenge_once, prepared, tmp_path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(prepared / ".key", other / ".key")
    prepare(challenge_once, other, segmenter="none", spacing_mm=8.0, workers=1)
    names = sorted(path.relative_to(prepared) for path in prepared.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    for name in names:
        assert (prepared / name).read_bytes() == (other / name).read_bytes(), name


def test_given_segmentations(challenge, body, tmp_path, ends_mm) -> None:
    labels = tmp_path / "labels" / "PETCT_bbb"
    labels.mkdir(parents=True)
    body.labels.save(labels / "2004-03-03.nii.gz", note="")
    out = tmp_path / "out"
    prepare(challenge, out, segmentations=tmp_path / "labels", segmenter="none", spacing_mm=8.0)
    (name,) = (row["id"] for row in rows(out) if row["sex"] == "M")
    found = read_volume(out, name, "labels")
    assert STRUCTURES["liver"] in found.data
    assert found.grid == read_volume(out, name, "ct").grid
    assert not any((out / row["id"] / "labels.nii.gz").exists() for row in rows(out) if row["sex"] == "F")


def test_a_segmenter_command(challenge, body, tmp_path) -> None:
    """A stand-in with TotalSegmentator's command line; and one that fails."""
    body.labels.save(tmp_path / "made.nii.gz", note="")
    program = tmp_path / "Segmenter"
    program.write_text(f'#!/bin/sh\n[ "$1 $3 $5" = "-i -o --ml" ] && [ -f "$2" ] && cp {tmp_path}/made.nii.gz "$4"\n')
    program.chmod(0o755)
    prepare(challenge, tmp_path / "out", segmenter=str(program), spacing_mm=8.0)
    assert len(list((tmp_path / "out").glob("*/labels.nii.gz"))) == 2
    assert not list((tmp_path / "out").rglob("segmenter"))
    program.write_text("#!/bin/sh\necho out of luck >&2\nexit 3\n")
    with pytest.raises(InputError, match="not one of 2 studies"):
        prepare(challenge, tmp_path / "failed", segmenter=str(program), spacing_mm=8.0)
    assert {row["reason"] for row in rows(tmp_path / "failed", "refused.csv")} == {"segmentation failed"}
    with pytest.raises(InputError, match="is not installed"):
        prepare(challenge, tmp_path / "no", segmenter="no-such-segmenter")


@pytest.mark.parametrize("knows_clavicles", [True, False])
def test_the_shipped_network_labels_the_torso_and_tells_its_ends(
    challenge, body, tmp_path, monkeypatch, knows_clavicles
) -> None:
    """A stand-in for the network sees the whole scan. Without its clavicles rules tell the ends."""
    pytest.importorskip("monai")
    seen = []

    def segment(_, ct, pet):
        seen.append((ct.grid, pet.unit))
        labels = replace(body.labels, data=body.labels.data.copy())
        if not knows_clavicles:
            labels.data[np.isin(labels.data, [STRUCTURES["clavicula_left"], STRUCTURES["clavicula_right"]])] = 0
        return labels

    monkeypatch.setattr(Network, "segment", segment)
    monkeypatch.setenv("PATH", str(tmp_path))
    prepare(challenge, tmp_path / "out", spacing_mm=8.0)
    found = [path.parent for path in (tmp_path / "out").glob("*/labels.nii.gz")]
    assert len(found) == 2
    assert seen == [(body.ct.grid, "SUVbw")] * 2
    told = "by their labels" if knows_clavicles else "by rules on the CT"
    for folder in found:
        notes = json.loads((folder / "study.json").read_text())["notes"]
        assert any("by the shipped network" in note for note in notes)
        assert any(told in note for note in notes)
        assert read_volume(folder.parent, folder.name, "labels").grid.shape == shape_at(8.0)


def test_the_nnunet_layout_without_psma(body, tmp_path) -> None:
    source = tmp_path / "nnunet"
    for folder in ("imagesTr", "labelsTr"):
        (source / folder).mkdir(parents=True)
    for case in ("fdg_aaa_2004-petct", "psma_ccc_2004-petct"):
        body.ct.save(source / "imagesTr" / f"{case}_0000.nii.gz", note="")
        body.pet.save(source / "imagesTr" / f"{case}_0001.nii.gz", note="")
        body.lesions.save(source / "labelsTr" / f"{case}.nii.gz", note="")
    (source / "fdg_metadata.csv").write_text("subject_id,age,sex,height,weight\nfdg_aaa,60,female,168,70\n")
    assert prepare(source, tmp_path / "out", segmenter="none", spacing_mm=8.0).prepared == 1
    assert (rows(tmp_path / "out")[0]["sex"], rows(tmp_path / "out")[0]["age_years"]) == ("F", "60.0")


def test_the_result_can_be_trained_on(challenge, body, tmp_path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    for name in ("PETCT_aaa_2004-01-01", "PETCT_bbb_2004-03-03"):
        body.labels.save(labels / f"{name}.nii.gz", note="")
    prepare(challenge, tmp_path / "out", segmentations=labels, segmenter="none", spacing_mm=8.0, about="two ovals; CC0")
    bodies = read_for_training(tmp_path / "out", tmp_path / "cache", 8.0)
    assert len(bodies) == 2
    assert bodies.about.startswith("two ovals; CC0")
    assert bodies.pet.max() > 2.0


REFUSED = [
    ("missing weight", lambda table: table.replace(",70\n", ",\n").replace("90.5", "")),
    ("no height", lambda table: table.replace(",168,", ",,").replace("181", "n/a")),
    ("missing age", lambda table: table.replace("060Y", "").replace("041Y", "")),
    ("missing sex", lambda table: table.replace(",F,", ",,").replace(",M,", ",?,")),
    ("wrong units", lambda table: table.replace("168", "1.68").replace("181", "1.81")),
    ("wrong units", lambda table: table.replace(",70\n", ",154\n").replace("90.5", "250").replace("168", "145")),
    ("under 18", lambda table: table.replace("060Y", "006Y").replace("041Y", "160M")),
]


@pytest.mark.parametrize(("reason", "change"), REFUSED)
def test_people_who_are_refused(challenge, tmp_path, reason, change) -> None:
    (table,) = challenge.glob("*.csv")
    table.write_text(change(table.read_text()))
    assert set(reasons(challenge, tmp_path / "out")) == {reason}


def test_a_table_that_contradicts_itself(challenge, tmp_path) -> None:
    (table,) = challenge.glob("*.csv")
    table.write_text(table.read_text() + "PETCT_aaa,F,061Y,MELANOMA,168,70\n")
    found = prepare(challenge, tmp_path / "out", segmenter="none", spacing_mm=8.0)
    assert found.prepared == 1
    assert found.refused == {"wrong table": 1}


IMAGES = [
    ("wrong units", "SUV.nii.gz", lambda data: data * 3000.0),
    ("wrong units", "SUV.nii.gz", lambda data: data * 0.0),
    ("wrong units", "CTres.nii.gz", lambda data: data + 1024.0),
    ("truncated field of view", "SUV.nii.gz", lambda data: data[:, :, :100]),
    ("truncated field of view", "CTres.nii.gz", lambda data: data[:, :, :100]),
]


@pytest.mark.parametrize(("reason", "file", "change"), IMAGES)
def test_images_that_are_refused(challenge, tmp_path, reason, file, change) -> None:
    shutil.rmtree(challenge / "PETCT_aaa")
    for path in challenge.rglob(file):
        image = nib.load(path)
        nib.save(nib.Nifti1Image(change(image.get_fdata(dtype=np.float32)), image.affine), path)
    assert set(reasons(challenge, tmp_path / "out")) == {reason}


def test_damaged_files_are_refused_and_the_others_prepared(challenge_once, tmp_path) -> None:
    challenge = shutil.copytree(challenge_once, tmp_path / challenge_once.name)
    path = challenge / "PETCT_bbb" / "2004-03-03" / "SUV.nii.gz"
    path.write_bytes(path.read_bytes()[:5000])
    (challenge / "PETCT_aaa" / "2004-01-01" / "CTres.nii.gz").unlink()
    said = CliRunner().invoke(
        app,
        [
            "prepare",
            "autopet",
            "--source",
            str(challenge),
            "--out",
            str(tmp_path / "out"),
            "--segmenter",
            "none",
            "--resolution",
            "8",
        ],
    )
    assert said.exit_code == 0
    assert "1 prepared" in said.output
    assert str(path) in said.output, "the person at the keyboard must learn which file"
    assert {row["reason"] for row in rows(tmp_path / "out", "refused.csv")} == {"no CT", "damaged or unreadable file"}


def test_tricks_with_names_write_nothing_outside(body, tmp_path) -> None:
    """A case named to climb out, a table that names paths: identifiers are made anew, so no name reaches a path."""
    source = tmp_path / "deep" / "source"
    (source / "imagesTr").mkdir(parents=True)
    case = "fdg_..%2F..%2Fetc_=cmd|'calc'!A1"
    body.ct.save(source / "imagesTr" / f"{case}_0000.nii.gz", note="")
    body.pet.save(source / "imagesTr" / f"{case}_0001.nii.gz", note="")
    table = "id,age,sex,height,weight,diagnosis\n..%2F..%2Fetc,60,F,168,70,../../x\n"
    (source / "a_metadata.csv").write_text(table)
    before = set(tmp_path.rglob("*"))
    out = tmp_path / "deep" / "out"
    assert prepare(source, out, segmenter="none", spacing_mm=8.0).prepared == 1
    assert all(out in path.parents or path == out for path in set(tmp_path.rglob("*")) - before)


def test_out_must_not_lie_in_the_source(challenge) -> None:
    with pytest.raises(InputError, match="must not lie in the source folder"):
        prepare(challenge, challenge / "out")


def test_nothing_there(tmp_path) -> None:
    with pytest.raises(InputError, match="holds no PET/CT study"):
        prepare(tmp_path, tmp_path.parent / "out")


@pytest.fixture(scope="module")
def exam(body):
    """The body as an exam of the export's, which its own tests hold against other readers."""
    lesion = Lesion(id="L01", organ="lung", diameter_mm=28.0, suv=9.0, room_mm=30.0, center_mm=(-75.0, 0.0, 500.0))
    grid = body.ct.grid.resampled((10.0, 10.0, 10.0))
    ct, pet, labels = (volume.resampled(grid) for volume in (body.ct, body.pet, body.labels))
    kept = [STRUCTURES[name] for name in ("liver", "clavicula_left", "hip_left")]
    labels = replace(labels, data=np.where(np.isin(labels.data, kept), labels.data, 0).astype(np.uint8))
    return Exam(
        key="MRN-77",
        origin="test",
        trial="test",
        patient=Patient(id="MRN-77", sex="F", age_years=61.4, height_cm=168.0, weight_kg=70.0),
        visit=Visit(name="scan", day=0.0),
        pet=pet,
        ct=ct,
        labels=labels,
        lesions=(lesion,),
        dose_mbq=300.0,
        uptake_minutes=60.0,
        bed_minutes=2.0,
        scanner="test",
        made_by="test",
        fwhm_mm=0.0,
    )


PLANTED = {
    "PatientName": "Quixote^Alonso",
    "PatientID": "QX4711",
    "PatientBirthDate": "19310517",
    "OtherPatientIDs": "QX4712",
    "PatientAddress": "Windmill Lane 9",
    "InstitutionName": "La Mancha General",
    "InstitutionAddress": "Toboso",
    "ReferringPhysicianName": "Panza^Sancho",
    "OperatorsName": "Dulcinea^D",
    "AccessionNumber": "ACC90210",
    "StudyID": "STUDY8086",
    "StationName": "ROCINANTE",
    "DeviceSerialNumber": "SN68000",
    "StudyDescription": "Quijada",
    "SeriesDescription": "Barataria",
    "ProtocolName": "Clavileno",
    "ImageComments": "Carrasco",
    "StudyDate": "20170923",
    "SeriesDate": "20170923",
    "AcquisitionDate": "20170923",
}


def test_dicom_studies_leave_nothing_of_their_tags(exam, body, tmp_path) -> None:
    """Demographics and SUV from the tags, lesions from the SEG that is not anatomy; names, dates, numbers and UIDs that
    were planted in every file, in the folders' names and in private tags are in no file that is written, nor its name.
    """
    import pydicom

    source = tmp_path / "Quixote_QX4711" / "20170923 Barataria"
    uids = set()
    for path in write_dicom(exam, source):
        header = pydicom.dcmread(path)
        for keyword, value in PLANTED.items():
            setattr(header, keyword, value)
        for drug in header.get("RadiopharmaceuticalInformationSequence", ()):
            drug.pop("RadiopharmaceuticalStartDateTime", None)
        header.private_block(0x0019, "SECRET", create=True).add_new(1, "LO", "Quijano private")
        uids |= {str(header[name].value) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")}
        header.save_as(path)
    labels = tmp_path / "labels"
    labels.mkdir()
    body.labels.save(labels / f"{header.StudyInstanceUID}.nii.gz", note="")
    out = tmp_path / "out"
    said = []
    prepare(source.parent, out, segmentations=labels, segmenter="none", spacing_mm=8.0, watch=lambda *s: said.append(s))
    assert [outcome.reason for outcome, *_ in said] == [""], said
    (row,) = rows(out)
    assert [row[name] for name in ("sex", "age_years", "height_cm", "weight_kg")] == ["F", "61.0", "168.0", "70.0"]
    pet = read_volume(out, row["id"], "pet")
    assert _at(pet, (75.0, 20.0, 320.0)) == pytest.approx(2.2, abs=0.02)
    lesions = nib.load(out / row["id"] / "lesions.nii.gz")
    assert np.count_nonzero(lesions.dataobj) * pet.grid.voxel_ml == pytest.approx(4 / 3 * np.pi * 2.744, rel=0.25)
    parts = {part for value in PLANTED.values() for part in value.replace("^", " ").split() if len(part) > 2}
    nothing_of(out, parts | {"Quijano", "Quixote"} | uids, 9)


def nothing_of(out: Path, secrets: set[str], files: int) -> None:
    """No secret, in any case and as text of one or two bytes a letter, in any of so many files, or in their names."""
    paths = sorted(out.rglob("*"))
    assert sum(path.is_file() for path in paths) == files, paths
    for path in paths:
        content = path.read_bytes() if path.is_file() else b""
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        content = (content + path.relative_to(out).as_posix().encode()).lower()
        for secret in secrets if path.name != ".key" else ():
            for encoding in ("utf-8", "utf-16-le"):
                assert secret.lower().encode(encoding) not in content, (path, secret)


def test_a_bids_dataset(exam, tmp_path) -> None:
    write_bids([exam], tmp_path / "source", "test")
    assert prepare(tmp_path / "source", tmp_path / "out", segmenter="none", spacing_mm=8.0).prepared == 1
    (row,) = rows(tmp_path / "out")
    pet, labels = (read_volume(tmp_path / "out", row["id"], name) for name in ("pet", "labels"))
    assert _at(pet, (75.0, 20.0, 320.0)) == pytest.approx(2.2, abs=0.02)
    assert _at(labels, (75.0, 20.0, 320.0)) == STRUCTURES["liver"]
