"""Bounds on what a user's distribution may give: a rule where it is absurd, a clip where it is a rare tail."""

from __future__ import annotations

from pydantic import AfterValidator

from vct.distributions import Distribution

TOLERATED_TAIL = 0.001

COUNT = (0.0, 200.0)
DIAMETER_MM = (2.0, 200.0)
SUV = (0.1, 100.0)
DOUBLING_TIME_DAYS = (5.0, 100_000.0)

Limits = tuple[float, float]


def within(limits: Limits) -> AfterValidator:
    """Refuse a distribution with more than one value in a thousand outside `limits`; rarer ones will be clipped."""
    low, high = limits

    def check(distribution: Distribution) -> Distribution:
        outside = float(distribution.below(low)) + 1.0 - float(distribution.cdf(high))
        if outside > TOLERATED_TAIL:
            raise ValueError(
                f"values must lie between {low:g} and {high:g}, but {outside:.1%} of this distribution's do not; "
                "kind 'truncated' can cut them off"
            )
        return distribution

    return AfterValidator(check)


def clip(value: float, limits: Limits) -> float:
    """The value, or the limit that it exceeds."""
    return min(max(value, limits[0]), limits[1])


def quantile(distribution: Distribution, u: float, limits: Limits) -> float:
    """The distribution's quantile at `u`, clipped to `limits`."""
    return clip(float(distribution.ppf(u)), limits)
