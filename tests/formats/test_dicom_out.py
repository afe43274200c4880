"""DICOM out: our own reader, four other programs and a real archive agree on what we wrote."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

from vct.formats.dicom_export import write_dicom
from vct.formats.series import find_series, read_series
from vct.formats.suv import suv_rule
from vct.structures import STRUCTURES

KINDS = ["PT/0001.dcm", "CT/0001.dcm", "SEG/organs.dcm", "SEG/lesions.dcm", "SR/measurements.dcm"]


def half_step(folder) -> float:
    """Half of the PET's quantisation step, in SUV."""
    import pydicom

    header = pydicom.dcmread(folder / "PT" / "0001.dcm")
    (series,) = find_series([folder / "PT" / "0001.dcm"])
    return 0.5 * float(header.RescaleSlope) * suv_rule(series.files).factor


def test_pet_and_ct_come_back(exam, dicom_folder) -> None:
    (pet,) = find_series((dicom_folder / "PT").iterdir())
    found = read_series(pet, suv_rule(pet.files).factor).upright("SUVbw")
    assert np.abs(found.data - exam.pet.data).max() <= half_step(dicom_folder) * 1.001
    np.testing.assert_allclose(found.grid.affine, exam.pet.grid.affine, atol=1e-4)
    (ct,) = find_series((dicom_folder / "CT").iterdir())
    found = read_series(ct).upright("HU")
    np.testing.assert_array_equal(found.data, np.rint(exam.ct.data))
    np.testing.assert_allclose(found.grid.affine, exam.ct.grid.affine, atol=1e-4)


def test_the_same_exam_gives_the_same_bytes(exam, dicom_folder, tmp_path) -> None:
    write_dicom(exam, tmp_path)
    for name in KINDS:
        assert (tmp_path / name).read_bytes() == (dicom_folder / name).read_bytes(), name


def test_everything_says_that_it_is_synthetic(dicom_folder) -> None:
    import pydicom

    for name in KINDS:
        header = pydicom.dcmread(dicom_folder / name)
        assert str(header.PatientName).startswith("SYNTHETIC^"), name
        assert header.SeriesDescription.startswith("SYNTHETIC "), name
        assert "SYNTHETIC" in header.DeidentificationMethod, name
        assert header.ClinicalTrialProtocolName == "A trial", name
        assert header.ClinicalTrialTimePointID == "week_8", name
        assert header.ClinicalTrialSubjectID == "P0001-drug_A", name


def test_segmentations_hold_the_planted_voxels(exam, dicom_folder) -> None:
    import highdicom as hd

    for kind, expected in (("organs", exam.labels.data), ("lesions", exam.lesion_labels)):
        seg = hd.seg.segread(dicom_folder / "SEG" / f"{kind}.dcm")
        numbers = STRUCTURES if kind == "organs" else exam.lesion_numbers
        spacing = np.diag(exam.pet.grid.affine)[:3]
        for number in seg.segment_numbers:
            found = seg.get_volume(segment_numbers=[number], combine_segments=True, relabel=True)
            at = np.argwhere(found.array > 0) @ found.affine[:3, :3].T + found.affine[:3, 3]
            index = (at * (-1, -1, 1) - exam.pet.grid.origin_mm) / spacing
            wanted = np.argwhere(expected == numbers[seg.get_segment_description(number).segment_label])
            assert len(wanted) > 5
            assert {tuple(row) for row in np.rint(index).astype(int)} == {tuple(row) for row in wanted}


def test_the_report_holds_what_the_image_says(exam, dicom_folder) -> None:
    import highdicom as hd

    report = hd.sr.srread(dicom_folder / "SR" / "measurements.dcm")
    groups = report.content.get_volumetric_roi_measurement_groups()
    found = {group.tracking_identifier: [float(item.value) for item in group.get_measurements()] for group in groups}
    assert set(found) == {"liver", "spleen", "kidney_left", "kidney_right", "rib_left_8", "L01", "L02"}
    inside = exam.pet.data[exam.lesion_labels == exam.lesion_numbers["L01"]].astype(float)
    volume = inside.size * exam.pet.grid.voxel_ml
    assert found["L01"] == pytest.approx([inside.mean(), inside.max(), volume, inside.mean() * volume], rel=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_second_implementation_dciodvfy_has_no_error(witness, dicom_folder, name) -> None:
    done = subprocess.run([witness("dciodvfy"), "-new", dicom_folder / name], capture_output=True, text=True)
    assert done.returncode == 0
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []


def test_dciodvfy_does_find_errors(witness, dicom_folder, tmp_path) -> None:
    import pydicom

    header = pydicom.dcmread(dicom_folder / "PT" / "0001.dcm")
    del header.Units
    header.save_as(tmp_path / "bad.dcm")
    done = subprocess.run([witness("dciodvfy"), "-new", tmp_path / "bad.dcm"], capture_output=True, text=True)
    assert "Error" in done.stdout + done.stderr


def test_second_implementation_pysuv(witness, exam, dicom_folder) -> None:
    names = [str(dicom_folder / "PT" / f"{index:04d}.dcm") for index in (1, 10, 20)]
    code = (
        "import sys, json, pysuv; print(json.dumps([[f.suv_factor, pysuv.compute_suv(p).tolist()] "
        "for p in sys.argv[1:] for f in [pysuv.get_suv_factor(p)]]))"
    )
    witness("bids-validator-deno")
    done = subprocess.run([witness("python"), "-c", code, *names], capture_output=True, text=True, check=True)
    for (factor, plane), index in zip(json.loads(done.stdout), (0, 9, 19), strict=True):
        assert factor * exam.bqml_per_suv == pytest.approx(1.0, rel=1e-9)
        ours = exam.pet.data[::-1, ::-1, index].T
        assert np.abs(np.array(plane) - ours).max() <= half_step(dicom_folder) * 1.001


def test_second_implementation_dcm2niix(witness, exam, dicom_folder, tmp_path) -> None:
    import nibabel as nib

    for kind in ("PT", "CT"):
        command = [witness("dcm2niix"), "-z", "n", "-ba", "n", "-o", tmp_path, "-f", kind, dicom_folder / kind]
        subprocess.run(command, capture_output=True, check=True)
        image = nib.as_closest_canonical(nib.load(tmp_path / f"{kind}.nii"))
        volume = exam.pet if kind == "PT" else exam.ct
        np.testing.assert_allclose(image.affine, volume.grid.affine, atol=1e-3)
        values = np.asarray(image.dataobj).reshape(volume.grid.shape)
        if kind == "PT":
            about = json.loads((tmp_path / "PT.json").read_text())
            waited = (exam.scan_start - exam.injected_at).total_seconds()
            left = about["RadionuclideTotalDose"] * 2.0 ** (-waited / about["RadionuclideHalfLife"])
            suv = values * about["PatientWeight"] * 1000.0 / left
            rounded = 1e-6 * suv.max()  # it prints the dose with six digits
            assert np.abs(suv - exam.pet.data).max() <= half_step(dicom_folder) * 1.001 + 2.0 * rounded
        else:
            np.testing.assert_array_equal(values, np.rint(exam.ct.data))
