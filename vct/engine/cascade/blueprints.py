"""The two forms of stage 1 behind one interface: patients in, whole bodies on the model's grid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from vct import checkpoint
from vct.checkpoint import Checkpoint
from vct.engine.cascade.anatomy import Anatomy, AnatomyConfig, Blueprint
from vct.engine.cascade.conditioning import demographics, undone
from vct.engine.cascade.day import Day, DayToDay
from vct.engine.cascade.grid import Length
from vct.engine.cascade.intensity import decode
from vct.engine.cascade.lowres import Lowres, LowresConfig
from vct.engine.cascade.sampler import THOROUGH, Schedule, code_noise, volume_noise
from vct.engine.cascade.superres import Superres, SuperresConfig
from vct.engine.cascade.texture import fields
from vct.engine.cascade.visit import on_day
from vct.errors import InputError
from vct.plausibility import Learned
from vct.records import Patient, Snapshot
from vct.structures import STRUCTURES
from vct.volume import Volume

LOOKS = "looks"
"""The tensor (N, D) of an anatomy checkpoint that holds what its training bodies look like (`vct.plausibility`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """HU and SUV float32 (X, Y, Z) on the model's grid; labels uint8, or None where nobody knows them; the day that
    they show already."""

    ct: torch.Tensor
    pet: torch.Tensor
    labels: torch.Tensor | None
    day: Day | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imaging:
    """Blur and noise (coefficient of variation in the liver) of the PETs that weights learned from."""

    fwhm_mm: float = 0.0
    noise_cov: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class AnatomyBlueprint:
    """One anatomy model a sex. Sharp down to the canonical body's own spacing."""

    kind: ClassVar[str] = "anatomy"

    models: Mapping[str, Anatomy]
    length: Length
    hash: str
    device: str = "cpu"
    imaging: Imaging = Imaging()
    trained_on: str = ""
    mean: bool = False
    looks: torch.Tensor | None = None

    @property
    def learned(self) -> Learned:
        """The range of each sex's demographics, and the training bodies' looks where the weights carry them."""
        looks = None if self.looks is None else self.looks.double().numpy()
        return Learned(
            covered={sex: _range(model.code.low, model.code.high) for sex, model in self.models.items()}, looks=looks
        )

    @property
    def finest_mm(self) -> float:
        """The finest spacing that needs no stage 2."""
        return min(model.config.spacing_mm for model in self.models.values())

    def draw(
        self,
        snapshots: Sequence[Snapshot],
        seed: int,
        spacing_mm: float,
        schedule: Schedule,
        labels_mm: float,
        daily: DayToDay,
    ) -> tuple[Body, ...]:
        """Bodies at a spacing, labels at another. Codes are drawn with 32 evaluations whatever `schedule`: they cost
        next to nothing. The body is the patient's; its day, as `daily` has it, and its texture are the visit's.

        Raises InputError for a sex that the weights do not know.
        """
        del schedule
        bodies = []
        for snapshot in snapshots:
            patient, visit = snapshot.patient, snapshot.visit.name
            model, drawn = _body(self, patient, seed)
            texture, day = None, None
            if not self.mean:
                texture = fields(model.fine_mm(spacing_mm), seed, patient.id, visit, "texture").to(self.device)
                day = daily.draw(patient.id, visit, seed)
                drawn = on_day(model, drawn, _filled(self, patient, seed, visit, daily.filling), day)
            seen = model.render(drawn, spacing_mm, labels_mm, texture)
            bodies.append(Body(ct=seen.ct, pet=seen.pet, labels=seen.labels, day=day))
        return tuple(bodies)

    def at_rest(self, patient: Patient, seed: int, spacing_mm: float) -> torch.Tensor:
        """Labels (X, Y, Z) of a patient's body before any day."""
        return _at_rest(self, patient, seed, spacing_mm)


@lru_cache(maxsize=2)
def _body(blueprint: AnatomyBlueprint, patient: Patient, seed: int) -> tuple[Anatomy, Blueprint]:
    """A patient's sex's model and body; kept from one visit to the next."""
    if patient.sex not in blueprint.models:
        raise InputError(f"the anatomy weights know no body of sex {patient.sex}")
    model = blueprint.models[patient.sex]
    if blueprint.mean:
        code = model.code.expected(demographics([patient]).to(blueprint.device))[0]
    else:
        code = _code(blueprint, patient, code_noise(model.config.code.modes, seed, patient.id, "body"))
    return model, model.settled(model.split(code))


@lru_cache(maxsize=2)
def _at_rest(blueprint: AnatomyBlueprint, patient: Patient, seed: int, spacing_mm: float) -> torch.Tensor:
    model, drawn = _body(blueprint, patient, seed)
    return model.named(drawn, spacing_mm)


def _filled(blueprint: AnatomyBlueprint, patient: Patient, seed: int, visit: str, kept: float) -> Blueprint:
    """The patient as drawn with noise of which `kept`, as a correlation, is the body's and the rest the visit's."""
    modes = blueprint.models[patient.sex].config.code.modes
    body, own = (code_noise(modes, seed, patient.id, *name) for name in (("body",), (visit, "filling")))
    code = _code(blueprint, patient, kept * body + (1.0 - kept**2) ** 0.5 * own)
    return blueprint.models[patient.sex].split(code)


def _code(blueprint: AnatomyBlueprint, patient: Patient, noise: torch.Tensor) -> torch.Tensor:
    """(raw,) the long vector of a patient, drawn from noise (modes,)."""
    condition = demographics([patient]).to(blueprint.device)
    return blueprint.models[patient.sex].code.draw(condition, noise[None].to(blueprint.device), THOROUGH)[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class VoxelBlueprint:
    """The paper's stage 1: a diffusion over voxels at 8 mm, without labels."""

    kind: ClassVar[str] = "voxel"

    model: Lowres
    length: Length
    hash: str
    device: str = "cpu"
    imaging: Imaging = Imaging()
    trained_on: str = ""
    mean: bool = False

    @property
    def learned(self) -> Learned:
        """The range of the demographics, the same for both sexes."""
        own = _range(self.model.low, self.model.high)
        return Learned(covered={"F": own, "M": own})

    @property
    def finest_mm(self) -> float:
        """The spacing of its grid."""
        return self.model.config.spacing_mm

    def draw(
        self,
        snapshots: Sequence[Snapshot],
        seed: int,
        spacing_mm: float,
        schedule: Schedule,
        labels_mm: float,
        daily: DayToDay,
    ) -> tuple[Body, ...]:
        """Bodies at the model's spacing, or averaged in SUV to a coarser one. Nothing but uptake, which the engine
        changes, tells one day from another."""
        del labels_mm, daily
        shape = self.model.shape
        patients = [snapshot.patient for snapshot in snapshots]
        condition = demographics(patients).to(self.device)
        if self.mean:
            encoded = self.model.expected(condition)
        else:
            noise = [volume_noise((2, *shape), (0, 0, 0), shape, seed, item.id, "body") for item in patients]
            encoded = self.model.draw(condition, torch.stack(noise).to(self.device), schedule)
        factor = round(spacing_mm / self.finest_mm)
        ct, pet = (functional.avg_pool3d(part[:, None], factor)[:, 0] for part in decode(encoded))
        return tuple(Body(ct=ct[row], pet=pet[row], labels=None) for row in range(len(patients)))


@dataclass(frozen=True, kw_only=True, eq=False)
class SecondStage:
    """Stage 2 as it was loaded."""

    model: Superres
    hash: str
    imaging: Imaging


def load_blueprint(folder: Path, device: str = "cpu", mean: bool = False) -> AnatomyBlueprint | VoxelBlueprint:
    """The stage 1 in `folder`: anatomy where there is one, else voxel; with `mean` it draws nothing but the mean.

    Raises InputError where there is neither, or the weights are damaged.
    """
    kind = next((kind for kind in ("anatomy", "lowres") if any(folder.glob(f"{kind}-*.safetensors"))), None)
    if kind is None:
        raise InputError(f"{folder}: holds neither anatomy-*.safetensors nor lowres-*.safetensors")
    found = checkpoint.load(folder, kind)
    common: dict[str, Any] = {
        "length": Length(*found.config["length"]),
        "hash": found.hash,
        "device": device,
        "imaging": _imaging(found),
        "trained_on": found.training_data,
        "mean": mean,
    }
    if kind == "lowres":
        model = _loaded(Lowres(_config(LowresConfig, found.config["model"], folder)), found, "", folder)
        return VoxelBlueprint(model=model.to(device), **common)
    models = {
        sex: _loaded(Anatomy(_config(AnatomyConfig, config, folder)), found, f"{sex}.", folder).to(device)
        for sex, config in found.config["sexes"].items()
    }
    return AnatomyBlueprint(models=models, looks=found.tensors.get(LOOKS), **common)


def load_superres(folder: Path) -> SecondStage | None:
    """The stage 2 in `folder`; None where there is none. Raises InputError when it is damaged."""
    if not any(folder.glob("superres-*.safetensors")):
        return None
    found = checkpoint.load(folder, "superres")
    model = _loaded(Superres(_config(SuperresConfig, found.config["model"], folder)), found, "", folder)
    return SecondStage(model=model, hash=found.hash, imaging=_imaging(found))


def mean_by_structure(pet: Volume, labels: Volume) -> dict[str, float]:
    """Mean SUV of every structure that `labels` show: the painted truth of a body without lesions."""
    count = np.bincount(labels.data.ravel(), minlength=256)
    total = np.bincount(labels.data.ravel(), weights=pet.data.ravel().astype(np.float64), minlength=256)
    return {name: float(total[label] / count[label]) for name, label in STRUCTURES.items() if count[label]}


def _loaded(model: Any, found: Checkpoint, prefix: str, folder: Path) -> Any:
    """The model with the checkpoint's tensors, as float32 and ready to run."""
    state = {name[len(prefix) :]: value for name, value in found.tensors.items() if name.startswith(prefix)}
    module: nn.Module = model
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{folder}: the {found.kind} weights do not fit their own configuration ({error})") from error
    return module.eval().requires_grad_(False)


def _config(config: Any, values: Any, folder: Path) -> Any:
    try:
        return config.model_validate_json(checkpoint.as_json(values))
    except ValidationError as error:
        raise InputError(f"{folder}: the weights' configuration is not one of this version ({error})") from error


def _range(low: torch.Tensor, high: torch.Tensor) -> dict[str, tuple[float, float]]:
    first, last = undone(low), undone(high)
    return {name: (first[name], last[name]) for name in first}


def _imaging(found: Checkpoint) -> Imaging:
    return Imaging(**found.config.get("imaging", {}))
