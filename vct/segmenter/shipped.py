"""The shipped network as a segmenter."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from vct.errors import InputError
from vct.segmenter.base import Segmenter
from vct.segmenter.urine import ending_at_urine
from vct.structures import STRUCTURES
from vct.volume import Volume

if TYPE_CHECKING:
    from vct.segmenter.network import SegmenterNet

KIND = "segmenter"
WEIGHTS = Path(__file__).parent / "weights"
SEEN_HU = -500.0
"""What is denser belongs to a body, clothes or a table; the rest about it is left out."""
MARGIN_MM = 16.0


class Network(Segmenter):
    """A compact network on 4 mm voxels, trained on virtual patients only (`docs/segmenter.md`)."""

    kind: Literal["network"] = "network"

    def segment(self, ct: Volume, pet: Volume | None = None) -> Volume:
        """Labels on the CT's grid. Raises InputError where torch or MONAI is not installed."""
        return run(load(WEIGHTS), ct, pet)


@lru_cache(maxsize=2)
def load(folder: Path) -> SegmenterNet:
    """The network in `folder`, ready to run. Raises InputError when it is missing, damaged, or cannot be built."""
    try:
        from vct import checkpoint
        from vct.segmenter.network import SegmenterConfig, SegmenterNet
    except ModuleNotFoundError as error:
        raise InputError(f"the segmenter needs {error.name}: pip install 'vct[cascade]'") from error
    found = checkpoint.load(folder, KIND)
    try:
        model = SegmenterNet(SegmenterConfig.model_validate(found.config["model"]))
        model.load_state_dict({name: tensor.float() for name, tensor in found.tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder}: no segmenter can be built from these weights ({error})") from error
    unknown = [name for name in model.config.names if name not in STRUCTURES]
    if unknown:
        raise InputError(f"{folder}: the segmenter names {unknown[0]!r}, which is no structure")
    return model.eval()


def run(model: SegmenterNet, ct: Volume, pet: Volume | None = None) -> Volume:
    """Labels of a CT in HU on its own grid; the network works on its spacing, cropped to what is denser than air.

    Where a PET (SUVbw) does not reach, there is no uptake. It also tells where a hot bladder ends.
    """
    import torch
    from torch.nn import functional

    from vct.segmenter.network import AIR_HU

    step = model.config.spacing_mm
    fine = ct.resampled(ct.grid.resampled((step, step, step)))
    box = _box(fine)
    images = [fine] if pet is None else [fine, pet.resampled(fine.grid)]
    parts = [torch.from_numpy(np.ascontiguousarray(image.data[box], dtype=np.float32)) for image in images]
    size = parts[0].shape
    room = model.config.room(size)
    fills = (AIR_HU, 0.0)
    padded = [functional.pad(part, room, value=fill)[None] for part, fill in zip(parts, fills, strict=False)]
    with torch.inference_mode():
        found = model(*padded)[0].numpy()
    numbers = np.array([0, *(STRUCTURES[name] for name in model.config.names)], dtype=np.uint8)
    data = np.zeros(fine.data.shape, dtype=np.uint8)
    data[box] = numbers[found[tuple(slice(length) for length in size)]]
    labels = Volume(data=data, grid=fine.grid, unit="label").resampled(ct.grid)
    return labels if pet is None else ending_at_urine(labels, pet)


def _box(ct: Volume) -> tuple[slice, slice, slice]:
    """The part of a CT that holds anything. Raises InputError where it is air all over."""
    dense = ct.data > SEEN_HU
    pieces = []
    for axes, step, size in zip(((1, 2), (0, 2), (0, 1)), ct.grid.spacing_mm, ct.data.shape, strict=True):
        seen = np.flatnonzero(dense.any(axis=axes))
        if not seen.size:
            raise InputError("the CT shows nothing but air: is it in HU?")
        margin = round(MARGIN_MM / step)
        pieces.append(slice(max(0, int(seen[0]) - margin), min(size, int(seen[-1]) + 1 + margin)))
    return pieces[0], pieces[1], pieces[2]
