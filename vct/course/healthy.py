"""No disease at all: organs only, for scanner studies and normal ranges."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vct.course.base import Course
from vct.records import Patient, Snapshot, Visit


class Healthy(Course):
    """A patient without lesions, at every visit and on every arm."""

    kind: Literal["healthy"] = "healthy"
    source: str = Field(default="", description="where the numbers come from")

    def at(self, patient: Patient, visit: Visit, seed: int) -> Snapshot:  # noqa: ARG002
        """The patient without lesions; nothing is drawn."""
        return Snapshot(patient=patient, visit=visit)
