"""A session: what really happened on the day of one scan, against what the protocol planned."""

from __future__ import annotations

import math
from dataclasses import dataclass

SHORTEST_UPTAKE_MINUTES = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Uptake time, the dose that went in, the dose that was written down, and the scanner's calibration (1 = right)."""

    uptake_minutes: float
    dose_mbq: float
    recorded_dose_mbq: float
    calibration: float

    @property
    def suv_factor(self) -> float:
        """Measured over true SUV: SUV = activity x weight / recorded dose, and activity follows the real dose."""
        return self.calibration * self.dose_mbq / self.recorded_dose_mbq


def spread_factor(normal: float, sd: float) -> float:
    """A log-normal factor of mean 1 from a standard normal draw; `sd` is the deviation of its logarithm."""
    return math.exp(sd * normal - sd**2 / 2.0)
