"""BIDS out and in."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from vct.errors import InputError
from vct.formats.bids import write_bids
from vct.formats.bids_read import bids_suv_factor, read_sidecar
from vct.formats.nifti import read
from vct.records import Visit

STEM = "sub-P0001drugA/ses-week8/pet/sub-P0001drugA_ses-week8_trc-FDG_pet"


@pytest.fixture(scope="module")
def dataset(exam, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bids")
    earlier = replace(exam, visit=Visit(name="baseline", day=0.0), labels=None, lesions=())
    write_bids([earlier, exam], folder, "A trial")
    return folder


def errors(witness, folder):
    command = [witness("bids-validator-deno"), folder, "--recursive", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    found = json.loads(done.stdout)
    parts = [found, *found.get("derivativesSummary", {}).values()]
    assert len(parts) == 2, "the validator must look into the derivatives"
    return done.returncode, [item for part in parts for item in part["issues"]["issues"] if item["severity"] == "error"]


def test_second_implementation_bids_validator_has_no_error(witness, dataset) -> None:
    assert errors(witness, dataset) == (0, [])


def test_the_validator_does_find_errors(witness, exam, tmp_path) -> None:
    write_bids([exam], tmp_path, "A trial")
    path = tmp_path / f"{STEM}.json"
    path.write_text(
        json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "ScanStart"})
    )
    code, found = errors(witness, tmp_path)
    assert code != 0
    assert {item["subCode"] for item in found} == {"ScanStart"}


def test_pet_comes_back(exam, dataset) -> None:
    image = dataset / f"{STEM}.nii.gz"
    factor = bids_suv_factor(image, read_sidecar(image), exam.weight_kg)
    found = read(image, "SUVbw")
    np.testing.assert_allclose(found.data * factor, exam.pet.data, rtol=1e-6)
    np.testing.assert_allclose(found.grid.affine, exam.pet.grid.affine, atol=1e-4)


def test_what_the_validator_does_not_check(dataset) -> None:
    about = json.loads((dataset / f"{STEM}.json").read_text())
    assert (about["Units"], about["ModeOfAdministration"], about["TracerName"]) == ("Bq/mL", "bolus", "FDG")
    assert about["ScanStart"] == about["ImageDecayCorrectionTime"] == 3682.0
    image = nib.load(dataset / f"{STEM}.nii.gz")
    assert image.header["descrip"].item() == b"Bq/mL SYNTHETIC"
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    rows = [line.split("\t") for line in (dataset / "participants.tsv").read_text().splitlines()]
    assert dict(zip(*rows, strict=True)) == {
        "participant_id": "sub-P0001drugA",
        "age": "61.0",
        "sex": "F",
        "height": "170.0",
        "weight": "80.000",
        "group": "drug A",
        "site": "S1",
        "trial_id": "P0001-drug_A",
    }
    assert set(json.loads((dataset / "participants.json").read_text())) == set(rows[0]) - {"participant_id"}


def test_segmentations_have_their_names(exam, dataset) -> None:
    stem = STEM.replace("/pet/", "/anat/").replace("_trc-FDG_pet", "_space-PET_desc-{}_dseg")
    for what, names in (("organs", exam.organ_names), ("lesions", {v: k for k, v in exam.lesion_numbers.items()})):
        path = dataset / "derivatives" / "vct" / f"{stem.format(what)}.nii.gz"
        lines = path.with_name(path.name.replace(".nii.gz", ".tsv")).read_text().splitlines()
        assert lines[0] == "index\tname"
        assert {int(number): name for number, name in (line.split("\t") for line in lines[1:])} == names
        assert set(np.unique(read(path, "label").data)) - {0} == set(names)


def test_two_patients_with_one_label_are_refused(exam, tmp_path) -> None:
    with pytest.raises(InputError, match="another patient or visit has the BIDS label"):
        write_bids([exam, replace(exam, key="P0001-drugA")], tmp_path, "A trial")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"InjectedRadioactivity": "n/a"}, "InjectedRadioactivity must be a number"),
        ({"InjectedRadioactivityUnits": "mCi"}, "InjectedRadioactivityUnits must be one of"),
        ({"Units": "SUV"}, "Units must be one of bq/ml"),
        ({"ImageDecayCorrected": False}, "ImageDecayCorrected must be true"),
        ({"TracerRadionuclide": "C11"}, "TracerRadionuclide must be F18"),
        ({"ImageDecayCorrectionTime": None}, "ImageDecayCorrectionTime must be a number"),
    ],
)
def test_sidecars_that_do_not_say_enough(dataset, change, said) -> None:
    image = dataset / f"{STEM}.nii.gz"
    with pytest.raises(InputError, match=said):
        bids_suv_factor(image, {**read_sidecar(image), **change}, 80.0)
