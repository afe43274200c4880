"""NIfTI that means harm, or lies otherwise than expected: right, or refused by name, without filling memory."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from vct.errors import InputError
from vct.formats.nifti import read
from vct.volume import Grid, Volume, load

GRID = Grid(shape=(7, 6, 9), spacing_mm=(4.0, 5.0, 3.0), origin_mm=(-12.0, 20.0, -700.0))


@pytest.fixture(scope="module")
def blocks() -> Volume:
    """A value of its own in every voxel: any flip shows."""
    data = np.arange(np.prod(GRID.shape), dtype=np.float32).reshape(GRID.shape)
    return Volume(data=data, grid=GRID, unit="SUVbw")


def image(data=None, affine=None, kind=nib.Nifti1Image):
    return kind(np.ones((4, 5, 6), np.float32) if data is None else data, np.eye(4) if affine is None else affine)


def patched(path: Path, offset: int, content: bytes) -> Path:
    """The file with some bytes of its header changed."""
    packed = path.suffix == ".gz"
    raw = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    raw[offset : offset + len(content)] = content
    path.write_bytes(gzip.compress(bytes(raw), 1) if packed else bytes(raw))
    return path


def saved(path: Path, *arguments, **keywords) -> Path:
    nib.save(image(*arguments, **keywords), path)
    return path


READERS = [read, load]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "PIR", "SAR", "ILA", "ASL", "IPR"])
def test_any_axes_and_handedness(tmp_path, blocks, reader, axes) -> None:
    """The same voxels held in other orders, half of them left-handed; voxels are not cubes."""
    stored = nib.Nifti1Image(blocks.data, GRID.affine)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(GRID.affine), nib.orientations.axcodes2ornt(axes)
    )
    nib.save(stored.as_reoriented(turn), tmp_path / "x.nii")
    found = reader(tmp_path / "x.nii", "SUVbw")
    np.testing.assert_array_equal(found.data, blocks.data)
    np.testing.assert_allclose(found.grid.affine, GRID.affine, atol=1e-4)


def test_both_kinds_of_nifti_and_both_byte_orders(tmp_path, blocks) -> None:
    for number, kind in enumerate((nib.Nifti1Image, nib.Nifti2Image)):
        for order in "<>":
            header = kind.header_class(endianness=order)
            header.set_data_dtype(f"{order}i2")
            path = tmp_path / f"{number}{'lb'[order == '>']}.nii.gz"
            nib.save(kind(blocks.data.astype(np.int16), GRID.affine, header), path)
            np.testing.assert_array_equal(load(path, "SUVbw").data, blocks.data)


def test_oblique_is_resampled_by_one_and_refused_by_the_other(tmp_path) -> None:
    """A ramp over the patient's space, held on axes turned by 20 degrees about two axes."""
    a, b = np.radians(20.0), np.radians(-15.0)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    turn = turn @ np.array([[1.0, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn * (4.0, 3.0, 5.0), (10.0, -20.0, 30.0)
    index = np.stack(np.meshgrid(*map(np.arange, (20, 24, 16)), indexing="ij"), axis=-1)
    places = index @ affine[:3, :3].T + affine[:3, 3]
    path = saved(tmp_path / "o.nii", (places @ (0.5, 1.0, 2.0)).astype(np.float32) + 500.0, affine)
    found = read(path, "SUVbw")
    x, y, z = found.grid.axes_mm()
    from scipy import ndimage

    inside = ndimage.binary_erosion(found.data != 0.0, iterations=2)
    assert inside.sum() > 1000
    assert np.abs(found.data - (0.5 * x + y + 2.0 * z + 500.0))[inside].max() < 0.01
    with pytest.raises(InputError, match="oblique"):
        load(path, "SUVbw")


@pytest.mark.parametrize("reader", READERS)
def test_a_slope_and_an_intercept(tmp_path, reader) -> None:
    stored = image(np.arange(120, dtype=np.int16).reshape(4, 5, 6))
    stored.header.set_slope_inter(0.5, -3.0)
    nib.save(stored, tmp_path / "x.nii.gz")
    patched(tmp_path / "x.nii.gz", 112, struct.pack("<ff", 0.5, -3.0))
    data = np.asarray(nib.load(tmp_path / "x.nii.gz").dataobj)
    np.testing.assert_allclose(reader(tmp_path / "x.nii.gz", "HU").data, data)


def bomb(path: Path, shape=(4, 5, 6), offset=352.0, megabytes=64) -> Path:
    """A header, then zeros: a thousandth of the size on disk."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape(shape)
    header.set_sform(np.eye(4), 1)
    header["vox_offset"], header["magic"] = offset, b"n+1"
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.write(header.binaryblock + b"\1\0\0\0")
        for _ in range(megabytes):
            file.write(bytes(2**20))
    return path


def peak_mb(run) -> float:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("reader", READERS)
def test_a_gzip_bomb_fills_no_memory(tmp_path, reader) -> None:
    """64 MB of zeros behind a small image, once as voxels and once as a header extension."""
    small = bomb(tmp_path / "small.nii.gz")
    assert small.stat().st_size < 100_000
    assert peak_mb(lambda: reader(small, "SUVbw")) < 8.0

    def refused() -> None:
        with pytest.raises(InputError, match=r"far\.nii\.gz: its voxels begin at byte 6e\+07"):
            reader(far, "SUVbw")

    far = bomb(tmp_path / "far.nii.gz", offset=6e7)
    assert peak_mb(refused) < 8.0


def short(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200])
    return path


DAMAGED = {
    "claims more voxels than a file of its size can hold": (
        lambda p: bomb(p, shape=(600, 600, 600), megabytes=1), "is cut off"),
    "claims more than 400 million voxels": (
        lambda p: bomb(p, shape=(2000, 2000, 2000)), "at most 400000000 are read"),
    "gzip cut off": (lambda p: short(saved(p, np.random.default_rng(0).random((9, 9, 9)))), "not a readable"),
    "gzip with a wrong checksum": (lambda p: wrong_checksum(saved(p)), "not a readable"),
    "an empty file": (lambda p: written(p, b""), "not a readable"),
    "no NIfTI": (lambda p: written(p, gzip.compress(b"x" * 1000)), "no whole NIfTI header"),
    "a header cut off": (
        lambda p: written(p, gzip.compress(gzip.decompress(saved(p).read_bytes())[:340])), "no whole NIfTI header"),
    "nothing there": (lambda p: p, "there is no such file"),
    "a folder": (lambda p: (p.mkdir(), p)[1], "there is no such file"),
    "two volumes": (lambda p: saved(p, np.ones((3, 3, 3, 2), np.float32)), "must hold one 3-D image"),
    "colours": (
        lambda p: saved(p, np.zeros((3, 3, 3), np.dtype([(c, "u1") for c in "RGB"]))), "must hold numbers"),
    "complex numbers": (lambda p: saved(p, np.ones((3, 3, 3), np.complex64)), "must hold numbers"),
    "not a number": (lambda p: saved(p, np.full((3, 3, 3), np.nan, np.float32)), "no finite numbers"),
    "no coordinates": (lambda p: patched(saved(p), 252, bytes(4)), "says nothing about where its voxels lie"),
    "flat voxels": (lambda p: patched(saved(p), 280, bytes(16)), "determinant is 0|voxels have no size"),
    "an affine that is not finite": (
        lambda p: patched(saved(p), 280, struct.pack("<f", float("nan"))), "determinant is 0|voxels have no size"),
    "a shear that loses an axis": (
        lambda p: patched(saved(p), 284, struct.pack("<f", 4e25)), "determinant is 0|voxels have no size"),
    "voxels in one plane": (
        lambda p: patched(saved(p), 284, struct.pack("<f", 4e3) + bytes(8) + struct.pack("<f", 2.5e-4)),
        "determinant is 0|voxels have no size"),
    "negative dimensions": (lambda p: patched(saved(p), 42, struct.pack("<h", -4)), "must hold one 3-D image|not a"),
}  # fmt: skip


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def wrong_checksum(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    return written(path, bytes(content))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("make", "said"), DAMAGED.values(), ids=DAMAGED)
def test_refused_by_name(tmp_path, reader, make, said) -> None:
    path = make(tmp_path / "bad.nii.gz")
    with pytest.raises(InputError, match=rf"bad\.nii\.gz: .*({said})"):
        reader(path, "SUVbw")


def test_another_kind_of_image(tmp_path) -> None:
    nib.save(nib.MGHImage(np.ones((3, 3, 3), np.float32), np.eye(4)), tmp_path / "x.mgz")
    with pytest.raises(InputError, match="must be a NIfTI file"):
        read(tmp_path / "x.mgz", "HU")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("value", [0.5, 256.0, -1.0])
def test_labels_that_are_none(tmp_path, reader, value) -> None:
    path = saved(tmp_path / "x.nii", np.full((3, 3, 3), value, np.float32))
    with pytest.raises(InputError, match="whole numbers from 0 to 255"):
        reader(path, "label")
