"""Lesions as the reader marked them: which of them a readout reports."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from vct.readout.base import Readout
from vct.readout.reader import study_of
from vct.readout.truth import lesions_in_view
from vct.records import Lesion, Mark, Scan

Of = Literal["hottest", "sum", "target", "targets"]


class LesionReadout(Readout):
    """A readout of lesions: of the `hottest` on this scan, the `sum` of all, the `target` (the one that the reader
    chose on the first scan, read again where it was), or the sum over up to five `targets`.

    There is no value where the reader marked nothing, and none of targets before a first scan had any.
    """

    of: Of = Field(default="hottest", description="hottest, sum, target (of the first scan), targets (up to five)")

    def pick(self, scan: Scan, measured: Callable[[Mark], float]) -> float | None:
        """The reported number out of one for each mark."""
        study = study_of(scan)
        if self.of == "hottest":
            ranked = [(measured(mark) * mark.appeal, measured(mark)) for mark in study.marks]
            return max(ranked)[1] if ranked else None
        if self.of == "sum":
            return math.fsum(measured(mark) for mark in study.marks) if study.marks else None
        targets = study.targets[:1] if self.of == "target" else study.targets
        values = [measured(mark) for mark in study.marks if mark.id in targets]
        return math.fsum(values) if values else None

    def pick_true(self, scan: Scan, planted: Callable[[Lesion], float | None]) -> float | None:
        """The same of the planted lesions, for a perfect reader; None where one of them is not known."""
        lesions = lesions_in_view(scan)
        if self.of in ("target", "targets"):
            chosen = study_of(scan).true_targets[: 1 if self.of == "target" else None]
            lesions = tuple(lesion for lesion in lesions if lesion.id in chosen)
        values = [planted(lesion) for lesion in lesions]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        return max(known) if self.of == "hottest" else math.fsum(known)

    def tagged(self, name: str) -> str:
        """A default name: `name`, followed by what it is read of unless that is the usual."""
        usual: str = type(self).model_fields["of"].default
        return name if self.of == usual else f"{name}_{self.of}"
