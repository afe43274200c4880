"""DICOM studies as hospitals keep them: several reconstructions, several segmentations, one folder for all."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from dicom_writer import FACTOR, Recipe, write_series

from vct.errors import InputError
from vct.training.choose import is_sharp
from vct.training.demographics import Person, Refused, complete
from vct.training.load_study import load_study
from vct.training.prepare_study import Order, prepare_study
from vct.training.studies import find_studies
from vct.volume import Grid, Volume

GRID = Grid(shape=(12, 10, 9), spacing_mm=(40.0, 45.0, 30.0), origin_mm=(-220.0, -200.0, -100.0))
HIGH = 40.0
"""What tells the image that ought to be read: its HU."""


def volume(value: float, unit: str, grid: Grid = GRID) -> Volume:
    data = np.full(grid.shape, value, np.float32)
    data[0] = -1000.0 if unit == "HU" else 0.0
    return Volume(data=data, grid=grid, unit=unit)  # type: ignore[arg-type]


def write(folder, hu=HIGH, grid=GRID, **keywords):
    """A CT series."""
    uid = keywords.pop("uid")
    return write_series(folder / uid, volume(hu, "HU", grid), Recipe(modality="CT", uid=uid, **keywords))


def write_pet(folder, suv=2.0, grid=GRID, uid="1.2.3.4.100", **keywords):
    return write_series(folder / uid, volume(suv, "SUVbw", grid), Recipe(uid=uid, **keywords))


def loaded(folder):
    (study,) = find_studies(folder)
    return load_study(study, Person())


def stretched(**changes) -> Grid:
    return replace(GRID, **changes)


SHORT = stretched(shape=(12, 10, 6))
NARROW = stretched(spacing_mm=(25.0, 45.0, 30.0))
THICK = stretched(shape=(12, 10, 5), spacing_mm=(40.0, 45.0, 60.0))
CORONAL = np.array([[40.0, 0, 0, -220.0], [0, 0, 30.0, -100.0], [0, -45.0, 0, 100.0], [0, 0, 0, 1]])
OTHERS = {
    "covers more of the PET": {"grid": SHORT},
    "nearer to 448 mm wide": {"grid": NARROW},
    "most slices": {"grid": THICK},
    "axial": {"affine_lps": CORONAL},
    "original images": {"tags": {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}},
    "softer kernel": {"tags": {"ConvolutionKernel": "B70f"}},
}


@pytest.mark.parametrize(("reason", "other"), OTHERS.items(), ids=OTHERS)
def test_of_two_cts_the_better_one_is_read_and_the_reason_kept(tmp_path, reason, other) -> None:
    write_pet(tmp_path)
    write(tmp_path, uid="1.2.3.4.200", hu=90.0, **other)
    write(
        tmp_path, uid="1.2.3.4.201", tags={"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "ConvolutionKernel": "B30f"}
    )
    found = loaded(tmp_path)
    assert float(found.ct.data.max()) == HIGH
    assert f"CT: one of 2 ({reason})" in found.notes


def test_a_broken_series_gives_way_to_a_whole_one(tmp_path) -> None:
    write_pet(tmp_path)
    write(tmp_path, uid="1.2.3.4.200", hu=90.0)[4].unlink()
    write(tmp_path, uid="1.2.3.4.201", grid=THICK)
    found = loaded(tmp_path)
    assert float(found.ct.data.max()) == HIGH
    assert "CT: one of 2 (one evenly spaced stack)" in found.notes


def test_scouts_and_cts_of_another_frame_do_not_count(tmp_path) -> None:
    write_pet(tmp_path)
    write(tmp_path, uid="1.2.3.4.200", hu=90.0, tags={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    write(tmp_path, uid="1.2.3.4.201", hu=90.0, tags={"FrameOfReferenceUID": "1.9"})
    with pytest.raises(Refused, match="no CT"):
        loaded(tmp_path)
    write(tmp_path, uid="1.2.3.4.202")
    found = loaded(tmp_path)
    assert float(found.ct.data.max()) == HIGH
    assert not any(note.startswith("CT") for note in found.notes), "there was no choice"


PETS = {
    "attenuation and decay are corrected": {"tags": {"CorrectedImage": ["DECY"]}},
    "its tags give SUVbw": {"tags": {"Units": "PROPCPS"}},
    "longest": {"grid": SHORT},
    "most slices": {"grid": THICK},
}


@pytest.mark.parametrize(("reason", "other"), PETS.items(), ids=PETS)
def test_of_two_pets_the_better_one(tmp_path, reason, other) -> None:
    write(tmp_path, uid="1.2.3.4.201")
    write_pet(tmp_path, uid="1.2.3.4.100", suv=9.0, **other)
    write_pet(tmp_path, uid="1.2.3.4.101", suv=3.0)
    found = loaded(tmp_path)
    assert float(found.pet.data.max()) == pytest.approx(3.0, abs=2 * FACTOR)
    assert f"PET: one of 2 ({reason})" in found.notes


def test_equals_are_told_apart_by_name(tmp_path) -> None:
    write_pet(tmp_path)
    for uid, hu in (("1.2.3.4.202", 90.0), ("1.2.3.4.201", HIGH)):
        write(tmp_path, uid=uid, hu=hu)
    found = loaded(tmp_path)
    assert float(found.ct.data.max()) == HIGH
    assert "CT: one of 2 (the first of equals)" in found.notes


@pytest.mark.parametrize(
    ("kernel", "sharp"),
    [("B30f", False), ("B70f", True), ("['Br40f', '3']", False), ("I31f", False), ("Bl57", True), ("STANDARD", False),
     ("LUNG", True), ("BONEPLUS", True), ("B", False), ("YC", True), ("FC18", False), ("FC52", True), ("", False)],
)  # fmt: skip
def test_kernels(kernel, sharp) -> None:
    assert is_sharp(kernel) == sharp


# --- segmentations ----------------------------------------------------------------------------------------------------


def segment(folder, name, segments, source, frame=None):
    """A SEG on the PET's slices: of each segment a code of its category and the voxels (z, y, x) that it holds."""
    import highdicom as hd
    import pydicom

    images = [pydicom.dcmread(path) for path in source]
    for image in images:
        image.PatientBirthDate = image.AccessionNumber = image.StudyID = image.ReferringPhysicianName = ""
    codes = {
        "lesion": (("49755003", "Morphologically Abnormal Structure"), ("52988006", "Lesion")),
        "anatomy": (("123037004", "Anatomical Structure"), ("10200004", "Liver")),
        "mass": (("123037004", "Anatomical Structure"), ("4147007", "Mass")),
        "something": (("123037004", "Anatomical Structure"), ("85756007", "Tissue")),
        "left lung": (("123037004", "Anatomical Structure"), ("39607008", "Left lung")),
        "tumour in lung": (("123037004", "Anatomical Structure"), ("39607008", "Lung")),
    }
    pixels = np.zeros((len(images), images[0].Rows, images[0].Columns), np.uint8)
    described = []
    for number, (kind, where) in enumerate(segments, start=1):
        pixels[where] = number
        category, what = (hd.sr.CodedConcept(value, "SCT", text) for value, text in codes[kind])
        described.append(
            hd.seg.SegmentDescription(number, f"{kind} of Jane Doe", category, what, "MANUAL")  # type: ignore[arg-type]
        )
    made = hd.seg.Segmentation(
        images, pixels, "BINARY", described, f"1.2.3.4.{name}", int(name), f"1.2.3.4.{name}.1", 1,
        manufacturer="test", manufacturer_model_name="test", software_versions="1", device_serial_number="1",
    )  # fmt: skip
    made.FrameOfReferenceUID = frame or made.FrameOfReferenceUID
    made.save_as(folder / f"{name}.dcm")


FIRST, SECOND, THIRD = np.s_[1:3, 2:4, 5:8], np.s_[6:8, 6:9, 2:4], np.s_[4:5, 1:9, 9:11]
"""Of 12, 12 and 16 voxels, with empty slices between them, which a SEG leaves out."""
CASES = {
    "one, lesions far apart": ([[("lesion", FIRST), ("lesion", SECOND)]], 24, "2 of 2 segments"),
    "organs alone": ([[("anatomy", FIRST)]], 0, "no of 1 segments"),
    "an organ by its name": ([[("left lung", FIRST)]], 0, "no of 1 segments"),
    "organs and lesions in one": ([[("anatomy", FIRST), ("lesion", SECOND)]], 12, "1 of 2 segments"),
    "organs in one, lesions in another": ([[("anatomy", FIRST)], [("lesion", THIRD)]], 16, "1 of 2 segments"),
    "one a lesion": (
        [[("lesion", FIRST)], [("lesion", SECOND)], [("mass", THIRD)]], 40, "3 of 3 segments, 3 segmentations joined"),
    "the only one, no organ": ([[("something", FIRST)]], 12, "the only segment, coded as anatomy but as no organ"),
    "the only one, named a tumour": (
        [[("tumour in lung", FIRST)]], 12, "the only segment, coded as anatomy but as no organ"),
    "two of anatomy": ([[("something", FIRST), ("something", SECOND)]], 0, "no of 2 segments"),
    "one of anatomy beside lesions": ([[("something", FIRST)], [("lesion", THIRD)]], 16, "1 of 2 segments"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "voxels", "note"), CASES.values(), ids=CASES)
def test_segmentations(tmp_path, files, voxels, note) -> None:
    write(tmp_path, uid="1.2.3.4.201")
    source = write_pet(tmp_path)
    for number, segments in enumerate(files):
        segment(tmp_path, str(300 + number), segments, source)
    found = loaded(tmp_path)
    assert [item for item in found.notes if item.startswith("lesions")] == [f"lesions: {note}"]
    if not voxels:
        assert found.lesions is None
        return
    assert np.count_nonzero(found.lesions.data) == voxels
    if "joined" in note:
        assert found.lesions.grid == found.pet.grid
        for z, y, x in (FIRST, SECOND, THIRD):
            assert found.lesions.data[::-1, ::-1].transpose(2, 1, 0)[z, y, x].all()


@pytest.mark.parametrize("kind", ["lesion", "something"])
def test_a_segmentation_in_another_frame_of_reference_is_left_out_aloud(tmp_path, kind) -> None:
    write(tmp_path, uid="1.2.3.4.201")
    source = write_pet(tmp_path)
    segment(tmp_path, "300", [("lesion", FIRST)], source)
    segment(tmp_path, "399", [(kind, np.s_[:, :, :])], source, frame="1.9")
    found = loaded(tmp_path)
    assert np.count_nonzero(found.lesions.data) == 12
    said = "lesions: 1 of 1 segments; 1 segmentations in another frame of reference left out"
    assert said in found.notes


def test_a_segmentation_that_claims_too_much(tmp_path) -> None:
    import pydicom

    write(tmp_path, uid="1.2.3.4.201")
    segment(tmp_path, "300", [("lesion", FIRST)], write_pet(tmp_path))
    header = pydicom.dcmread(tmp_path / "300.dcm")
    header.NumberOfFrames = 10_000_000
    header.save_as(tmp_path / "300.dcm")
    with pytest.raises(InputError, match=r"300\.dcm: \(0028,0008\) NumberOfFrames times rows and columns"):
        loaded(tmp_path)
    header.NumberOfFrames = 7
    header.save_as(tmp_path / "300.dcm")
    with pytest.raises(InputError, match=r"300\.dcm: is no readable segmentation"):
        loaded(tmp_path)


WANTING = [
    ({"PatientWeight": None}, "(0010,1030) PatientWeight is missing"),
    ({"PatientSize": None}, "no height"),
    ({"PatientSize": 170}, "(0010,1020) PatientSize must be from 0.4 to 2.5 m; centimetres?"),
    ({"PatientSex": None}, "missing sex"),
    ({"PatientSex": "O"}, "missing sex"),
    ({"PatientAge": None}, "missing age"),
    ({"PatientAge": "061"}, ""),
    ({"PatientAge": "old"}, "(0010,1010) PatientAge is no age from 0 to 120 years like 061Y (got 'old')"),
    ({"PatientAge": None, "PatientBirthDate": "19590314"}, ""),
    ({"PatientAge": "017Y"}, "under 18"),
]


@pytest.mark.parametrize(("tags", "said"), WANTING)
@pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning:pydicom")
def test_people_in_tags(tmp_path, tags, said) -> None:
    write(tmp_path, uid="1.2.3.4.201")
    write_pet(tmp_path, tags=tags)
    if not said:
        assert complete(loaded(tmp_path).person).age_years == pytest.approx(61.0, abs=0.01)
        return
    with pytest.raises(InputError) as caught:
        complete(loaded(tmp_path).person)
    assert said in str(caught.value)


def test_what_is_written_of_a_refusal_names_no_file_and_no_value(tmp_path) -> None:
    """The terminal learns both; refused.csv stays beside the data."""
    write(tmp_path, uid="1.2.3.4.201")

    def odd(header, index) -> None:
        header.PatientWeight = 81.5 if index == 5 else 80.0

    for path in write_pet(tmp_path, per_slice=odd):
        path.rename(path.with_name(f"Quixote-{path.name}"))
    (study,) = find_studies(tmp_path)
    order = Order(
        source=tmp_path, out=tmp_path / "out", key=b"k", people={}, segmentations=None, segmenter=None, spacing_mm=16.0
    )
    outcome = prepare_study(order, study)
    assert "Quixote-PT005.dcm: (0010,1030) PatientWeight differs" in outcome.said
    assert outcome.reason == "(0010,1030) PatientWeight differs within the series: this is a mixed series"


# --- where the files lie ----------------------------------------------------------------------------------------------


def dump(folder, names=(("A", "1.1", 10.0), ("A", "1.2", 20.0), ("B", "1.3", 30.0))):
    """Several patients' studies in one folder, files named without any sense."""
    folder.mkdir(exist_ok=True)
    count = 0
    for patient, study, hu in names:
        tags = {"PatientID": patient, "FrameOfReferenceUID": f"{study}.9"}
        apart = folder.with_name(f"{folder.name}-{study}")
        paths = write(apart, uid=f"{study}.2", hu=hu, tags=tags, study=study)
        paths += write_pet(apart, uid=f"{study}.1", tags=tags, study=study)
        for path in paths:
            count += 1
            path.rename(folder / f"{(count * 7919) % 1000:04d}")
    return folder


def test_a_flat_dump_is_sorted(tmp_path) -> None:
    studies = find_studies(dump(tmp_path / "dump"))
    assert [(study.patient, study.study) for study in studies] == [("A", "1.1"), ("A", "1.2"), ("B", "1.3")]
    found = [load_study(study, Person()) for study in studies]
    assert [float(item.ct.data.max()) for item in found] == [10.0, 20.0, 30.0]
    assert all(item.pet.grid.shape == GRID.shape for item in found)


def test_a_study_over_folders_and_a_dump(tmp_path) -> None:
    """The CT in a folder of its own, the PET among the files of others."""
    dump(tmp_path / "dump")
    (tmp_path / "ct").mkdir()
    import pydicom

    for path in (tmp_path / "dump").iterdir():
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if header.StudyInstanceUID == "1.2" and header.Modality == "CT":
            path.rename(tmp_path / "ct" / path.name)
    studies = {study.study: study for study in find_studies(tmp_path)}
    assert sorted(studies) == ["1.1", "1.2", "1.3"]
    assert float(load_study(studies["1.2"], Person()).ct.data.max()) == 20.0


def test_what_else_lies_in_a_dump(tmp_path) -> None:
    """A damaged file is refused by name and costs no study; a pipe is not opened; other files are passed over."""
    folder = dump(tmp_path / "dump")
    damaged = folder / "damaged"
    damaged.write_bytes(next(folder.iterdir()).read_bytes()[:200])
    os.mkfifo(folder / "pipe")
    (folder / "notes.txt").write_text("PatientID A")
    (folder / "loop").symlink_to(folder)
    studies = find_studies(folder)
    assert len(studies) == 4
    order = Order(
        source=folder, out=tmp_path / "out", key=b"k", people={}, segmentations=None, segmenter=None, spacing_mm=16.0
    )
    (lost,) = [study for study in studies if not study.study]
    outcome = prepare_study(order, lost)
    assert str(damaged) in outcome.said
    assert outcome.reason == "damaged or unreadable file"


@pytest.mark.parametrize("name", ["..", "../..", "/etc", "a/../..", "."])
def test_names_that_climb_find_no_segmentation(tmp_path, name) -> None:
    from vct.training.segment import given
    from vct.training.studies import Study

    (tmp_path / "given").mkdir()
    for path in (tmp_path / "x.nii.gz", tmp_path / "etc.nii.gz", tmp_path / "...nii.gz"):
        path.touch()
    study = Study(layout="nnunet", patient=name, study="x")
    assert given(tmp_path / "given", study) is None
    assert given(tmp_path / "given", replace(study, patient="x", study=name)) is None
