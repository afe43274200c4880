"""`Atlas`: the virtual population as an engine, a real person's organs in a body of any size, painted in HU and SUV."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vct.engine.atlas.body import Body, make_body
from vct.engine.atlas.build import TEMPLATES, read_index
from vct.engine.atlas.case import CaseRow, load_case
from vct.engine.atlas.day import Day, at_rest, draw_day
from vct.engine.atlas.density import draw_density
from vct.engine.atlas.frame import Frame, prepare
from vct.engine.atlas.matching import choose_case
from vct.engine.atlas.paint import PET_FWHM_MM, paint_ct, paint_pet
from vct.engine.atlas.render import render
from vct.engine.atlas.settle import settled
from vct.engine.atlas.template import Template
from vct.engine.atlas.uptake import uptake_at
from vct.errors import InputError
from vct.records import Lesion, Patient, Scan, Sex, Snapshot
from vct.rng import stream
from vct.volume import Grid, Volume

SHAPE_2MM = (224, 224, 384)
BODIES_KEPT = 2
PLACING_MM = 4.0
SETTLING_MM = 8.0
SPACINGS_MM = (2.0, 4.0, 8.0)
NOISE_COV = 0.07


@dataclass(kw_only=True)
class Atlas:
    """Paints virtual patients from the atlas in `folder` on a grid of `spacing_mm` (2, 4 or 8).

    The field of view is 448 by 448 mm by the patient's length from clavicle to upper thigh, 224 x 224 x 384 voxels at
    2 mm, so that z voxels scale with height. `noise_cov` is the PET's coefficient of variation in the liver at 2 mm.
    """

    folder: Path
    spacing_mm: float = 4.0
    noise_cov: float = NOISE_COV
    noise_hu: float = 13.0
    _rows: tuple[CaseRow, ...] = field(init=False, repr=False)
    _frames: dict[Sex, Frame] = field(init=False, repr=False, default_factory=dict)
    _bodies: OrderedDict[tuple[Patient, int], Body] = field(init=False, repr=False, default_factory=OrderedDict)

    spec_name: ClassVar[str] = "atlas"

    @classmethod
    def from_spec(cls, argument: str, resolution_mm: float | None) -> Atlas:
        """The engine that `atlas:FOLDER` names. Raises InputError without a folder or at an unusual voxel size."""
        if not argument:
            raise InputError("the atlas engine needs its folder: atlas:FOLDER (make one with `vct atlas build`)")
        return cls(folder=Path(argument), spacing_mm=4.0 if resolution_mm is None else resolution_mm)

    def __post_init__(self) -> None:
        if self.spacing_mm not in SPACINGS_MM:
            raise InputError(f"the atlas engine paints at 2, 4 or 8 mm (got {self.spacing_mm:g})")
        self.folder = Path(self.folder)
        self._rows = read_index(self.folder)

    @property
    def name(self) -> str:
        """The engine and its settings."""
        noise = "" if self.noise_cov == NOISE_COV else f", noise {self.noise_cov:g}"
        return f"atlas({len(self._rows)} cases, {self.spacing_mm:g} mm{noise})"

    def generate(self, snapshot: Snapshot, seed: int) -> Scan:
        """The PET/CT of a snapshot, with labels on the PET's grid."""
        patient = snapshot.patient
        body = self.body(patient, seed)
        day = draw_day(stream(seed, patient.id, snapshot.visit.name, "day"), body.lattice)
        grid = self.grid(body)
        anatomy = render(body, day, grid)
        uptake = uptake_at(patient, snapshot.visit.name, seed)
        density = draw_density(patient, stream(seed, patient.id, "density"))
        noise = stream(seed, patient.id, snapshot.visit.name, "noise")
        skin = _skin_depth(body, day, grid)
        pet_data, _ = paint_pet(anatomy, uptake, noise, self.noise_cov, day.mismatch(grid, body.base_z_mm))
        ct = paint_ct(anatomy, density, noise, self.noise_hu, patient.bmi_kg_m2, skin)
        lesions = self._placed(snapshot, body, day, seed)
        hu, pet = Volume(data=ct, grid=grid, unit="HU"), Volume(data=pet_data, grid=grid, unit="SUVbw")
        background: dict[str, float] = {}
        if lesions:
            from vct.engine.lesions import plant

            hu, pet, background = plant(hu, pet, lesions, PET_FWHM_MM)
        return Scan(
            snapshot=replace(snapshot, lesions=lesions),
            ct=hu,
            pet=pet,
            labels=Volume(data=anatomy.label, grid=grid, unit="label"),
            made_by=self.name,
            fwhm_mm=PET_FWHM_MM,
            noise_cov=self.noise_cov,
            planted_suv=dict(uptake.suv),
            background_suv=background,
        )

    def _placed(self, snapshot: Snapshot, body: Body, day: Day, seed: int) -> tuple[Lesion, ...]:
        """The lesions in their places: found once in the body at rest, so that they are the same at every visit."""
        if not snapshot.lesions:
            return ()
        from vct.engine.lesions import place

        patient = snapshot.patient
        grid = self.grid(body, PLACING_MM)
        labels = Volume(data=render(body, at_rest(body.lattice), grid).label, grid=grid, unit="label")
        found = []
        for lesion in place(snapshot.lesions, labels, seed, patient.id):
            x, y, z = lesion.center_mm or (0.0, 0.0, 0.0)
            dx, dy, dz = day.shift_mm
            found.append(replace(lesion, center_mm=(x - dx, y - dy, z - dz)))
        return tuple(found)

    def body(self, patient: Patient, seed: int) -> Body:
        """The patient's body; the last few are kept, since visits share it."""
        key = (replace(patient, arm=""), seed)
        if key not in self._bodies:
            rng = stream(seed, patient.id, "body")
            row = choose_case(self._rows, patient, rng)
            case = load_case(self.folder / "cases" / f"{row.name}.npz", row)
            body = make_body(patient, case, self.frame(patient.sex), rng)
            self._bodies[key] = settled(body, self.grid(body, SETTLING_MM))
            while len(self._bodies) > BODIES_KEPT:
                self._bodies.popitem(last=False)
        return self._bodies[key]

    def frame(self, sex: Sex) -> Frame:
        """The frame of a sex, made ready when it is first asked for."""
        if sex not in self._frames:
            self._frames[sex] = prepare(Template.load(self.folder / TEMPLATES[sex]))
        return self._frames[sex]

    def grid(self, body: Body, spacing_mm: float | None = None) -> Grid:
        """The grid of a body at the engine's spacing, or at another."""
        spacing = spacing_mm or self.spacing_mm
        factor = spacing / 2.0
        shape = tuple(max(1, round(n / factor)) for n in SHAPE_2MM)
        low, high = body.fov_z_mm
        step = (high - low) / shape[2]
        half = SHAPE_2MM[0] * 2.0 / 2.0
        return Grid(
            shape=(shape[0], shape[1], shape[2]),
            spacing_mm=(spacing, spacing, step),
            origin_mm=(
                -half + spacing / 2.0,
                body.center_y_mm - half + spacing / 2.0,
                low + step / 2.0,
            ),
        )


def _skin_depth(body: Body, day: Day, grid: Grid) -> NDArray[np.float32]:
    """Depth below the skin in mm at every voxel."""
    axes = tuple(axis.ravel() + shift for axis, shift in zip(grid.axes_mm(), day.shift_mm, strict=True))
    return body.lattice.read(body.skin_mm, axes)
