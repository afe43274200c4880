"""Readouts: numbers taken from one scan. A new one is a class with `measure`, and one word in this tuple."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.part import one_of, plugins
from vct.readout.burden import LesionCount, Mtv, NewLesionCount, PaleLesionCount, Spread, Tlg
from vct.readout.detection import FalseLesionCount, MissedLesionCount
from vct.readout.diameter import LongestDiameter
from vct.readout.intensity import QPet, SulPeak, SuvMax, SuvPeak, TumourToLiver, VisualUptake
from vct.readout.organs import OrganSuvMax, OrganSuvMean, OrganSuvSd
from vct.readout.panel import Panel

READOUTS = (
    SuvMax,
    SuvPeak,
    SulPeak,
    TumourToLiver,
    QPet,
    VisualUptake,
    Mtv,
    Tlg,
    Spread,
    LongestDiameter,
    LesionCount,
    NewLesionCount,
    PaleLesionCount,
    MissedLesionCount,
    FalseLesionCount,
    OrganSuvMean,
    OrganSuvMax,
    OrganSuvSd,
    *plugins("readouts"),
)

if TYPE_CHECKING:
    from vct.readout.base import Readout as AnyReadout
else:
    AnyReadout = one_of(READOUTS)

__all__ = ["READOUTS", "AnyReadout", "Panel"]
