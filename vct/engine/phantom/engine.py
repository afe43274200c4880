"""The phantom engine: an exact, instant double of a PET/CT, in which every voxel and every uptake is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field, ValidationError

from vct.engine.lesions import place, plant
from vct.engine.phantom import body as bodies
from vct.engine.phantom.body import Body, torso_grid
from vct.engine.phantom.paint import AIR_HU, Canvas, slabs
from vct.engine.phantom.physiology import Day, draw_day
from vct.engine.phantom.settle import settle, usual_labels
from vct.engine.phantom.space import Array
from vct.engine.phantom.tissue import TISSUES, planted_suv
from vct.errors import InputError
from vct.part import Part
from vct.records import Patient, Scan, Snapshot
from vct.volume import Grid, Volume

_MAX_VOXELS = 3_000_000


class Phantom(Part):
    """Implicit shapes of the patient's anatomy, painted in HU and SUV (see `tables` for the numbers and sources).

    The PET is the uptake itself, averaged over each voxel: no blur, no noise. The same patient has the same body at
    every visit; only uptake and bladder change from day to day.
    """

    spec_name: ClassVar[str] = "phantom"

    spacing_mm: float = Field(default=4.0, ge=1.0, le=16.0, description="edge of the cubic voxels")
    day_variation: float = Field(
        default=1.0, ge=0.0, le=3.0, description="day-to-day variation of uptake and bladder over the published one"
    )

    @classmethod
    def from_spec(cls, argument: str, resolution_mm: float | None) -> Phantom:
        """The engine from the command line: no argument; `resolution_mm` is the voxel size.

        Raises InputError for an argument, or a voxel size out of range.
        """
        if argument:
            raise InputError(f"engine 'phantom' takes no argument (got {argument!r})")
        try:
            return cls() if resolution_mm is None else cls(spacing_mm=resolution_mm)
        except ValidationError as error:
            raise InputError(f"the phantom's voxels must measure 1 to 16 mm (got {resolution_mm})") from error

    @property
    def name(self) -> str:
        """As in the manifest: "phantom 4 mm"."""
        still = "" if self.day_variation == 1.0 else f", day variation {self.day_variation:g}"
        return f"phantom {self.spacing_mm:g} mm{still}"

    def generate(self, snapshot: Snapshot, seed: int) -> Scan:
        """The torso of `snapshot` from thighs to shoulders, with its lesions."""
        return self.paint(snapshot, seed, self.grid(snapshot.patient, seed))

    def grid(self, patient: Patient, seed: int) -> Grid:
        """The field of view of the torso: 448 mm square (more for large bodies), as long as the height asks for."""
        return torso_grid(patient, settle(patient, seed), self.spacing_mm)

    def paint(self, snapshot: Snapshot, seed: int, grid: Grid) -> Scan:
        """The part of the body that lies in `grid`, with lesions. Raises PatientError where a lesion has no site."""
        patient = snapshot.patient
        body = settle(patient, seed)
        day = draw_day(patient, snapshot.visit.name, seed, body.traits, self.day_variation)
        ct, pet, labels, planted = _painted(body, day, grid)
        lesions = snapshot.lesions
        background: dict[str, float] = {}
        if lesions:
            lesions = place(lesions, usual_labels(patient, seed), seed, patient.id)
            ct, pet, background = plant(ct, pet, lesions)
        return Scan(
            snapshot=replace(snapshot, lesions=lesions),
            ct=ct,
            pet=pet,
            labels=labels,
            made_by=self.name,
            planted_suv=planted,
            background_suv=background,
        )


def _painted(body: Body, day: Day, grid: Grid) -> tuple[Volume, Volume, Volume, dict[str, float]]:
    """CT, PET, labels and the uptake of each structure, painted slab by slab to bound the memory."""
    ct: Array = np.empty(grid.shape, dtype=np.float32)
    pet: Array = np.empty(grid.shape, dtype=np.float32)
    labels: Array = np.empty(grid.shape, dtype=np.uint8)
    volume_ml: Counter[str] = Counter()
    activity_g: Counter[str] = Counter()
    suv = _uptake(body, day)
    for slab, inner, where in slabs(grid, _MAX_VOXELS):
        canvas = Canvas(slab, body.build.scale, counted=inner)
        bodies.paint(body, canvas, day.bladder_ml, suv)
        ct[:, :, where] = (canvas.hu + AIR_HU * (1.0 - canvas.covered))[:, :, inner]
        pet[:, :, where] = canvas.suv[:, :, inner]
        labels[:, :, where] = canvas.label_volume().data[:, :, inner]
        volume_ml.update(canvas.volume_ml)
        activity_g.update(canvas.activity_g)
    return (
        Volume(data=ct, grid=grid, unit="HU"),
        Volume(data=pet, grid=grid, unit="SUVbw"),
        Volume(data=labels, grid=grid, unit="label"),
        planted_suv(volume_ml, activity_g),
    )


def _uptake(body: Body, day: Day) -> dict[str, float]:
    """SUV by structure on this day."""
    own = {name: value * day.factors.get(name, 1.0) for name, value in body.traits.uptake.items()}
    own["urinary_bladder"] = day.bladder_suv
    return {structure: own[keys[0]] for structure, keys in TISSUES.items()}
