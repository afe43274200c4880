"""NIfTI from anywhere, in any orientation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vct.formats.placed import Placed
from vct.niftifile import open_nifti, read_voxels
from vct.volume import Unit, Volume


def read_placed(path: Path) -> Placed:
    """The image as it is stored, scaled by its slope and intercept. Raises InputError as `open_nifti`."""
    image, shape = open_nifti(path)
    affine = np.asarray(image.affine, dtype=np.float64)
    return Placed(data=read_voxels(path, image, shape), affine=affine, source=str(path))


def read(path: Path, unit: Unit) -> Volume:
    """The image in RAS+ axes; see `Placed.upright`. Raises InputError as `read_placed`."""
    return read_placed(path).upright(unit)
