from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vct.errors import InputError
from vct.volume import Grid, Volume, load

GRID = Grid(shape=(8, 10, 12), spacing_mm=(4.0, 4.0, 3.0), origin_mm=(-14.0, 5.0, 100.0))


def volume(unit: str = "SUVbw") -> Volume:
    data = np.random.default_rng(0).random(GRID.shape, dtype=np.float32) * 10
    return Volume(data=data.astype(np.uint8) if unit == "label" else data, grid=GRID, unit=unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(("unit", "tolerance"), [("SUVbw", 0.000501), ("HU", 0.5), ("label", 0.0)])
def test_round_trip_keeps_values_and_geometry(tmp_path: Path, unit: str, tolerance: float) -> None:
    original = volume(unit)
    original.save(tmp_path / "x.nii.gz")
    again = load(tmp_path / "x.nii.gz", original.unit)
    assert np.abs(again.data.astype(float) - original.data).max() <= tolerance
    assert again.grid == original.grid
    assert again.unit == unit


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    volume().save(tmp_path / "a.nii.gz")
    volume().save(tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


def test_axes_are_written_as_ras(tmp_path: Path) -> None:
    import nibabel as nib

    volume().save(tmp_path / "x.nii.gz")
    image = nib.load(tmp_path / "x.nii.gz")
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    assert (image.affine @ [1, 2, 3, 1])[:3] == pytest.approx([-10.0, 13.0, 109.0])


def test_other_orientations_are_turned_to_ras(tmp_path: Path) -> None:
    import nibabel as nib

    flipped = np.diag([-4.0, -4.0, 3.0, 1.0])
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    nib.save(nib.Nifti1Image(data, flipped), tmp_path / "lps.nii.gz")
    read = load(tmp_path / "lps.nii.gz", "SUVbw")
    assert read.data[0, 0, 0] == data[-1, -1, 0]
    assert read.grid.spacing_mm == (4.0, 4.0, 3.0)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x1f\x8b" + b"\x00" * 400])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.nii.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.nii\.gz"):
        load(tmp_path / "bad.nii.gz", "HU")


def test_oblique_axes_are_refused(tmp_path: Path) -> None:
    import nibabel as nib

    turned = np.eye(4)
    turned[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.float32), turned), tmp_path / "o.nii.gz")
    with pytest.raises(InputError, match="oblique"):
        load(tmp_path / "o.nii.gz", "HU")


@given(st.sampled_from([(8.0, 8.0, 6.0), (2.0, 2.0, 1.5), (5.0, 3.0, 7.0), (4.0, 4.0, 3.0)]))
def test_resampling_keeps_a_constant_and_a_ramp(spacing: tuple[float, float, float]) -> None:
    grid = GRID.resampled(spacing)
    flat = Volume(data=np.full(GRID.shape, 2.5, np.float32), grid=GRID, unit="SUVbw").resampled(grid)
    inside = (slice(1, -1),) * 3
    assert flat.data[inside] == pytest.approx(2.5, abs=1e-5)
    ramp = np.broadcast_to(GRID.axes_mm()[0], GRID.shape).astype(np.float32)
    moved = Volume(data=ramp, grid=GRID, unit="SUVbw").resampled(grid)
    expected = np.broadcast_to(grid.axes_mm()[0], grid.shape)
    core = (slice(2, -2), slice(1, -1), slice(1, -1))
    assert moved.data[core] == pytest.approx(expected[core], abs=0.6)


def test_averaging_down_keeps_the_total() -> None:
    data = np.zeros(GRID.shape, np.float32)
    data[3:5, 4:6, 6:8] = 7.0
    fine = Volume(data=data, grid=GRID, unit="SUVbw")
    coarse = fine.resampled(GRID.resampled((8.0, 8.0, 6.0)))
    total = fine.data.sum() * fine.grid.voxel_ml
    assert coarse.data.sum() * coarse.grid.voxel_ml == pytest.approx(total, rel=1e-5)


def test_a_shape_that_does_not_fit_its_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Volume(data=np.zeros((2, 2, 2)), grid=GRID, unit="HU")


@given(st.floats(0.0, 1e4), st.integers(0, 2**32 - 1))
def test_stored_values_are_half_a_step_off_at_most_and_store_the_same_again(hottest: float, seed: int) -> None:
    data = np.random.default_rng(seed).random(GRID.shape, dtype=np.float32) * np.float32(hottest)
    original = Volume(data=data, grid=GRID, unit="SUVbw")
    with TemporaryDirectory() as folder:
        original.save(Path(folder) / "a.nii.gz")
        again = load(Path(folder) / "a.nii.gz", "SUVbw")
        again.save(Path(folder) / "b.nii.gz")
        assert (Path(folder) / "a.nii.gz").read_bytes() == (Path(folder) / "b.nii.gz").read_bytes()
    assert np.abs(again.data - data).max() <= original.step * 0.5001 + 1e-6 * hottest
    assert original.step == 0.001 or original.step * 32767 < 2 * data.max()


def test_a_pet_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    data = np.full(GRID.shape, np.nan, np.float32)
    with pytest.raises(ValueError, match="not finite"):
        Volume(data=data, grid=GRID, unit="SUVbw").save(tmp_path / "x.nii.gz")


def test_a_part_of_a_grid_lies_where_its_voxels_lay() -> None:
    grid = Grid(shape=(10, 12, 14), spacing_mm=(2.0, 3.0, 4.0), origin_mm=(-5.0, 1.0, 7.0))
    box = (slice(2, 6), slice(None), slice(3, 99))
    part = grid.part(box)
    assert part.shape == (4, 12, 11)
    for own, whole, piece in zip(part.axes_mm(), grid.axes_mm(), box, strict=True):
        assert own.ravel().tolist() == whole.ravel()[piece].tolist()
