"""The parts of a protocol that say who goes where and when: arms and visits."""

from __future__ import annotations

from pydantic import Field

from vct.part import Part


class Arm(Part):
    """A treatment arm; the first arm of a protocol is the reference."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _+-]*$")
    ratio: int = Field(default=1, ge=1, le=20, description="allocation ratio relative to the other arms")
    description: str = ""


class PlannedVisit(Part):
    """A planned scan: its day counts from randomisation, its window says how far the actual day may lie off."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$")
    day: float = Field(ge=-60, le=3650)
    window_days: float = Field(default=0.0, ge=0, le=60)
