"""One arm's outcomes at one visit, as arrays in the order of patient ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vct.records import Outcome, Patient

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The patients of one arm who have a value at one visit; `patients[i]` owns `outcomes[i]`.

    They stand in the order of their ids, so that the order of enrolment cannot change a sum. `n_missing` counts the
    arm's patients without a value; `unit` is that of the values.
    """

    arm: str
    patients: tuple[Patient, ...]
    outcomes: tuple[Outcome, ...]
    n_missing: int = 0
    unit: str = ""

    def __len__(self) -> int:
        return len(self.outcomes)

    @property
    def values(self) -> Floats:
        """The values (n,)."""
        return np.array([outcome.value for outcome in self.outcomes], dtype=float)

    @property
    def events(self) -> NDArray[np.bool_]:
        """Whether each patient had the event (n,)."""
        return np.array([bool(outcome.event) for outcome in self.outcomes], dtype=bool)

    @property
    def is_categorical(self) -> bool:
        """Whether these are verdicts, with value 1 for responders and 0 for the others."""
        return all(outcome.category and outcome.value in (0.0, 1.0) for outcome in self.outcomes)

    @property
    def is_survival(self) -> bool:
        """Whether these are times to an event; the values are the times."""
        return all(outcome.event is not None for outcome in self.outcomes)

    def keep(self, chosen: Sequence[bool]) -> Sample:
        """The members that are chosen; the others count as missing."""
        kept = [index for index, use in enumerate(chosen) if use]
        return Sample(
            self.arm,
            tuple(self.patients[index] for index in kept),
            tuple(self.outcomes[index] for index in kept),
            self.n_missing + len(self) - len(kept),
            self.unit,
        )


def visits_of(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """The visits at which an endpoint was judged, in its own order."""
    return tuple(dict.fromkeys(outcome.visit for outcome in outcomes))


def last_visit(outcomes: Sequence[Outcome]) -> str:
    """The endpoint's last visit; "" when it has none."""
    return next(reversed(visits_of(outcomes)), "")


def samples(
    outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str], visit: str
) -> tuple[Sample, ...]:
    """The outcomes of each of `arms` at `visit`; a patient without an outcome there counts as missing."""
    found = {(item.patient, item.arm): item for item in outcomes if item.visit == visit and item.value is not None}
    unit = next((outcome.unit for outcome in outcomes if outcome.unit), "")
    return tuple(_sample(found, patients, arm, unit) for arm in arms)


def _sample(found: dict[tuple[str, str], Outcome], patients: Sequence[Patient], arm: str, unit: str) -> Sample:
    members = sorted((patient for patient in patients if patient.arm == arm), key=lambda patient: patient.id)
    present = [patient for patient in members if (patient.id, arm) in found]
    return Sample(
        arm,
        tuple(present),
        tuple(found[patient.id, arm] for patient in present),
        len(members) - len(present),
        unit,
    )
