"""NIfTI files opened with suspicion: what a header claims is checked before memory or time is given to it."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

from vct.errors import InputError

MAX_VOXELS = 400_000_000
"""A body in 1 mm voxels has fewer."""
MAX_HEADER_BYTES = 2**20
GZIP_RATIO = 1032
"""The most that deflate can pack into a byte (zlib's technical details)."""
HEADER_BYTES = (348, 540)
"""Bytes of the headers of NIfTI-1 and NIfTI-2."""


def open_nifti(path: Path) -> tuple[Any, tuple[int, int, int]]:
    """The image as nibabel's, its voxels still on disk, and its shape without trailing axes of length one.

    Nothing beyond the header's first 540 bytes is unpacked before it is checked, and later only as many bytes as the
    shape needs: a gzip stream that would unpack to any size can fill neither memory nor time. Raises InputError for a
    file that is missing, cut off, not a single-file NIfTI of 3-D real numbers, larger than 400 million voxels, or
    silent about where its voxels lie.
    """
    import zlib

    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    if not path.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"{path}: must be a NIfTI file, .nii or .nii.gz")
    try:
        first, length = _head(path), path.stat().st_size
        kind = _kind(first)
        if kind is None:
            raise InputError(f"{path}: not a readable NIfTI file (no whole NIfTI header)")
        header = (nib.Nifti1Header, nib.Nifti2Header)[kind](first[: HEADER_BYTES[kind]])
        shape = _checked(path, header, length)
        return (nib.Nifti1Image, nib.Nifti2Image)[kind].from_filename(path), shape
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError) as error:
        raise InputError(f"{path}: not a readable NIfTI file ({error})") from None


def read_voxels(path: Path, image: Any, shape: tuple[int, int, int]) -> Any:
    """The voxels (X, Y, Z), scaled by slope and intercept. Raises InputError where the file is cut off or damaged."""
    import zlib

    import numpy as np

    try:
        return np.asanyarray(image.dataobj).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: not a readable NIfTI file ({error})") from None


def _head(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path}: not a readable NIfTI file (there is no such file)")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return file.read(max(HEADER_BYTES))


def _kind(first: bytes) -> int | None:
    """0 for NIfTI-1, 1 for NIfTI-2, None for neither, or when the header is cut off."""
    sizes = {int.from_bytes(first[:4], "little"), int.from_bytes(first[:4], "big")}
    return next((kind for kind, size in enumerate(HEADER_BYTES) if size in sizes and len(first) >= size), None)


def _checked(path: Path, header: Any, length: int) -> tuple[int, int, int]:
    claimed = tuple(int(n) for n in header.get_data_shape())
    shape = claimed
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"{path}: must hold one 3-D image (got shape {claimed})")
    if math.prod(shape) > MAX_VOXELS:
        raise InputError(f"{path}: claims {shape} voxels; at most {MAX_VOXELS} are read")
    dtype = header.get_data_dtype()
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise InputError(f"{path}: must hold numbers, one a voxel (got {dtype})")
    offset = float(header["vox_offset"])
    if not 0.0 <= offset <= MAX_HEADER_BYTES:
        raise InputError(f"{path}: its voxels begin at byte {offset:g}, beyond any sensible header")
    needed = offset + math.prod(shape) * dtype.itemsize
    if length * (GZIP_RATIO if path.suffix == ".gz" else 1) < needed:
        raise InputError(f"{path}: is cut off: {length} bytes cannot hold {shape} voxels")
    if int(header["qform_code"]) == 0 and int(header["sform_code"]) == 0:
        raise InputError(f"{path}: says nothing about where its voxels lie (qform_code and sform_code are 0)")
    return shape[0], shape[1], shape[2]
