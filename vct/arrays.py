"""Reading .npz files that strangers made: no pickles, no absurd sizes, one error for all that is wrong."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vct.errors import InputError

MAX_BYTES = 4 * 1024**3
"""Unpacked size above which a file is refused: an atlas at 1 mm has less than a tenth of it."""


def read_arrays(path: Path, what: str) -> dict[str, NDArray[Any]]:
    """Every array of an .npz file by name. Raises InputError, naming the file, when it is not such a file."""
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > MAX_BYTES:
            raise ValueError(f"unpacks to {size} bytes, more than {MAX_BYTES}")
        with np.load(path, allow_pickle=False) as held:
            found = {name: held[name] for name in held.files}
    except Exception as error:  # damaged archives raise nearly anything: zlib, struct, tokenize, Unicode errors
        raise InputError(f"{path}: not {what} ({type(error).__name__}: {error})") from error
    strange = next((name for name, array in found.items() if not isinstance(array, np.ndarray)), None)
    if strange is not None:
        raise InputError(f"{path}: not {what} ({strange!r} is no array)")
    return found
