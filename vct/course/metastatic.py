"""A patient with lesions that grow, respond and appear: disease, natural history and treatment put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field

from vct.course.base import Course
from vct.course.disease import Disease, Origin
from vct.course.history import History
from vct.course.limits import DIAMETER_MM, SUV, clip
from vct.course.treatment import Response, Treatment
from vct.part import ArmName
from vct.records import Lesion, Patient, Snapshot, Visit
from vct.rng import stream

ROOM_FOR_GROWTH = 1.1


class Metastatic(Course):
    """Lesions by indication. Day 0 is randomisation and the start of treatment; an arm without an entry is untreated.

    Streams are named after the patient, and for the day-to-day variation after the visit too; never after the arm.
    A lesion that treatment extinguishes stays in the list with low uptake. A new one that appears under treatment has
    escaped it and follows the natural history (assumed).
    """

    kind: Literal["metastatic"] = "metastatic"
    source: str | tuple[str, ...] = Field(default="", description="where the numbers come from")
    disease: Disease
    history: History = History()
    treatments: dict[ArmName, Treatment] = Field(default={}, description="by arm; an arm left out is untreated")
    new_therapy: Treatment | None = Field(
        default=None, description="what a new therapy does on top, from its day on (growth and new lesions as before)"
    )

    def at(self, patient: Patient, visit: Visit, seed: int) -> Snapshot:
        """The patient with every lesion of that day; new lesions are marked."""
        treatment = self.treatments.get(patient.arm, Treatment())
        response = treatment.response(stream(seed, patient.id, "course", "response"))
        second = self._second(patient, visit, seed)
        lesions = (self._treated(origin, response, second, visit.day) for origin in self.disease.origins(patient, seed))
        found = (*lesions, *self._new(patient, visit.day, response, seed))
        return Snapshot(
            patient=patient,
            visit=visit,
            lesions=tuple(
                replace(lesion, suv=lesion.suv * self.history.on_the_day(patient, visit, lesion.id, seed))
                for lesion in found
            ),
        )

    def _second(self, patient: Patient, visit: Visit, seed: int) -> tuple[Response, float] | None:
        """The response to a new therapy that has begun, and for how many days."""
        start = patient.new_therapy_day
        if self.new_therapy is None or start is None or visit.day <= start:
            return None
        return self.new_therapy.response(stream(seed, patient.id, "course", "new therapy")), visit.day - start

    def _treated(self, origin: Origin, response: Response, second: tuple[Response, float] | None, day: float) -> Lesion:
        days = response.natural_days(day)
        suv = origin.suv * self.history.drift(days)
        factor = self.history.growth(days, origin.growth_u) * response.size(origin.response_z, day)
        suv = response.uptake(suv, origin.organ, origin.response_z, day)
        if second is not None:
            other, since = second
            factor *= other.size(origin.response_z, since)
            suv = other.uptake(suv, origin.organ, origin.response_z, since)
        return _lesion(origin, factor, suv)

    def _new(self, patient: Patient, day: float, response: Response, seed: int) -> Iterator[Lesion]:
        for name, onset_day, u in self.history.onsets(patient, day, seed):
            if u < response.effect.new_lesion_ratio:
                size = self.history.new_diameter_mm
                origin = self.disease.origin(patient, seed, name, size, onset_day=onset_day)
                days = day - onset_day
                growth = self.history.growth(days, origin.growth_u)
                yield _lesion(origin, growth, origin.suv * self.history.drift(days))


def _lesion(origin: Origin, size_factor: float, suv: float) -> Lesion:
    return Lesion(
        id=origin.id,
        organ=origin.organ,
        diameter_mm=clip(origin.diameter_mm * size_factor, DIAMETER_MM),
        suv=clip(suv, SUV),
        room_mm=origin.diameter_mm * ROOM_FOR_GROWTH,
        axis_ratios=origin.axis_ratios,
        is_new=origin.onset_day > 0.0,
        irregularity=origin.irregularity,
        form=origin.form,
        core_share=origin.core_share,
        core_uptake=origin.core_uptake,
    )
