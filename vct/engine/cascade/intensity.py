"""The one pair that turns HU and SUV into what the networks see, and back."""

from __future__ import annotations

import math

import torch

HU_RANGE = (-1000.0, 1000.0)
"""The published cascade clips to [-500, 500] (arXiv 2505.22489). That makes air of lung (about -800 HU) and cuts
cortical bone (above 1000 HU only in dense cortex): lung volume and emphysema could not be read. The wider window
halves the share of the range that soft tissue takes, which the networks' standardised residuals make up for."""
SUV_MAX = 25.0
CHANNELS = ("ct", "pet")


def encode(ct_hu: torch.Tensor, pet_suv: torch.Tensor) -> torch.Tensor:
    """(..., X, Y, Z) HU and SUVbw to (..., 2, X, Y, Z) in [-1, 1]: CT linear, PET log2(1 + SUV); clipped to the ranges.

    Average PET in SUV before encoding: averaging logarithms loses activity.
    """
    low, high = HU_RANGE
    ct = (ct_hu.clamp(low, high) - low) / (high - low)
    pet = torch.log1p(pet_suv.clamp(0.0, SUV_MAX)) / math.log1p(SUV_MAX)
    return torch.stack((ct, pet), dim=-4) * 2.0 - 1.0


def decode(encoded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The inverse of `encode`: (ct_hu, pet_suv); what lies outside [-1, 1] is clipped."""
    ct, pet = ((encoded.clamp(-1.0, 1.0) + 1.0) / 2.0).unbind(dim=-4)
    low, high = HU_RANGE
    return ct * (high - low) + low, torch.expm1(pet * math.log1p(SUV_MAX))
