"""NIfTI from anywhere: any orientation, and files that mean harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vct.errors import InputError
from vct.formats.placed import MAX_VOXELS, Placed
from vct.volume import Unit, Volume


def read_placed(path: Path) -> Placed:
    """The image as it is stored, scaled by its slope and intercept.

    Raises InputError for a file that is missing, truncated or no NIfTI, claims more than 400 million voxels, holds
    several volumes, or has no coordinates. Only as many bytes are unpacked as the header's shape needs, so that a
    crafted gzip stream cannot fill memory.
    """
    import zlib

    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image: Any = nib.load(path)
        shape = tuple(int(n) for n in image.shape)
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) != 3 or min(shape) < 1:
            raise InputError(f"{path}: must hold one 3-D image (got shape {image.shape})")
        if int(np.prod(shape, dtype=np.int64)) > MAX_VOXELS:
            raise InputError(f"{path}: claims {shape} voxels; at most {MAX_VOXELS} are read")
        if image.header.get("qform_code", 0) == 0 and image.header.get("sform_code", 0) == 0:
            raise InputError(f"{path}: says nothing about where its voxels lie (qform_code and sform_code are 0)")
        data = np.asanyarray(image.dataobj).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError) as error:
        raise InputError(f"{path}: not a readable NIfTI file ({error})") from None
    if not np.issubdtype(data.dtype, np.number) or np.iscomplexobj(data):
        raise InputError(f"{path}: must hold numbers, one a voxel (got {data.dtype})")
    return Placed(data=data, affine=np.asarray(image.affine, dtype=np.float64), source=str(path))


def read(path: Path, unit: Unit) -> Volume:
    """The image in RAS+ axes; see `Placed.upright`. Raises InputError as `read_placed`."""
    return read_placed(path).upright(unit)
