"""`Cascade`: the engine that runs the diffusion models for a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch

from vct.engine.cascade import blueprints
from vct.engine.cascade.blueprints import AnatomyBlueprint, VoxelBlueprint
from vct.engine.cascade.conditioning import demographics
from vct.engine.cascade.day import day_factors
from vct.engine.cascade.grid import grid_for
from vct.engine.cascade.sampler import DEFAULT, Schedule
from vct.engine.cascade.superres import FACTOR, Superres
from vct.engine.lesions import place, plant
from vct.errors import InputError
from vct.records import Scan, Snapshot
from vct.volume import Volume

RESOLUTIONS_MM = (8.0, 4.0, 2.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cascade:
    """Blueprint, then stage 2 down to `spacing_mm`, then the day's physiology and the lesions.

    The blueprint is drawn from `stream(seed, patient.id, "body")` and is the same at every visit. A patient's noise has
    the patient's name, so that a batch gives each of its members what a single call would, up to rounding.
    """

    spec_name: ClassVar[str] = "cascade"

    blueprint: AnatomyBlueprint | VoxelBlueprint
    superres: Superres | None = None
    superres_hash: str = ""
    spacing_mm: float = 4.0
    schedule: Schedule = DEFAULT
    device: Literal["cpu", "cuda"] = "cpu"

    def __post_init__(self) -> None:
        if self.spacing_mm not in RESOLUTIONS_MM:
            raise InputError(f"the cascade's voxels measure 8, 4 or 2 mm (got {self.spacing_mm:g})")
        if self.superres is None and self.spacing_mm < self.blueprint.finest_mm:
            raise InputError(
                f"{self.blueprint.kind} weights alone reach {self.blueprint.finest_mm:g} mm; "
                f"{self.spacing_mm:g} mm needs superres weights beside them"
            )

    @classmethod
    def from_spec(cls, argument: str, resolution_mm: float | None) -> Cascade:
        """The engine from the command line: `argument` is the folder of the weights.

        Raises InputError when it holds none, or they are damaged, or do not reach the resolution.
        """
        if not argument:
            raise InputError("engine 'cascade' needs the folder of its weights: cascade:DIR")
        return cls.load(Path(argument), 4.0 if resolution_mm is None else resolution_mm)

    @classmethod
    def load(cls, folder: Path, spacing_mm: float = 4.0, schedule: Schedule = DEFAULT) -> Cascade:
        """The engine with the weights in `folder`: an anatomy or a lowres checkpoint, and superres where there is
        one."""
        device: Literal["cpu", "cuda"] = "cuda" if torch.cuda.is_available() else "cpu"
        refine, digest = blueprints.load_superres(folder)
        return cls(
            blueprint=blueprints.load_blueprint(folder, device),
            superres=None if refine is None else refine.to(device),
            superres_hash=digest,
            spacing_mm=spacing_mm,
            schedule=schedule,
            device=device,
        )

    @property
    def name(self) -> str:
        """As in the manifest: blueprint, weights and resolution."""
        second = f"+{self.superres_hash[:8]}" if self._halvings() else ""
        return f"cascade {self.blueprint.kind} {self.blueprint.hash[:8]}{second} {self.spacing_mm:g} mm"

    def generate(self, snapshot: Snapshot, seed: int) -> Scan:
        """The PET/CT of a snapshot, lesions placed and planted."""
        return self.generate_many((snapshot,), seed)[0]

    def generate_many(self, snapshots: Sequence[Snapshot], seed: int) -> tuple[Scan, ...]:
        """Scans of several snapshots; blueprints are drawn together, which fills a GPU."""
        if not snapshots:
            return ()
        with torch.inference_mode():
            first_mm = self.spacing_mm * FACTOR ** self._halvings()
            people = [item.patient for item in snapshots]
            drawn = self.blueprint.draw(people, seed, first_mm, self.schedule, self.spacing_mm)
            return tuple(self._finish(item, body, seed) for item, body in zip(snapshots, drawn, strict=True))

    def _finish(self, snapshot: Snapshot, body: blueprints.Body, seed: int) -> Scan:
        patient = snapshot.patient
        ct, pet, labels = body.ct, body.pet, body.labels
        condition = demographics([patient])[0].to(self.device)
        spacing = self.spacing_mm * FACTOR ** self._halvings()
        while spacing > self.spacing_mm and self.superres is not None:
            spacing /= FACTOR
            ct, pet = self.superres.refine(
                ct, pet, condition, spacing, self.schedule, seed, patient.id, "body", "superres"
            )
        pet_suv = pet.cpu().numpy()
        grid = grid_for(self.blueprint.length.of(patient.height_cm), self.spacing_mm)
        named = None
        if labels is not None:
            named = Volume(data=np.ascontiguousarray(labels.cpu().numpy()), grid=grid, unit="label")
            pet_suv = pet_suv * day_factors(patient.id, snapshot.visit.name, seed)[named.data]
        hu = Volume(data=np.ascontiguousarray(ct.cpu().numpy()), grid=grid, unit="HU")
        suv = Volume(data=np.ascontiguousarray(pet_suv, dtype=np.float32), grid=grid, unit="SUVbw")
        return _with_lesions(snapshot, hu, suv, named, self.name, seed)

    def _halvings(self) -> int:
        """How often stage 2 halves the spacing before `spacing_mm`: from what the blueprint draws sharply itself."""
        count, spacing = 0, self.spacing_mm
        while spacing < self.blueprint.finest_mm:
            spacing, count = spacing * FACTOR, count + 1
        return count


def _with_lesions(snapshot: Snapshot, ct: Volume, pet: Volume, labels: Volume | None, made_by: str, seed: int) -> Scan:
    lesions = snapshot.lesions
    background: dict[str, float] = {}
    planted = {} if labels is None else blueprints.mean_by_structure(pet, labels)
    if lesions:
        if labels is None:
            raise InputError("lesions need organ labels to be placed in; voxel weights give none, anatomy weights do")
        lesions = place(lesions, labels, seed, snapshot.patient.id)
        ct, pet, background = plant(ct, pet, lesions)
    return Scan(
        snapshot=replace(snapshot, lesions=lesions),
        ct=ct,
        pet=pet,
        labels=labels,
        made_by=made_by,
        planted_suv=planted,
        background_suv=background,
    )
