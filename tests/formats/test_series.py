"""Geometry of DICOM series: right, or refused with the file's name."""

from __future__ import annotations

import numpy as np
import pytest

from vct.errors import InputError
from vct.formats.series import find_series, read_series
from vct.volume import Volume


def read(folder, unit="HU"):
    (series,) = find_series(sorted(folder.iterdir()))
    return read_series(series).upright(unit)


@pytest.fixture
def hounsfield(blocks) -> Volume:
    return Volume(data=np.rint(blocks.data * 50.0 - 900.0), grid=blocks.grid, unit="HU")


def test_ct_is_exact(tmp_path, hounsfield, recipe, write_series) -> None:
    write_series(tmp_path, hounsfield, recipe(modality="CT"))
    found = read(tmp_path)
    np.testing.assert_array_equal(found.data, hounsfield.data)
    np.testing.assert_allclose(found.grid.affine, hounsfield.grid.affine, atol=1e-4)


def test_order_of_files_does_not_matter(tmp_path, hounsfield, recipe, write_series) -> None:
    paths = write_series(tmp_path, hounsfield, recipe(modality="CT"))
    (series,) = find_series(paths[::-1])
    np.testing.assert_array_equal(read_series(series).upright("HU").data, hounsfield.data)


def test_coronal_slices(tmp_path, hounsfield, recipe, write_series) -> None:
    """Columns to the left, rows to the feet, slices to the back: another way of holding the same voxels."""
    turned = Volume(
        data=np.ascontiguousarray(hounsfield.data.transpose(0, 2, 1)),
        grid=type(hounsfield.grid)(shape=(7, 9, 6), spacing_mm=(4.0, 3.0, 5.0), origin_mm=(0.0, 0.0, 0.0)),
        unit="HU",
    )
    (x, y, z), (sx, sy, sz) = hounsfield.grid.origin_mm, hounsfield.grid.spacing_mm
    affine = np.zeros((4, 4))
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = (sx, 0, 0), (0, 0, -sz), (0, -sy, 0)
    affine[:3, 3] = (-(x + 6 * sx), -y, z + 8 * sz)
    write_series(tmp_path, turned, recipe(modality="CT", affine_lps=affine))
    found = read(tmp_path)
    np.testing.assert_array_equal(found.data, hounsfield.data)
    np.testing.assert_allclose(found.grid.affine, hounsfield.grid.affine, atol=1e-4)


def ramp(grid) -> Volume:
    """Values that say where a voxel lies: 2 z + y + x / 2, in mm."""
    x, y, z = grid.axes_mm()
    return Volume(data=(2.0 * z + y + 0.5 * x).astype(np.float32), grid=grid, unit="HU")


@pytest.mark.parametrize("tilt", [12.0, -20.0])
def test_gantry_tilt_is_undone(tmp_path, blocks, recipe, write_series, tilt) -> None:
    """Slices tilted about the left-right axis but stacked along the table: a sheared grid."""
    lean = np.radians(tilt)
    (nx, ny, nz), (sx, sy, sz) = (12, 14, 15), (4.0, 4.0, 4.0)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 2], affine[:3, 3] = (sx, 0, 0), (0, 0, sz), (-20.0, -30.0, 5.0)
    affine[:3, 1] = (0.0, sy * np.cos(lean), sy * np.sin(lean))
    _tilted(tmp_path, recipe, write_series, affine, (nx, ny, nz))
    found = read(tmp_path)
    inside = found.data[3:-3, 4:-4, 5:-5]
    expected = ramp(found.grid).data[3:-3, 4:-4, 5:-5]
    assert np.abs(inside - expected).max() < 1.5


def test_oblique_is_resampled(tmp_path, blocks, recipe, write_series) -> None:
    turn = np.radians(15.0)
    affine = np.eye(4)
    affine[:3, 0] = 4.0 * np.array([np.cos(turn), np.sin(turn), 0.0])
    affine[:3, 1] = 4.0 * np.array([-np.sin(turn), np.cos(turn), 0.0])
    affine[:3, 2] = (0.0, 0.0, 4.0)
    _tilted(tmp_path, recipe, write_series, affine, (16, 16, 9))
    found = read(tmp_path)
    kept = found.data > -900.0
    kept[[0, 1, -1, -2]], kept[:, [0, 1, -1, -2]] = False, False
    from scipy import ndimage

    kept = ndimage.binary_erosion(kept, iterations=2)
    assert kept.sum() > 100
    assert np.abs(found.data - ramp(found.grid).data)[kept].max() < 1.5


def _tilted(folder, recipe, write_series, affine_lps, shape) -> None:
    """A ramp over patient space on any grid: every stored voxel holds its own place."""
    from vct.volume import Grid

    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    lps = index @ affine_lps[:3, :3].T + affine_lps[:3, 3]
    stored = 2.0 * lps[..., 2] - lps[..., 1] - 0.5 * lps[..., 0]
    grid = Grid(shape=shape, spacing_mm=(4.0, 4.0, 4.0), origin_mm=(0.0, 0.0, 0.0))
    volume = Volume(data=stored[::-1, ::-1].astype(np.float32), grid=grid, unit="HU")
    write_series(folder, volume, recipe(modality="CT", affine_lps=affine_lps))


def test_a_gap(tmp_path, hounsfield, recipe, write_series) -> None:
    write_series(tmp_path, hounsfield, recipe(modality="CT"))[4].unlink()
    with pytest.raises(InputError, match=r"CT005.dcm: .*ImagePositionPatient leaves a gap of 6.00 mm .beside CT003"):
        read(tmp_path)


def test_a_duplicate_slice(tmp_path, hounsfield, recipe, write_series) -> None:
    def same(header, index) -> None:
        if index == 4:
            header.ImagePositionPatient = [*header.ImagePositionPatient[:2], header.ImagePositionPatient[2] - 3.0]

    write_series(tmp_path, hounsfield, recipe(modality="CT", per_slice=same))
    with pytest.raises(
        InputError, match=r"CT00[34].dcm: .*ImagePositionPatient is that of another slice too .beside CT00[34]"
    ):
        read(tmp_path)


def test_a_copied_file_counts_once(tmp_path, hounsfield, recipe, write_series) -> None:
    path = write_series(tmp_path, hounsfield, recipe(modality="CT"))[0]
    (tmp_path / "copy.dcm").write_bytes(path.read_bytes())
    np.testing.assert_array_equal(read(tmp_path).data, hounsfield.data)


def test_uneven_slices(tmp_path, hounsfield, recipe, write_series) -> None:
    def shifted(header, index) -> None:
        if index == 4:
            header.ImagePositionPatient = [*header.ImagePositionPatient[:2], header.ImagePositionPatient[2] + 1.0]

    write_series(tmp_path, hounsfield, recipe(modality="CT", per_slice=shifted))
    with pytest.raises(InputError, match=r"CT004.dcm: .*lies 1.00 mm off even spacing"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImageOrientationPatient", [1, 0, 0, 0, 0, -1]),
        ("PixelSpacing", [4.0, 4.0]),
        ("FrameOfReferenceUID", "1.9"),
        ("Rows", 5),
    ],
)
def test_a_mixed_series(tmp_path, hounsfield, recipe, write_series, keyword, value) -> None:
    def change(header, index) -> None:
        if index == 5:
            setattr(header, keyword, value)

    write_series(tmp_path, hounsfield, recipe(modality="CT", per_slice=change))
    with pytest.raises(InputError, match=rf"CT005.dcm: \(.*\) {keyword}"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("keyword", "said"),
    [
        ("Rows", "(0028,0010) Rows is missing"),
        ("PixelSpacing", "(0028,0030) PixelSpacing must hold 2 numbers"),
        ("ImageOrientationPatient", "(0020,0037) ImageOrientationPatient must hold 6 numbers"),
        ("ImagePositionPatient", "(0020,0032) ImagePositionPatient must hold 3 numbers"),
        ("SOPInstanceUID", "lacks SOPInstanceUID"),
        ("SeriesInstanceUID", "lacks SOPInstanceUID and SeriesInstanceUID"),
    ],
)
def test_geometry_that_is_missing(tmp_path, hounsfield, recipe, write_series, keyword, said) -> None:
    write_series(tmp_path, hounsfield, recipe(modality="CT", tags={keyword: "" if "UID" in keyword else None}))
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert said in str(caught.value)
    assert "CT000.dcm" in str(caught.value)


@pytest.mark.parametrize("value", [[float("inf"), 5.0], [0.0, 4.0], [-4.0, 4.0]])
@pytest.mark.filterwarnings("ignore:.*:UserWarning:pydicom")
def test_spacings_that_are_none(tmp_path, hounsfield, recipe, write_series, value) -> None:
    from pydicom.valuerep import DSfloat

    write_series(tmp_path, hounsfield, recipe(modality="CT", tags={"PixelSpacing": list(map(DSfloat, value))}))
    with pytest.raises(InputError, match=r"CT000\.dcm: .*PixelSpacing"):
        read(tmp_path)


@pytest.mark.parametrize("size", [(60000, 60000), (5000, 10)])
def test_slices_larger_than_any_detector(tmp_path, hounsfield, recipe, write_series, size) -> None:
    """Nothing is allocated for pixels that a header only claims."""
    write_series(tmp_path, hounsfield, recipe(modality="CT", tags={"Rows": size[0], "Columns": size[1]}))
    with pytest.raises(InputError, match=r"CT000\.dcm: .* voxels; at most 400000000, 4096 a side"):
        read(tmp_path)


def test_pixels_that_the_header_does_not_promise(tmp_path, hounsfield, recipe, write_series) -> None:
    write_series(tmp_path, hounsfield, recipe(modality="CT", tags={"Rows": 4000, "Columns": 4000}))
    with pytest.raises(InputError, match=r"CT000\.dcm: \(7fe0,0010\) PixelData"):
        read(tmp_path)


def test_series_in_one_folder_are_told_apart(tmp_path, hounsfield, blocks, recipe, write_series) -> None:
    write_series(tmp_path, hounsfield, recipe(modality="CT", uid="1.2.3.4.2"))
    write_series(tmp_path, blocks, recipe())
    (tmp_path / "notes.txt").write_text("not DICOM")
    assert {len(series.files) for series in find_series(tmp_path.iterdir())} == {9}


def test_multiframe_is_refused(tmp_path, blocks, recipe, write_series) -> None:
    write_series(tmp_path, blocks, recipe(tags={"SOPClassUID": "1.2.840.10008.5.1.4.1.1.130"}))
    with pytest.raises(InputError, match=r"SOPClassUID is Enhanced PET"):
        find_series(sorted(tmp_path.iterdir()))


@pytest.mark.parametrize("keep", [150, 340, 700, -20])
def test_a_truncated_file(tmp_path, hounsfield, recipe, write_series, keep) -> None:
    path = write_series(tmp_path, hounsfield, recipe(modality="CT"))[3]
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"CT003\.dcm"):
        read(tmp_path)


def test_a_deflated_file_is_refused(tmp_path, hounsfield, recipe, write_series) -> None:
    write_series(tmp_path, hounsfield, recipe(modality="CT", syntax="1.2.840.10008.1.2.1.99"))
    with pytest.raises(InputError, match="TransferSyntaxUID is deflated"):
        find_series(sorted(tmp_path.iterdir()))


def test_damaged_compressed_pixels(tmp_path, hounsfield, recipe, write_series) -> None:
    path = write_series(tmp_path, hounsfield, recipe(modality="CT", syntax="1.2.840.10008.1.2.5"))[2]
    content = bytearray(path.read_bytes())
    content[-60:-20] = bytes(40)
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"CT002.dcm: \(7fe0,0010\) PixelData"):
        read(tmp_path)
