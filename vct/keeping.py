"""`--keep-scans`: whose scans stay in the run folder, decided before the first patient is walked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vct.errors import InputError
from vct.records import Patient

UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
RESERVE = 1.25
"""A patient of the trial may take this much more than the first one before a bounded disk overflows (assumed)."""


@dataclass(frozen=True, slots=True)
class KeepScans:
    """`none`, `all`, a number of patients (`20`), a number of each arm (`5/arm`), or what fits (`50GB`).

    Counts go by the order of enrolment, so that the choice depends on the protocol and the seed only.
    """

    policy: str = "none"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"none|all|\d{1,9}(/arm)?|\d{1,9}(\.\d{1,3})?(MB|GB|TB)", self.policy):
            raise InputError(
                f"--keep-scans: must be none, all, a number of patients (20), of each arm (5/arm), or a size (50GB) "
                f"(got {self.policy!r})"
            )

    def chosen(self, patients: Sequence[Patient], first_bytes: Callable[[], int]) -> frozenset[str]:
        """The keys of the patients whose scans stay; `first_bytes` says what those of the first one take on disk."""
        if self.policy == "none":
            return frozenset()
        if self.policy == "all":
            return frozenset(patient.key for patient in patients)
        if self.policy.endswith("/arm"):
            return frozenset(patient.key for patient in _of_each_arm(patients, int(self.policy[:-4])))
        if self.policy.isdecimal():
            return frozenset(patient.key for patient in patients[: int(self.policy)])
        budget = float(self.policy[:-2]) * UNITS[self.policy[-2:]]
        count = int(budget / (RESERVE * max(first_bytes(), 1)))
        return frozenset(patient.key for patient in patients[:count])


NONE = KeepScans()


def _of_each_arm(patients: Sequence[Patient], number: int) -> list[Patient]:
    seen: dict[str, int] = {}
    chosen = []
    for patient in patients:
        seen[patient.arm] = seen.get(patient.arm, 0) + 1
        if seen[patient.arm] <= number:
            chosen.append(patient)
    return chosen
