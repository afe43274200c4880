"""TotalSegmentator's own program, where it is installed, in whatever environment it lives."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from pydantic import Field

from vct.errors import InputError
from vct.formats.nifti import read
from vct.segmenter.base import Segmenter
from vct.structures import STRUCTURES
from vct.volume import Volume

PROGRAM = "TotalSegmentator"
LONGEST_S = 3600.0


class TotalSegmentator(Segmenter):
    """TotalSegmentator (Wasserthal 2023, doi 10.1148/ryai.230024) as a command; its task `total` is Apache-2.0.

    Only the program of that name on the PATH is ever run, so that a protocol cannot name another one.
    """

    kind: Literal["totalsegmentator"] = "totalsegmentator"
    fast: bool = Field(default=False, description="its 3 mm model instead of the 1.5 mm one")

    def segment(self, ct: Volume, pet: Volume | None = None) -> Volume:  # noqa: ARG002
        """Labels on the CT's grid, which alone it reads. Raises InputError where the program is missing or fails."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise InputError(f"segmenter: {PROGRAM} is not installed; pip install TotalSegmentator, or kind: network")
        with TemporaryDirectory() as scratch:
            return run(program, ct, Path(scratch), ("--fast",) if self.fast else ())


def run(program: str, ct: Volume, scratch: Path, options: tuple[str, ...] = ()) -> Volume:
    """Labels of a CT by a program with TotalSegmentator's command line (`-i CT -o LABELS --ml`), run in `scratch`.

    Raises InputError where it fails, takes over an hour, gives no labels, or a number that is none of
    `vct.structures`, which TotalSegmentator's are.
    """
    source, result = scratch / "ct.nii.gz", scratch / "labels.nii.gz"
    ct.save(source, note="")
    try:
        done = subprocess.run(  # noqa: S603
            [program, "-i", str(source), "-o", str(result), "--ml", *options],
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
            cwd=scratch,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"the segmenter took over {LONGEST_S:.0f} s") from None
    if done.returncode or not result.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"the segmenter failed, exit code {done.returncode}: {last[:200]}")
    return checked(read(result, "label")).resampled(ct.grid)


def checked(labels: Volume) -> Volume:
    """The labels. Raises InputError where a number is none of `vct.structures`."""
    unknown = set(np.unique(labels.data).tolist()) - {0, *STRUCTURES.values()}
    if unknown:
        raise InputError(f"label {max(unknown)} is none of TotalSegmentator's, nor of vct's")
    return labels
