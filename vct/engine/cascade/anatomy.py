"""The `anatomy` blueprint: a canonical body, carried to the patient and painted with the patient's own tissues.

Sharp by construction, labelled, and small: what is drawn is a displacement field and a number or two for every tissue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from vct.engine.cascade.blur import blurred
from vct.engine.cascade.codes import CodeConfig, CodeModel
from vct.engine.cascade.grid import NOMINAL_Z_MM, shape_at
from vct.engine.cascade.mesentery import traded
from vct.engine.cascade.skin import ANGLES, LEVELS, clothed, depths
from vct.engine.cascade.spline import Spans, field, lattice_shape, warped
from vct.engine.cascade.texture import SCALES_MM, textured
from vct.engine.cascade.tissues import tissue_table
from vct.engine.cascade.volumes import organ_log_ml, settling_step
from vct.part import Part
from vct.structures import STRUCTURES

CANONICAL_MM = 4.0
AIR_HU = -1000.0
COUCH_VOXELS = 2
"""What lies closer to the canonical body is no couch but the blur of its skin (assumed)."""
VOLUMES = (
    "liver",
    "spleen",
    "kidneys",
    "heart",
    "lungs",
    "stomach",
    "urinary_bladder",
)
"""Organs whose volumes an anatomy draws, and meets by its displacement."""
FATS = ("torso_fat", "subcutaneous_fat")
"""Drawn too; the first is met by trading bowel for fat, the second by the thickness under the skin."""
VOLUME_SCALE = 1000.0
SKIN_SCALE = 50.0
"""A code holds ln ml and ln thickness times these, so that they weigh about as much as the displacement among its
modes."""
SETTLING_MM = (8.0, 8.0, 8.0, 4.0, 4.0)
"""Where volumes are looked at, step by step: coarsely first, which costs an eighth."""
MOST_THICKER = 0.4
"""Of ln thickness, in one step of settling (assumed)."""
BOTH, PET = slice(0, 2), slice(1, 2)
PAINTINGS, MOST_BRIGHTER, FEWEST_VOXELS = 2, 1.5, 8
"""How often the paint is put right for what spills over borders, by at most what factor each time, and the smallest
tissue that is looked at (assumed)."""


class AnatomyConfig(Part):
    """One sex's model: lattice of the displacement, tissues and organs with factors of their own, the code's diffusion.

    `volumes` are structures or groups of `vct.structures` whose volumes are drawn and then met by the displacement;
    the volumes of `FATS` are drawn after them.
    """

    spans: Spans
    tissues: tuple[str, ...]
    volumes: tuple[str, ...] = ()
    code: CodeConfig
    spacing_mm: float = Field(default=CANONICAL_MM, gt=0.0)

    @property
    def parts(self) -> tuple[int, int, int, int, int]:
        """How many of a body's numbers are coefficients, thicknesses, ln ml, ln SUV and HU / 100, in this order."""
        tissues = len(self.tissues)
        coefficients = 3 * math.prod(lattice_shape(self.spans))
        return coefficients, ANGLES * LEVELS, len(self.volumes) + len(FATS), tissues, tissues


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A drawn body: displacement coefficients (3, i, j, k) in mm; thickness under the skin as `skin.thickness` has it,
    (angles, levels); mean SUV and HU by tissue, both (tissues,); ln ml of the volumes and of `FATS` on a torso of
    nominal length, (volumes + 2,); and how far the PET lies above the CT, (heights,) mm evenly along z."""

    coefficients: torch.Tensor
    thickness: torch.Tensor
    suv: torch.Tensor
    hu: torch.Tensor
    log_ml: torch.Tensor
    lag_mm: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """A body on the model's grid: HU and SUV float32, labels uint8, all (X, Y, Z)."""

    ct: torch.Tensor
    pet: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What a blueprint's displacement makes, (X, Y, Z): labels, bowel that fat has become (`mesentery.traded`), the
    share within the skin; and the displacement (1, 3, X, Y, Z)."""

    labels: torch.Tensor
    gut: torch.Tensor
    inside: torch.Tensor
    shift: torch.Tensor
    spacing_mm: float


class Anatomy(nn.Module):
    """One sex's canonical body and the diffusion over what makes a patient of it.

    Buffers, (X, Y, Z) at `config.spacing_mm`: `labels` uint8; `pattern`, the SUV over its tissue's mean; `relief`, the
    HU minus its tissue's mean, and the couch's own outside. `axis` (2, Z) is the line that the skin is seen from,
    `grain` (scales, 2, tissues + 1) how strong texture is, as `vct.engine.cascade.texture` has it, `blur_mm` () the
    standard deviation of the blur that a painted PET still lacks, `lost` (tissues,) the ln SUV that tissues seem to
    lose, in the mean, where the PET breathes apart from the CT.
    """

    labels: torch.Tensor
    pattern: torch.Tensor
    relief: torch.Tensor
    axis: torch.Tensor
    grain: torch.Tensor
    blur_mm: torch.Tensor
    lost: torch.Tensor

    def __init__(self, config: AnatomyConfig) -> None:
        super().__init__()
        self.config = config
        shape = shape_at(config.spacing_mm)
        self.register_buffer("labels", torch.zeros(shape, dtype=torch.uint8))
        self.register_buffer("pattern", torch.ones(shape))
        self.register_buffer("relief", torch.zeros(shape))
        self.register_buffer("axis", torch.zeros(2, shape[2]))
        self.register_buffer("grain", torch.zeros(len(SCALES_MM), 2, len(config.tissues) + 1))
        self.register_buffer("blur_mm", torch.zeros(()))
        self.register_buffer("lost", torch.zeros(len(config.tissues)))
        self.code = CodeModel(config.code)

    def split(self, raw: torch.Tensor) -> Blueprint:
        """The body that a long vector (raw,) describes: coefficients, thickness, ln ml, ln SUV, HU / 100, one after
        another, all but the first and the last two scaled."""
        coefficients, thickness, log_ml, log_suv, hu = torch.split(raw, list(self.config.parts))
        return Blueprint(
            coefficients=coefficients.reshape(3, *lattice_shape(self.config.spans)),
            thickness=thickness.reshape(ANGLES, LEVELS) / SKIN_SCALE,
            suv=log_suv.exp(),
            hu=hu * 100.0,
            log_ml=log_ml / VOLUME_SCALE,
        )

    def settled(self, blueprint: Blueprint) -> Blueprint:
        """The same body with the volumes and the uptake that were drawn."""
        return self.recovered(self._grown(blueprint))

    def recovered(self, blueprint: Blueprint) -> Blueprint:
        """The same body painted so that its tissues measure, within their own borders, the mean SUV that was drawn
        where its PET breathes as most do.

        Blur takes from a hot heart and gives to a cold one; what was drawn had been measured with that in it.
        """
        mm, count = self.config.spacing_mm, len(self.config.tissues)
        wanted = blueprint.suv * self.lost.exp()
        shape = self._shape(blueprint, mm)
        place = self.tissue_map(shape.labels, count).flatten()
        voxels = torch.bincount(place, minlength=count + 1)[:count]
        painted = blueprint
        for _ in range(PAINTINGS):
            pet = self._images(painted, shape, PET)[0].flatten().double()
            total = torch.bincount(place, pet, minlength=count + 1)[:count].clamp_min(1e-6)
            brighter = (wanted * voxels / total).clamp(1.0 / MOST_BRIGHTER, MOST_BRIGHTER).float()
            painted = replace(painted, suv=torch.where(voxels < FEWEST_VOXELS, painted.suv, painted.suv * brighter))
        return painted

    def _grown(self, blueprint: Blueprint) -> Blueprint:
        """The same body with its organs grown or shrunk, each about its own middle, and its fat with them, to the
        volumes that were drawn.

        A displacement drawn from smooth fields loses some of the spread of small organs; their volumes are drawn with
        it and hold.
        """
        for coarse_mm in SETTLING_MM:
            spacing_mm = max(coarse_mm, self.config.spacing_mm)
            named = self._shaped(blueprint, spacing_mm)[0]
            miss = blueprint.log_ml - organ_log_ml(named, (*self.config.volumes, *FATS), spacing_mm)
            moved = settling_step(named, self.config.volumes, miss[: -len(FATS)], self.config.spans)
            thicker = miss[-1].clamp(-MOST_THICKER, MOST_THICKER)
            blueprint = replace(
                blueprint, coefficients=blueprint.coefficients + moved, thickness=blueprint.thickness + thicker
            )
        return blueprint

    def named(self, blueprint: Blueprint, spacing_mm: float) -> torch.Tensor:
        """(X, Y, Z) uint8 labels of a body."""
        return self._traded(self._shaped(blueprint, spacing_mm)[0], blueprint, spacing_mm)[0]

    def tissue_map(self, labels: torch.Tensor, other: int) -> torch.Tensor:
        """(X, Y, Z) int64: place in `config.tissues` of every voxel of labels; `other` for air and the unknown."""
        table, names = tissue_table()
        places = {name: place for place, name in enumerate(self.config.tissues)}
        lookup = torch.tensor([places.get(names[number], other) for number in table], device=labels.device)
        return lookup[labels.long()]

    def fine_mm(self, spacing_mm: float) -> float:
        """The spacing at which a body is rendered, before it is averaged to `spacing_mm`."""
        return spacing_mm / max(1, round(spacing_mm / self.config.spacing_mm))

    def render(
        self,
        blueprint: Blueprint,
        spacing_mm: float,
        labels_mm: float | None = None,
        noise: torch.Tensor | None = None,
    ) -> Render:
        """The body at any spacing of the model's grid; coarser than the canonical body it is averaged, in SUV.

        Labels come at `labels_mm` where it is given: stage 2 refines images, the displacement refines labels. `noise`,
        drawn by `texture.fields` at `fine_mm`, becomes texture.
        """
        fine_mm = self.fine_mm(spacing_mm)
        shape = self._shape(blueprint, fine_mm)
        named, inside = shape.labels, shape.inside
        ct, pet = self._images(blueprint, shape)
        if noise is not None:
            ct, pet = textured(ct, pet, self.grain, self.tissue_map(named, len(self.config.tissues)), noise)
        if blueprint.lag_mm is not None:
            pet = raised(pet, blueprint.lag_mm)
        ct = inside * ct + (1.0 - inside) * self._couch(named)
        ct, pet = functional.avg_pool3d(torch.stack((ct, pet))[None], round(spacing_mm / fine_mm))[0]
        wanted_mm = labels_mm or spacing_mm
        labels = named if wanted_mm == fine_mm else self.named(blueprint, wanted_mm)
        return Render(ct=ct, pet=pet, labels=labels)

    def _shape(self, blueprint: Blueprint, spacing_mm: float) -> _Shape:
        bare, depth, shift = self._shaped(blueprint, spacing_mm)
        named, gut = self._traded(bare, blueprint, spacing_mm)
        inside = (depth / spacing_mm + 0.5).clamp(0.0, 1.0)
        return _Shape(labels=named, gut=gut, inside=inside, shift=shift, spacing_mm=spacing_mm)

    def _images(self, blueprint: Blueprint, shape: _Shape, which: slice = BOTH) -> list[torch.Tensor]:
        """HU, going on beyond the skin, and SUV as a PET sees it, (X, Y, Z), without texture; both or one."""
        painted = warped(self._painted(blueprint)[:, which], shape.shift)[0]
        *ct, pet = self._repainted(painted, blueprint, shape, which)
        return [*ct, blurred(shape.inside * pet, float(self.blur_mm) / shape.spacing_mm)]

    def _shaped(self, blueprint: Blueprint, spacing_mm: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Labels and depths under the skin (X, Y, Z), and displacements (1, 3, X, Y, Z) of a body."""
        shift = field(blueprint.coefficients[None], shape_at(spacing_mm))
        bare = warped(self.labels[None, None].float(), shift, mode="nearest")[0, 0].to(torch.uint8)
        axis = functional.interpolate(self.axis[None], bare.shape[2], mode="linear")[0]
        depth = depths(bare, blueprint.thickness, axis)
        return clothed(bare, depth), depth, shift

    def _traded(
        self, named: torch.Tensor, blueprint: Blueprint, spacing_mm: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return traded(named, float(blueprint.log_ml[-len(FATS)].exp()), spacing_mm)

    def _repainted(self, images: torch.Tensor, blueprint: Blueprint, shape: _Shape, which: slice) -> torch.Tensor:
        """(images, X, Y, Z) HU, SUV or both with the skin, and with bowel and fat where one took the other's place: fat
        such as lies elsewhere in the torso, which is warmer than under the skin."""
        named, gut = shape.labels, shape.gut
        means = torch.stack((blueprint.hu, blueprint.suv))[which]
        if "skin" in self.config.tissues:
            skin = means[:, self.config.tissues.index("skin"), None, None, None]
            images = torch.where(named == STRUCTURES["skin"], skin, images)
        if "small_bowel" in self.config.tissues:
            fat, bowel = (
                means[:, self.config.tissues.index(name), None, None, None] for name in ("fat", "small_bowel")
            )
            kept = (named == STRUCTURES["torso_fat"]) & (gut < 0.0)
            if kept.any():
                fat = images[:, kept].median(dim=1).values[:, None, None, None]
            images = torch.where(gut >= 0.0, torch.lerp(fat, bowel, gut), images)
        return images

    def _painted(self, blueprint: Blueprint) -> torch.Tensor:
        """(1, 2, X, Y, Z) HU and SUV of the canonical body in the patient's tissues, in fat without end."""
        fat = self.config.tissues.index("fat")
        place = self.tissue_map(torch.where(self.labels == STRUCTURES["skin"], 0, self.labels), fat)
        body = (self.labels > 0) & (self.labels != STRUCTURES["skin"])
        hu = blueprint.hu[place] + torch.where(body, self.relief, 0.0)
        return torch.stack((hu, blueprint.suv[place] * torch.where(body, self.pattern, 1.0)))[None]

    def _couch(self, named: torch.Tensor) -> torch.Tensor:
        """(X, Y, Z) HU of air and the couch of the canonical body, under the back of a body."""
        near = (self.labels > 0).float()[None]
        for axis in range(3):
            reach = [COUCH_VOXELS if axis == other else 0 for other in range(3)]
            near = functional.max_pool3d(near, [2 * voxels + 1 for voxels in reach], 1, reach)
        outside = torch.where(near[0] > 0.0, AIR_HU, self.relief)
        outside = functional.interpolate(outside[None, None], named.shape, mode="trilinear")[0, 0]
        lower = _back(named) - round(_back(self.labels) * named.shape[1] / self.labels.shape[1])
        return functional.pad(outside, (0, 0, lower, -lower), value=AIR_HU)


def raised(image: torch.Tensor, lag_mm: torch.Tensor) -> torch.Tensor:
    """(X, Y, Z) with what lies at a height shown `lag_mm` (heights,) higher, evenly along z; linear between slices."""
    size = image.shape[2]
    lag = functional.interpolate(lag_mm[None, None], size, mode="linear")[0, 0] * (size / NOMINAL_Z_MM)
    at = (torch.arange(size, device=image.device) - lag.to(image.device)).clamp(0.0, size - 1.0)
    low = at.long().clamp_max(size - 2)
    return torch.lerp(image[..., low], image[..., low + 1], at - low)


def _back(labels: torch.Tensor) -> int:
    """The first voxel along y that holds any of the body."""
    return int((labels > 0).any(dim=2).any(dim=0).to(torch.uint8).argmax())
