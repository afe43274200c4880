"""What a course is: the true state of a patient's disease on any day."""

from __future__ import annotations

from abc import abstractmethod

from vct.part import Part
from vct.records import Patient, Snapshot, Visit


class Course(Part):
    """Disease and treatment: decides which lesions a patient truly has on the day of a visit."""

    @abstractmethod
    def at(self, patient: Patient, visit: Visit, seed: int) -> Snapshot:
        """The patient on `visit.day` (days from randomisation). Lesions carry no `center_mm` yet: an engine places
        them.

        Draws come from streams named after the patient, never after the arm or the visit: a twin on the other arm has
        the same disease and the same luck, and only the treatment differs.
        """
