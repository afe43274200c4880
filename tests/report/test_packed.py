"""Packed scans and the viewer's page, without a browser."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from vct.report import packed as module
from vct.report.packed import packed, packed_in
from vct.report.viewer import file_name, lesions, viewer_pages


def image_of(text: str) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))


def test_volumes_come_back_as_they_were(scan) -> None:
    content = json.loads(packed(scan))
    pet, ct, truth = (image_of(content[key]) for key in ("pet", "ct", "truth"))
    assert np.abs(pet.get_fdata() - scan.pet.data).max() <= module.SUV_STEP / 2 + 1e-6
    assert np.abs(ct.get_fdata() - scan.ct.data).max() <= module.HU_STEP / 2
    assert np.allclose(pet.affine, scan.pet.grid.affine)
    assert np.asarray(truth.dataobj)[30, 22, 12] == 1
    assert content["lesions"][0]["suv_max"] == pytest.approx(9.0)
    assert packed(scan) == packed(scan)


def test_the_contour_holds_what_reaches_41_percent(scan) -> None:
    blurred = replace(scan, fwhm_mm=16.0)
    blurred.pet.data[29, 22, 12], blurred.pet.data[31, 22, 12] = 0.5 * 9.0, 0.3 * 9.0
    contour = np.asarray(image_of(json.loads(packed(blurred))["contour"]).dataobj)
    assert contour[30, 22, 12] == contour[29, 22, 12] == 1
    assert contour[31, 22, 12] == 0
    blurred.pet.data[29, 22, 12] = blurred.pet.data[31, 22, 12] = 0.8


def test_a_large_scan_is_averaged_until_it_fits(scan, monkeypatch) -> None:
    whole = packed(scan)
    monkeypatch.setattr(module, "MOST_BYTES", len(whole) - 1)
    smaller = json.loads(packed(scan))
    assert smaller["spacing_mm"][0] > smaller["scan_spacing_mm"][0] == 8.0
    assert smaller["lesions"] == json.loads(whole)["lesions"]


def test_a_patient_has_one_page_of_at_most_three_scans(scan, tmp_path) -> None:
    content = json.loads(packed(scan))
    days = [0, 20, 40, 60]
    for day in days:
        (tmp_path / "pictures").mkdir(exist_ok=True)
        (tmp_path / f"pictures/{day}.json").write_text(json.dumps({**content, "day": day, "visit": f"day{day}"}))
    found = packed_in(tmp_path, [scan.snapshot.patient])
    assert [item["day"] for item in found] == days
    assert packed_in(tmp_path, []) == []
    (page,) = viewer_pages(found, "A </script> & trial").values()
    assert "1 further scan of this patient is not on this page" in page
    assert "day20" not in page
    assert "A &lt;/script&gt; &amp; trial" in page
    assert len(lesions(found)) == 4


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", "<i>"])
def test_a_page_stays_in_its_folder(name: str) -> None:
    assert set(file_name("P0001", name)) <= set("P0001-abxi_..html")
    assert not file_name("P1", name).startswith(".")
