"""`Cascade`: the engine that runs the diffusion models for a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from vct.devices import keep_freed_memory
from vct.engine.cascade import blueprints
from vct.engine.cascade.blueprints import AnatomyBlueprint, VoxelBlueprint
from vct.engine.cascade.conditioning import demographics
from vct.engine.cascade.day import Day, DayToDay
from vct.engine.cascade.grid import grid_for
from vct.engine.cascade.measured import measured
from vct.engine.cascade.sampler import DEFAULT, QUICK, Schedule
from vct.engine.cascade.superres import FACTOR, Superres
from vct.engine.cascade.visit import base_of, carried
from vct.engine.lesions import place, plant
from vct.errors import InputError
from vct.plausibility import Learned
from vct.records import Scan, Snapshot
from vct.segmenter import Network, Segmenter
from vct.volume import Volume

RESOLUTIONS_MM = (8.0, 4.0, 2.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cascade:
    """Blueprint, then stage 2 down to `spacing_mm`, then the day's physiology and the lesions.

    The blueprint is drawn from `stream(seed, patient.id, "body")` and is the same at every visit. A patient's noise has
    the patient's name, so that a batch gives each of its members what a single call would, up to rounding.
    Bodies of voxel weights come without labels: the `segmenter` finds their organs on the CT.
    `fwhm_mm` and `noise_cov` are the blur and the noise (in the liver) that the weights learned to paint. An engine
    from a `folder` is read there again by other processes.
    """

    blueprint: AnatomyBlueprint | VoxelBlueprint
    superres: Superres | None = None
    superres_hash: str = ""
    spacing_mm: float = 4.0
    schedule: Schedule = DEFAULT
    refining: Schedule = QUICK
    device: Literal["cpu", "cuda"] = "cpu"
    fwhm_mm: float = 0.0
    noise_cov: float = 0.0
    folder: Path | None = None
    segmenter: Segmenter = field(default_factory=Network)
    daily: DayToDay = field(default_factory=DayToDay)

    def __post_init__(self) -> None:
        if self.spacing_mm not in RESOLUTIONS_MM:
            raise InputError(f"the cascade's voxels measure 8, 4 or 2 mm (got {self.spacing_mm:g})")
        if self.superres is None and self.spacing_mm < self.blueprint.finest_mm:
            raise InputError(
                f"{self.blueprint.kind} weights alone reach {self.blueprint.finest_mm:g} mm; "
                f"{self.spacing_mm:g} mm needs superres weights beside them"
            )

    @classmethod
    def load(
        cls,
        folder: Path,
        spacing_mm: float = 4.0,
        schedule: Schedule = DEFAULT,
        mean: bool = False,
        daily: DayToDay | None = None,
        refining: Schedule = QUICK,
    ) -> Cascade:
        """The engine with the weights in `folder`: an anatomy or a lowres checkpoint, and superres where there is one.
        Voxels are drawn by `schedule`, refined by `refining`.

        With `mean` every patient is the mean of their demographics, without diffusion and without a day of their own:
        the baseline that a generative model has to beat.
        """
        device: Literal["cpu", "cuda"] = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            keep_freed_memory()
        blueprint = blueprints.load_blueprint(folder, device, mean)
        second = blueprints.load_superres(folder)
        fine = second is not None and spacing_mm < blueprint.finest_mm
        painted = second.imaging if second is not None and fine else blueprint.imaging
        return cls(
            blueprint=blueprint,
            superres=None if second is None else second.model.to(device),
            superres_hash="" if second is None else second.hash,
            spacing_mm=spacing_mm,
            schedule=schedule,
            refining=refining,
            device=device,
            fwhm_mm=painted.fwhm_mm,
            noise_cov=painted.noise_cov,
            folder=folder,
            daily=daily or DayToDay(),
        )

    def __reduce__(self) -> Any:
        if self.folder is None:
            return super().__reduce__()
        return Cascade.load, (
            self.folder, self.spacing_mm, self.schedule, self.blueprint.mean, self.daily, self.refining
        )  # fmt: skip

    @property
    def about(self) -> str:
        """What scans of this engine are, to stand beside them."""
        learned = self.blueprint.trained_on or "not stated"
        return f"Synthetic PET/CT made by {self.name}; nobody's scans. The weights were trained on: {learned}"

    @property
    def fidelity(self) -> Mapping[str, Any]:
        """What was measured of these weights, as it stands beside them in `fidelity.json`; see `measured`."""
        return measured(self.folder, self.blueprint.hash, self.blueprint.trained_on)

    @cached_property
    def learned(self) -> Learned:
        """Whom the weights know; see `vct.plausibility`."""
        return self.blueprint.learned

    @property
    def name(self) -> str:
        """As in the manifest: blueprint, weights and resolution."""
        second = f"+{self.superres_hash[:8]}" if self._halvings() else ""
        usual = (self.schedule, self.refining) == (DEFAULT, QUICK)
        both = {f"{item.solver} {item.steps}": None for item in (self.schedule, self.refining)}
        sampler = "" if usual else f" {' + '.join(both)}"
        mean = " mean" if self.blueprint.mean else ""
        daily = "" if self.daily == DayToDay() else f" day {self.daily.model_dump(exclude_defaults=True)}"
        weights = f"{self.blueprint.kind} {self.blueprint.hash[:8]}{second}"
        return f"cascade {weights} {self.spacing_mm:g} mm{sampler}{mean}{daily}"

    def generate(self, snapshot: Snapshot, seed: int) -> Scan:
        """The PET/CT of a snapshot, lesions placed and planted."""
        return self.generate_many((snapshot,), seed)[0]

    def generate_many(self, snapshots: Sequence[Snapshot], seed: int) -> tuple[Scan, ...]:
        """Scans of several snapshots; blueprints are drawn together, which fills a GPU."""
        if not snapshots:
            return ()
        with torch.inference_mode():
            first_mm = self.spacing_mm * FACTOR ** self._halvings()
            drawn = self.blueprint.draw(snapshots, seed, first_mm, self.schedule, self.spacing_mm, self.daily)
            return tuple(self._finish(item, body, seed) for item, body in zip(snapshots, drawn, strict=True))

    def _finish(self, snapshot: Snapshot, body: blueprints.Body, seed: int) -> Scan:
        patient = snapshot.patient
        ct, pet, labels = body.ct, body.pet, body.labels
        condition = demographics([patient])[0].to(self.device)
        spacing = self.spacing_mm * FACTOR ** self._halvings()
        while spacing > self.spacing_mm and self.superres is not None:
            spacing /= FACTOR
            ct, pet = self.superres.refine(
                ct, pet, condition, spacing, self.refining, seed, patient.id, "body", "superres"
            )
        pet_suv = pet.cpu().numpy()
        grid = grid_for(self.blueprint.length.of(patient.height_cm), self.spacing_mm)
        hu = Volume(data=np.ascontiguousarray(ct.cpu().numpy()), grid=grid, unit="HU")
        if labels is None:
            named = self.segmenter.segment(hu, Volume(data=pet_suv, grid=grid, unit="SUVbw"))
        else:
            named = Volume(data=np.ascontiguousarray(labels.cpu().numpy()), grid=grid, unit="label")
        if body.day is None and not self.blueprint.mean:
            pet_suv = pet_suv * self.daily.draw(patient.id, snapshot.visit.name, seed).by_label()[named.data]
        suv = Volume(data=np.ascontiguousarray(pet_suv, dtype=np.float32), grid=grid, unit="SUVbw")
        scan = Scan(
            snapshot=snapshot,
            ct=hu,
            pet=suv,
            labels=named,
            made_by=self.name,
            fwhm_mm=self.fwhm_mm,
            noise_cov=self.noise_cov,
            planted_suv=blueprints.mean_by_structure(suv, named),
        )
        return self._with_lesions(scan, body.day, seed)

    def _halvings(self) -> int:
        """How often stage 2 halves the spacing before `spacing_mm`: from what the blueprint draws sharply itself."""
        count, spacing = 0, self.spacing_mm
        while spacing < self.blueprint.finest_mm:
            spacing, count = spacing * FACTOR, count + 1
        return count

    def _with_lesions(self, scan: Scan, day: Day | None, seed: int) -> Scan:
        """Lesions are placed in the body at rest, the same at every visit, and go with it through the day."""
        if not scan.snapshot.lesions or scan.labels is None:
            return scan
        patient = scan.snapshot.patient
        if day is None or not isinstance(self.blueprint, AnatomyBlueprint):
            lesions = place(scan.snapshot.lesions, scan.labels, seed, patient.id)
        else:
            rest = self.blueprint.at_rest(patient, seed, self.spacing_mm)
            base, length_mm = base_of(rest), self.blueprint.length.of(patient.height_cm)
            labels = replace(scan.labels, data=np.ascontiguousarray(rest.cpu().numpy()))
            lesions = tuple(
                replace(item, center_mm=item.center_mm and carried(item.center_mm, day, base, length_mm))
                for item in place(scan.snapshot.lesions, labels, seed, patient.id)
            )
        ct, pet, background = plant(scan.ct, scan.pet, lesions, scan.fwhm_mm)
        snapshot = replace(scan.snapshot, lesions=lesions)
        return replace(scan, snapshot=snapshot, ct=ct, pet=pet, background_suv=background)
