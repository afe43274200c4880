"""A body on the day of a visit: the same anatomy with another filling of the bladder, breath, place and uptake.

What the day changes is changed in the blueprint, before it is rendered: uptake spills over as it should, and the
filling is drawn by the code's own network, with noise that is partly the body's and partly the day's.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from vct.engine.cascade.anatomy import Anatomy, Blueprint
from vct.engine.cascade.day import HOLLOW, Day
from vct.engine.cascade.grid import NOMINAL_Z_MM
from vct.engine.cascade.tissues import tissue_table
from vct.engine.cascade.volumes import organ_log_ml, settling_step
from vct.structures import labels_of
from vct.volume import Triple

COARSE_MM = 8.0
STEPS = 2


def base_of(labels: torch.Tensor) -> float:
    """The lungs' lowest height in labels on the model's grid, in its nominal mm; the middle where there are none."""
    lungs = torch.isin(labels, torch.tensor(labels_of("lungs"), dtype=labels.dtype, device=labels.device))
    seen = lungs.any(dim=0).any(dim=0).nonzero()
    step = NOMINAL_Z_MM / labels.shape[2]
    return float(seen[0]) * step if len(seen) else NOMINAL_Z_MM / 2.0


def on_day(model: Anatomy, body: Blueprint, filled: Blueprint, day: Day) -> Blueprint:
    """`body` on a day; its hollow organs have the volumes of `filled`, and make room without squeezing the others."""
    names = tissue_table()[1]
    factors = torch.from_numpy(day.factors[[names.index(name) for name in model.config.tissues]]).to(body.suv.device)
    organs = model.config.volumes
    wanted = body.log_ml.clone()
    hollow = [place for place, organ in enumerate(organs) if organ in HOLLOW]
    wanted[hollow] = filled.log_ml[hollow]
    moved = replace(body, suv=body.suv * factors, log_ml=wanted)
    coarse = max(COARSE_MM, model.config.spacing_mm)
    labels = model.named(moved, coarse)
    base = base_of(labels)
    for step in range(STEPS):
        labels = labels if step == 0 else model.named(moved, coarse)
        miss = wanted[: len(organs)] - organ_log_ml(labels, organs, coarse)
        grown = settling_step(labels, organs, miss, model.config.spans)
        moved = replace(moved, coefficients=moved.coefficients + grown)
    there = day.displacement(model.config.spans, base).to(moved.coefficients.device)
    return replace(moved, coefficients=moved.coefficients + there, lag_mm=day.lag_mm(base))


def carried(center_mm: Triple, day: Day, base: float, length_mm: float) -> Triple:
    """Where a place in the body at rest is on a day, patient mm; the scan is `length_mm` long."""
    x, y, z = center_mm
    scale = length_mm / NOMINAL_Z_MM
    up = float(day.up_mm(torch.tensor(z / scale), base)) * scale
    return x + day.shift_mm[0], y + day.shift_mm[1], z + up
