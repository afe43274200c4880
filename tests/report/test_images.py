"""Thumbnails: orientation, scale, marks, and finding them again."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vct.records import Patient, Scan, Visit
from vct.report import MipImage, mip_png, pictures_in
from vct.report.images import PIXEL_MM, _seen
from vct.volume import Grid, Volume

LINE = 16


def pixels(scan: Scan) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(mip_png(scan))).convert("RGB"), dtype=float)


def darkest(panel: np.ndarray) -> tuple[int, int]:
    inner = panel[LINE + 20 : -LINE - 4].sum(axis=-1)
    row, column = np.unravel_index(int(inner.argmin()), inner.shape)
    return int(row) + 20, int(column)


def test_patients_right_is_on_the_left_and_the_head_up(scan: Scan) -> None:
    """The hot voxel lies at x = 84 of -160..160, z = 96 of -4..396: right of the middle, low."""
    panel = pixels(scan)[:, :107]
    row, column = darkest(panel)
    assert column == pytest.approx((160 - 84) / PIXEL_MM, abs=2)
    assert row == pytest.approx((396 - 96) / PIXEL_MM, abs=2)


def test_the_side_view_faces_left(scan: Scan) -> None:
    """It lies at y = 60 of -120..120, in front of the middle."""
    panel = pixels(scan)[:, 113 : 113 + 80]
    _, column = darkest(panel)
    assert column == pytest.approx((120 - 60) / PIXEL_MM, abs=2)


def test_pixels_are_square_whatever_the_voxels(scan: Scan) -> None:
    grid = Grid(shape=(4, 4, 10), spacing_mm=(10.0, 5.0, 20.0), origin_mm=(0.0, 0.0, 0.0))
    shown = _seen(np.ones((4, 10)), grid, 0, grid, 2.0, 0.0)
    assert shown.shape == (100, 20)


def test_a_ct_on_another_grid_is_laid_under_the_pet(scan: Scan) -> None:
    grid = Grid(shape=(2, 2, 2), spacing_mm=(10.0, 10.0, 10.0), origin_mm=(5.0, 5.0, 5.0))
    frame = Grid(shape=(4, 4, 4), spacing_mm=(10.0, 10.0, 10.0), origin_mm=(-15.0, -15.0, -15.0))
    shown = _seen(np.array([[1.0, 2.0], [3.0, 4.0]]), grid, 0, frame, 10.0, -9.0)
    assert shown.tolist() == [[4, 2, -9, -9], [3, 1, -9, -9], [-9, -9, -9, -9], [-9, -9, -9, -9]]


def test_suv_seven_is_black_and_zero_white(scan: Scan) -> None:
    panel = pixels(scan)[:, :107].sum(axis=-1) / 3
    assert panel[LINE + 60, 54] == pytest.approx(255 * (1 - 0.8 / 7), abs=1)
    assert panel[LINE + 60, 5] == 255


def test_the_same_scan_gives_the_same_bytes_and_says_that_it_is_synthetic(scan: Scan) -> None:
    assert mip_png(scan) == mip_png(scan)
    with Image.open(io.BytesIO(mip_png(scan))) as image:
        assert "SYNTHETIC" in image.info["Description"]


def test_the_planted_lesion_is_outlined_where_it_lies(scan: Scan) -> None:
    """A ball of 40 mm at x = 84, z = 96: a blue ring of that width about that place, on the slices only."""
    ball = replace(scan.snapshot.lesions[0], diameter_mm=40.0)
    picture = pixels(replace(scan, snapshot=replace(scan.snapshot, lesions=(ball,))))
    blue = (picture == (0, 200, 255)).all(axis=-1)
    starts = [107 + 6 + 80 + 6, 2 * 107 + 6 + 80 + 12]
    assert not blue[:, : starts[0]].any()
    for start in starts:
        rows, columns = np.nonzero(blue[:, start : start + 107])
        assert columns.mean() == pytest.approx((160 - 84) / PIXEL_MM, abs=1.5)
        assert rows.mean() - LINE == pytest.approx((396 - 96) / PIXEL_MM, abs=1.5)
        assert np.ptp(columns) * PIXEL_MM == pytest.approx(40.0, abs=10.0)
        assert not blue[round(rows.mean()), start + round(columns.mean())]


def test_a_scan_without_lesions_is_cut_through_the_middle_of_the_body(scan: Scan) -> None:
    bare = replace(scan, snapshot=replace(scan.snapshot, lesions=()))
    assert mip_png(bare) != mip_png(scan)


def test_an_empty_scan_can_be_shown(scan: Scan) -> None:
    grid = Grid(shape=(1, 1, 1), spacing_mm=(8.0, 8.0, 8.0), origin_mm=(0.0, 0.0, 0.0))
    ct = Volume(data=np.full((1, 1, 1), -1000.0, np.float32), grid=grid, unit="HU")
    pet = Volume(data=np.zeros((1, 1, 1), np.float32), grid=grid, unit="SUVbw")
    bare = replace(scan, snapshot=replace(scan.snapshot, lesions=()), ct=ct, pet=pet)
    assert mip_png(bare).startswith(b"\x89PNG")


def test_a_tall_scan_stays_a_thumbnail(scan: Scan) -> None:
    grid = Grid(shape=(4, 4, 100), spacing_mm=(8.0, 8.0, 20.0), origin_mm=(0.0, 0.0, 0.0))
    ct = Volume(data=np.zeros(grid.shape, np.float32), grid=grid, unit="HU")
    tall = replace(scan, ct=ct, pet=Volume(data=ct.data, grid=grid, unit="SUVbw"))
    assert MipImage(patient="", arm="", visit="", png=mip_png(tall)).size[1] <= 440


def test_pictures_are_found_in_the_order_of_patients_and_days(scan: Scan, tmp_path) -> None:
    (tmp_path / "pictures").mkdir()
    patients = [replace(scan.snapshot.patient, id=name) for name in ("P0002", "P0001")]
    for patient in [*patients, replace(patients[0], arm="unknown")]:
        for name, day in (("a_late", 56.0), ("first", 0.0)):
            taken = replace(scan, snapshot=replace(scan.snapshot, patient=patient, visit=Visit(name=name, day=day)))
            (tmp_path / f"pictures/{patient.id}{patient.arm}{name}.png").write_bytes(mip_png(taken))
    found = [(image.patient, image.visit) for image in pictures_in(tmp_path, patients)]
    assert found == [("P0002", "first"), ("P0002", "a_late"), ("P0001", "first"), ("P0001", "a_late")]


def test_no_pictures_are_no_pictures(tmp_path) -> None:
    nobody: list[Patient] = []
    assert pictures_in(tmp_path, nobody) == ()
