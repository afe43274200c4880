"""A session: what really happened on the day of one scan, against what the protocol planned."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vct.acquisition.noise import HALF_LIFE_MINUTES
from vct.volume import Triple

SHORTEST_UPTAKE_MINUTES = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Uptake time, the dose that went in, the dose that was written down, and the scanner's calibration (1 = right).

    `clock_minutes` is how far the scanner's clock runs ahead of the dose calibrator's; `glucose_ratio` is the day's
    plasma glucose over the patient's usual one; `breathing_mm` the diaphragm's way, peak to peak; `shift_mm` how far
    the patient moved between CT and PET.
    """

    uptake_minutes: float
    dose_mbq: float
    recorded_dose_mbq: float
    calibration: float
    clock_minutes: float = 0.0
    glucose_ratio: float = 1.0
    breathing_mm: float = 0.0
    shift_mm: Triple = (0.0, 0.0, 0.0)

    @property
    def suv_factor(self) -> float:
        """Measured over true SUV: SUV = activity x weight / recorded dose, decayed by what the clocks say."""
        decay = math.exp2(self.clock_minutes / HALF_LIFE_MINUTES)
        return self.calibration * decay * self.dose_mbq / self.recorded_dose_mbq


def spread_factor(normal: float, sd: float) -> float:
    """A log-normal factor of mean 1 from a standard normal draw; `sd` is the deviation of its logarithm."""
    return math.exp(sd * normal - sd**2 / 2.0)
