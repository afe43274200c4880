"""What the networks are told about a patient: four numbers of about zero mean and unit spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from vct.records import Patient

NAMES = ("sex", "age", "height", "weight")
AGE_YEARS = (55.0, 15.0)
HEIGHT_CM = (170.0, 10.0)
WEIGHT_KG = (75.0, 0.25)
"""Centre and scale (of the logarithm for the weight). Fixed by hand near the middle of adults, and part of every
checkpoint's meaning: they shift the numbers that the networks see and nothing else, so no data set's own mean is
needed."""


def demographics(patients: Sequence[Patient]) -> torch.Tensor:
    """Standardised (B, 4) float32: sex (women -1, men +1), age, height, and the logarithm of the weight."""
    rows = [
        (
            1.0 if patient.sex == "M" else -1.0,
            (patient.age_years - AGE_YEARS[0]) / AGE_YEARS[1],
            (patient.height_cm - HEIGHT_CM[0]) / HEIGHT_CM[1],
            (torch.log(torch.tensor(patient.weight_kg / WEIGHT_KG[0], dtype=torch.float64)) / WEIGHT_KG[1]).item(),
        )
        for patient in patients
    ]
    return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), len(NAMES))


def undone(condition: torch.Tensor) -> dict[str, float]:
    """Age, height and weight, by `Patient`'s field, of standardised demographics (4,)."""
    _, age, height, weight = condition.double().tolist()
    return {
        "age_years": AGE_YEARS[0] + AGE_YEARS[1] * age,
        "height_cm": HEIGHT_CM[0] + HEIGHT_CM[1] * height,
        "weight_kg": WEIGHT_KG[0] * math.exp(WEIGHT_KG[1] * weight),
    }


def positions(
    shape: Sequence[int], low: Sequence[int] | None = None, size: Sequence[int] | None = None
) -> torch.Tensor:
    """Position channels (3, X, Y, Z) in [-1, 1] of the voxels of a volume of `shape`, or of its box `low`, `size`.

    The z axis of the model's grid is scaled to the height, so a position names a place in the body (the pose of
    arXiv 2505.22489).
    """
    start = (0, 0, 0) if low is None else low
    counts = shape if size is None else size
    lines = [
        (torch.arange(first, first + count, dtype=torch.float32) + 0.5) * 2.0 / whole - 1.0
        for first, count, whole in zip(start, counts, shape, strict=True)
    ]
    return torch.stack(torch.meshgrid(*lines, indexing="ij"))
