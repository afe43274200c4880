"""Readouts: numbers taken from one scan. A new one is a class with `measure`, and one word in this tuple."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.part import one_of, plugins
from vct.readout.burden import LesionCount, Mtv, NewLesionCount, Tlg
from vct.readout.intensity import SulPeak, SuvMax, SuvPeak
from vct.readout.organs import OrganSuvMax, OrganSuvMean, OrganSuvSd

READOUTS = (
    SuvMax,
    SuvPeak,
    SulPeak,
    Mtv,
    Tlg,
    LesionCount,
    NewLesionCount,
    OrganSuvMean,
    OrganSuvMax,
    OrganSuvSd,
    *plugins("readouts"),
)

if TYPE_CHECKING:
    from vct.readout.base import Readout as AnyReadout
else:
    AnyReadout = one_of(READOUTS)

__all__ = ["READOUTS", "AnyReadout"]
