"""Readers of strangers' files, each with a valid file to start from: for the fuzzers."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vct.cohort import load_population
from vct.engine.atlas.case import load_case, save_map
from vct.engine.atlas.template import LAYERS, Template
from vct.errors import VctError
from vct.protocol import find, load
from vct.volume import Grid, Volume
from vct.volume import load as load_volume


@dataclass(frozen=True)
class Reader:
    """`name` is what the file must be called, `valid` its content, `read` reads it from its path."""

    name: str
    valid: bytes
    read: Callable[[Path], Any]

    def try_on(self, content: bytes, folder: Path) -> bool:
        """Whether `content` is taken; anything but a documented error comes through."""
        path = folder / self.name
        path.write_bytes(content)
        try:
            self.read(path)
        except VctError:
            return False
        return True


def readers(folder: Path) -> dict[str, Reader]:
    """All of them; valid files are made in `folder`."""
    blocks = np.zeros((6, 5, 4), np.uint8)
    grid = Grid(shape=(6, 5, 4), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(0.0, 0.0, 0.0))
    Volume(data=blocks.astype(np.float32) + 1.5, grid=grid, unit="SUVbw").save(folder / "pet.nii.gz")
    Template(**dict.fromkeys(LAYERS, blocks), origin_mm=(0.0, 0.0, 0.0), spacing_mm=4.0).save(folder / "template.npz")
    save_map(folder / "case.npz", blocks, 4.0)

    packed = (folder / "pet.nii.gz").read_bytes()
    found = {
        "protocol": Reader("protocol.yaml", find("test_retest").read_bytes(), load),
        "cohort": Reader("cohort.yaml", b"from: us_adults\ntitle: Mine\nfemale_fraction: 0.4\n", load_population),
        "nifti": Reader("scan.nii", gzip.decompress(packed), lambda path: load_volume(path, "SUVbw")),
        "nifti.gz": Reader("scan.nii.gz", packed, lambda path: load_volume(path, "SUVbw")),
        "template": Reader("template.npz", (folder / "template.npz").read_bytes(), Template.load),
        "case": Reader("case.npz", (folder / "case.npz").read_bytes(), lambda path: load_case(path, None)),  # type: ignore[arg-type]
    }
    return found | _weights(folder)


def _weights(folder: Path) -> dict[str, Reader]:
    try:
        import torch

        from vct import checkpoint
    except ImportError:
        return {}
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(4, dtype=torch.float16)}
    made = checkpoint.Checkpoint(kind="lowres", config={"width": 4}, training_data="none", tensors=tensors)
    checkpoint.save(made, folder)
    (path,) = folder.glob("lowres-*")
    return {"weights": Reader(path.name, path.read_bytes(), lambda path: checkpoint.load(path.parent, "lowres"))}
