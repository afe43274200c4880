"""What a treatment does to lesions: a mixture of responders and non-responders, with variation and a time course."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from vct.part import Part

NODE_SUV = 1.55
BACKGROUND_SUV: dict[str, float] = {
    "lung": 0.70,
    "mediastinum": NODE_SUV,
    "axilla": NODE_SUV,
    "supraclavicular": NODE_SUV,
    "liver": 2.29,
    "spleen": 1.80,
    "adrenal": 1.77,
    "retroperitoneum": NODE_SUV,
    "pelvis_node": NODE_SUV,
    "bone": 1.39,
    "soft_tissue": 0.71,
    "subcutaneous": 0.43,
}
"""SUVbw (g/ml) to which a lesion falls under complete response. Organs: means over 80 healthy adults computed from
hedyPET v1.0 (github.com/DEPICT-RH/hedyPET; bone: thoracic vertebrae; soft tissue: skeletal muscle). Nodes: blood pool
of 132 patients (Boktor 2013, doi 10.2967/jnumed.112.108530), PERCIST's level of complete response."""


class Effect(Part):
    """The full effect on a lesion, once the time course has run: medians, as fractions of the value before, and spread.

    Effects add up on the log scale: ln(1 + change) + patient's luck + lesion's luck. The same luck moves uptake and
    size (assumed), each with its own standard deviations.
    """

    uptake_change: float = Field(default=0.0, gt=-1.0, le=3.0, description="-0.45 is a fall by 45 %")
    size_change: float = Field(default=0.0, gt=-1.0, le=1.0, description="of the diameter")
    growth_ratio: float = Field(default=1.0, ge=0.0, le=1.0, description="share of growth and drift that goes on")
    new_lesion_ratio: float = Field(default=1.0, ge=0.0, le=1.0, description="share of new lesions that still appear")
    uptake_sd_between_patients: float = Field(default=0.0, ge=0.0, le=1.0, description="on the log scale")
    uptake_sd_between_lesions: float = Field(default=0.0, ge=0.0, le=1.0, description="on the log scale")
    size_sd_between_patients: float = Field(default=0.0, ge=0.0, le=0.5, description="on the log scale")
    size_sd_between_lesions: float = Field(default=0.0, ge=0.0, le=0.5, description="on the log scale")


class Treatment(Part):
    """Treatment from day 0 on; its effect approaches full size exponentially. By default it does nothing."""

    source: str = Field(default="", description="where the numbers come from")
    responder_fraction: float = Field(default=0.0, ge=0.0, le=1.0)
    complete_fraction: float = Field(
        default=0.0, ge=0.0, le=1.0, description="of the responders; their lesions fall to the background's uptake"
    )
    responders: Effect = Effect()
    non_responders: Effect = Effect()
    uptake_half_time_days: float = Field(default=7.0, gt=0.0, le=365.0)
    size_half_time_days: float = Field(default=30.0, gt=0.0, le=365.0)

    def response(self, rng: np.random.Generator) -> Response:
        """How a patient responds. One uniform decides: who responds under a smaller fraction does so under a larger."""
        u, luck = float(rng.random()), float(rng.standard_normal())
        responds = u < self.responder_fraction
        return Response(
            treatment=self,
            effect=self.responders if responds else self.non_responders,
            complete=u < self.responder_fraction * self.complete_fraction,
            luck=luck,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One patient's response to a treatment, the same at every visit; `luck` is a standard normal draw."""

    treatment: Treatment
    effect: Effect
    complete: bool
    luck: float

    def uptake(self, suv: float, organ: str, lesion_luck: float, day: float) -> float:
        """Uptake on `day` of a lesion in `organ` that would have `suv` without treatment."""
        spread = self.effect.uptake_sd_between_patients * self.luck
        spread += self.effect.uptake_sd_between_lesions * lesion_luck
        change = math.log1p(self.effect.uptake_change) + spread
        if self.complete:
            change = min(change, math.log(BACKGROUND_SUV[organ] / suv))
        return suv * math.exp(change * _progress(day, self.treatment.uptake_half_time_days))

    def size(self, lesion_luck: float, day: float) -> float:
        """Factor on the diameter on `day`."""
        spread = self.effect.size_sd_between_patients * self.luck
        spread += self.effect.size_sd_between_lesions * lesion_luck
        change = math.log1p(self.effect.size_change) + spread
        return math.exp(change * _progress(day, self.treatment.size_half_time_days))

    def natural_days(self, day: float) -> float:
        """Days of natural history that have passed by `day`: fewer than `day` where treatment holds growth back."""
        return day if day <= 0.0 else day * self.effect.growth_ratio


def _progress(day: float, half_time_days: float) -> float:
    return 1.0 - float(2.0 ** (-max(day, 0.0) / half_time_days))
