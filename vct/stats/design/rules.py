"""The designs that a protocol may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.part import one_of
from vct.stats.design.fixed import Fixed
from vct.stats.design.group_sequential import GroupSequential
from vct.stats.design.simon import ExactSingleStage, SimonTwoStage

DESIGNS = (Fixed, GroupSequential, SimonTwoStage, ExactSingleStage)

if TYPE_CHECKING:
    from vct.stats.design.base import Design as AnyDesign
else:
    AnyDesign = one_of(DESIGNS)

__all__ = ["DESIGNS", "AnyDesign"]
