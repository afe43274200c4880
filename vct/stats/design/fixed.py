"""The fixed design: one analysis, at the end."""

from __future__ import annotations

from typing import Literal

from vct.stats.design.base import Design, Look, Operating, Verdict


class Fixed(Design):
    """One analysis at the end. An effect is a multiple of the planned one: 0 is none, 1 the planned effect."""

    kind: Literal["fixed"] = "fixed"
    sides: Literal[1, 2] = 1

    def drift(self) -> float:
        """Expected z at the end under the planned effect: z(1 - alpha / sides) + z(power)."""
        from scipy.special import ndtri

        return float(ndtri(1.0 - self.alpha / self.sides) + ndtri(self.power))

    def looks(self) -> tuple[Look, ...]:
        """The one look."""
        from scipy.special import ndtri

        z = float(ndtri(1.0 - self.alpha / self.sides))
        p = self.alpha / self.sides
        return (Look(number=1, fraction=1.0, efficacy=z, futility=None, nominal_p=p, alpha_spent=self.alpha),)

    def inflation(self) -> float:
        """1: this is the fixed design."""
        return 1.0

    def operating(self, effect: float) -> Operating:
        """Rejection when the true effect is `effect` times the planned one."""
        from scipy.special import ndtr, ndtri

        bound, drift = ndtri(1.0 - self.alpha / self.sides), effect * self.drift()
        power = float(ndtr(drift - bound))
        wrong = float(ndtr(-drift - bound)) if self.sides == 2 else 0.0
        return Operating(efficacy=(power,), reverse=(wrong,), futility=(1.0 - power - wrong,), expected=1.0)

    def verdict(self, look: int, value: float) -> Verdict:
        """Two-sided tests reject in either direction."""
        return super().verdict(look, abs(value) if self.sides == 2 else value)
