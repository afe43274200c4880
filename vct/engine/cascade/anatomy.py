"""The `anatomy` blueprint: a canonical body, carried to the patient and painted with the patient's own tissues.

Sharp by construction, labelled, and small: what is drawn is a displacement field and a number or two for every tissue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from vct.engine.cascade.codes import CodeConfig, CodeModel
from vct.engine.cascade.grid import shape_at
from vct.engine.cascade.spline import Spans, field, lattice_shape, warped
from vct.engine.cascade.tissues import tissue_table
from vct.engine.cascade.volumes import organ_log_ml, settling_step
from vct.part import Part

CANONICAL_MM = 4.0
VOLUMES = (
    "liver",
    "spleen",
    "kidneys",
    "heart",
    "lungs",
    "stomach",
    "urinary_bladder",
)
"""Organs whose volumes an anatomy draws."""
VOLUME_SCALE = 1000.0
"""A code holds ln ml times this, so that organ volumes weigh about as much as the displacement among its modes."""
SETTLING = 5


class AnatomyConfig(Part):
    """One sex's model: lattice of the displacement, tissues and organs with factors of their own, the code's diffusion.

    `volumes` are structures or groups of `vct.structures` whose volumes are drawn and then met by the displacement.
    """

    spans: Spans
    tissues: tuple[str, ...]
    volumes: tuple[str, ...] = ()
    code: CodeConfig
    spacing_mm: float = Field(default=CANONICAL_MM, gt=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A drawn body: displacement coefficients (3, i, j, k) in mm; mean SUV and HU by tissue, both (tissues,); ln ml of
    organs on a torso of nominal length, (volumes,)."""

    coefficients: torch.Tensor
    suv: torch.Tensor
    hu: torch.Tensor
    log_ml: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """A body on the model's grid: HU and SUV float32, labels uint8, all (X, Y, Z)."""

    ct: torch.Tensor
    pet: torch.Tensor
    labels: torch.Tensor


class Anatomy(nn.Module):
    """One sex's canonical body and the diffusion over what makes a patient of it.

    Buffers, (X, Y, Z) at `config.spacing_mm`: `labels` uint8; `pattern`, the SUV over its tissue's mean; `relief`, the
    HU minus its tissue's mean.
    """

    labels: torch.Tensor
    pattern: torch.Tensor
    relief: torch.Tensor

    def __init__(self, config: AnatomyConfig) -> None:
        super().__init__()
        self.config = config
        shape = shape_at(config.spacing_mm)
        self.register_buffer("labels", torch.zeros(shape, dtype=torch.uint8))
        self.register_buffer("pattern", torch.ones(shape))
        self.register_buffer("relief", torch.zeros(shape))
        self.code = CodeModel(config.code)

    def split(self, raw: torch.Tensor) -> Blueprint:
        """The body that a long vector (raw,) describes: coefficients, scaled ln ml, ln SUV, HU / 100, one after
        another."""
        tissues, volumes = len(self.config.tissues), len(self.config.volumes)
        first = raw.numel() - 2 * tissues - volumes
        coefficients, log_ml, log_suv, hu = torch.split(raw, [first, volumes, tissues, tissues])
        return Blueprint(
            coefficients=coefficients.reshape(3, *lattice_shape(self.config.spans)),
            suv=log_suv.exp(),
            hu=hu * 100.0,
            log_ml=log_ml / VOLUME_SCALE,
        )

    def settled(self, blueprint: Blueprint) -> Blueprint:
        """The same body with its organs grown or shrunk, each about its own middle, to the volumes that were drawn.

        A displacement drawn from smooth fields loses some of the spread of small organs; their volumes are drawn with
        it and hold.
        """
        coefficients = blueprint.coefficients
        for _ in range(SETTLING):
            named = self.named(coefficients, self.config.spacing_mm)
            miss = blueprint.log_ml - self.log_ml(named)
            coefficients = coefficients + settling_step(named, self.config.volumes, miss, self.config.spans)
        return replace(blueprint, coefficients=coefficients)

    def named(self, coefficients: torch.Tensor, spacing_mm: float) -> torch.Tensor:
        """(X, Y, Z) uint8 labels of the canonical body under a displacement."""
        shift = field(coefficients[None], shape_at(spacing_mm))
        return warped(self.labels[None, None].float(), shift, mode="nearest")[0, 0].to(torch.uint8)

    def log_ml(self, named: torch.Tensor) -> torch.Tensor:
        """(volumes,) ln ml of the organs in labels at the canonical body's spacing; of one voxel where one is lost."""
        return organ_log_ml(named, self.config.volumes, self.config.spacing_mm)

    def tissue_map(self) -> torch.Tensor:
        """(X, Y, Z) int64: place in `config.tissues` of every canonical voxel; their number for air and the unknown."""
        table, names = tissue_table()
        places = {name: place for place, name in enumerate(self.config.tissues)}
        lookup = torch.tensor([places.get(names[number], len(places)) for number in table], device=self.labels.device)
        return lookup[self.labels.long()]

    def render(self, blueprint: Blueprint, spacing_mm: float, labels_mm: float | None = None) -> Render:
        """The body at any spacing of the model's grid; coarser than the canonical body it is averaged, in SUV.

        Labels come at `labels_mm` where it is given: stage 2 refines images, the displacement refines labels.
        """
        factor = max(1, round(spacing_mm / self.config.spacing_mm))
        shift = field(blueprint.coefficients[None], shape_at(spacing_mm / factor))
        ct, pet = functional.avg_pool3d(warped(self._painted(blueprint), shift), factor)[0]
        return Render(ct=ct, pet=pet, labels=self.named(blueprint.coefficients, labels_mm or spacing_mm))

    def _painted(self, blueprint: Blueprint) -> torch.Tensor:
        """(1, 2, X, Y, Z) HU and SUV of the canonical body in the patient's tissues."""
        place = self.tissue_map()
        nothing = blueprint.suv.new_zeros(1)
        suv = torch.cat((blueprint.suv, nothing))[place] * self.pattern
        body = place < len(self.config.tissues)
        hu = torch.where(body, torch.cat((blueprint.hu, nothing))[place] + self.relief, self.relief)
        return torch.stack((hu, suv))[None]
