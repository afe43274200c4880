"""`Exam`: one PET/CT with all that DICOM and BIDS want to know about it."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vct.forms import filling
from vct.records import Lesion, Patient, Visit
from vct.structures import STRUCTURES
from vct.volume import Volume

DAY_ZERO = dt.date(2000, 1, 1)
"""The date of randomisation in every exported file: virtual patients have no calendar."""
SCAN_TIME = dt.time(12, 0, 0)
HALF_LIFE_S = 6586.2
POSITRON_FRACTION = 0.967
"""Of F-18 (ICRP 107)."""
LESION_SHARE = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Exam:
    """A scan of one patient at one visit.

    `key` names the patient within the trial (twins on two arms differ), `origin` all that the scan depends on (trial,
    seed, engine): identifiers are derived from it, so that the same run gives the same files. `dose_mbq` is the
    recorded dose.
    """

    key: str
    origin: str
    trial: str
    patient: Patient
    visit: Visit
    pet: Volume
    ct: Volume
    labels: Volume | None
    lesions: tuple[Lesion, ...]
    dose_mbq: float
    uptake_minutes: float
    bed_minutes: float
    scanner: str
    made_by: str
    fwhm_mm: float

    @property
    def dose_bq(self) -> float:
        """The dose at injection, to one Bq."""
        return float(round(self.dose_mbq * 1e6))

    @property
    def weight_kg(self) -> float:
        """The weight, to one gram."""
        return round(self.patient.weight_kg, 3)

    @property
    def scan_start(self) -> dt.datetime:
        """When the PET began; values are decay corrected to this moment."""
        day = DAY_ZERO + dt.timedelta(days=round(self.visit.day))
        return dt.datetime.combine(day, SCAN_TIME)

    @property
    def injected_at(self) -> dt.datetime:
        """When the tracer went in, to one second."""
        return self.scan_start - dt.timedelta(seconds=round(60.0 * self.uptake_minutes))

    @property
    def bqml_per_suv(self) -> float:
        """Activity concentration at the scan's start of SUVbw 1: decayed dose over weight."""
        waited = (self.scan_start - self.injected_at).total_seconds()
        left: float = self.dose_bq * 2.0 ** (-waited / HALF_LIFE_S)
        return left / (self.weight_kg * 1000.0)

    def uid(self, *path: str) -> str:
        """A DICOM UID (2.25, from a UUID) that depends on the scan and `path` only."""
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, '/'.join(('vct', self.origin, *path))).int}"

    @property
    def own(self) -> tuple[str, str]:
        """Patient and visit, as a path for `uid`."""
        return self.key, self.visit.name

    @cached_property
    def lesion_numbers(self) -> dict[str, int]:
        """Numbers, from 1 on, of the lesions that fill a voxel of the PET; a later lesion covers an earlier one."""
        present = set(np.unique(self.lesion_labels).tolist())
        return {lesion.id: number for number, lesion in enumerate(self.lesions, start=1) if number in present}

    @cached_property
    def lesion_labels(self) -> NDArray[np.uint8]:
        """(X, Y, Z) on the PET's grid: voxels of which at least half lies in the planted lesion, core included."""
        found = np.zeros(self.pet.grid.shape, dtype=np.uint8)
        for number, lesion in enumerate(self.lesions, start=1):
            if lesion.center_mm is not None:
                filled = filling(self.pet.grid, lesion)
                if filled is not None:
                    found[filled.box][filled.whole >= LESION_SHARE] = number
        return found

    @cached_property
    def organ_names(self) -> dict[int, str]:
        """The structures that the labels show, by number."""
        if self.labels is None:
            return {}
        names = {number: name for name, number in STRUCTURES.items()}
        return {number: names[number] for number in np.unique(self.labels.data).tolist() if number in names}
