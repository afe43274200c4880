"""What a sample-size question is answered with, and the search that every answer without a closed form uses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from vct.errors import InputError

LARGEST = 10_000_000
"""Patients in an arm beyond which a question has no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """Patients in the control and the test arm (0 for a single arm) and the power that these whole numbers have."""

    control: int
    test: int
    power: float

    @property
    def total(self) -> int:
        """Patients in both arms."""
        return self.control + self.test


def check(alpha: float, power: float, sides: int, ratio: float = 1.0) -> None:
    """Raise InputError when no trial can have these errors, this number of sides or this allocation ratio."""
    if sides not in (1, 2):
        raise InputError(f"sides must be 1 or 2 (got {sides})")
    if not 0.0 < alpha < 0.5:
        raise InputError(f"alpha must lie between 0 and 0.5 (got {alpha:g})")
    if not alpha < power < 1.0:
        raise InputError(f"power must lie between alpha ({alpha:g}) and 1 (got {power:g}); no data reach alpha already")
    if not 0.0 < ratio < 1000.0:
        raise InputError(f"ratio (test over control) must be positive and below 1000 (got {ratio:g})")


def quantiles(alpha: float, power: float, sides: int) -> float:
    """z(1 - alpha / sides) + z(power)."""
    from scipy.special import ndtri

    return float(ndtri(1.0 - alpha / sides) + ndtri(power))


def smallest(power_at: Callable[[int], float], target: float, first: int = 2) -> int:
    """The smallest whole n from `first` on with `power_at(n) >= target`, for a power that grows with n.

    Raises InputError when there is none below LARGEST.
    """
    low, high = first - 1, first
    while power_at(high) < target:
        low, high = high, 2 * high
        if high > LARGEST:
            raise InputError(f"no size below {LARGEST} reaches power {target:g}")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_at(middle) >= target else (middle, high)
    return high


def up(n: float) -> int:
    """Patients or events round up; 1e-9 of slack keeps 80.0000000001 at 80."""
    return math.ceil(n - 1e-9 * max(1.0, n))
