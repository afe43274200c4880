"""Trial designs: when to look, what stops a trial, and what that does to errors and sample size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.part import one_of
from vct.stats.design.base import Design, Look, Operating, Verdict
from vct.stats.design.fixed import Fixed
from vct.stats.design.group_sequential import GroupSequential
from vct.stats.design.simon import ExactSingleStage, SimonTwoStage

DESIGNS = (Fixed, GroupSequential, SimonTwoStage, ExactSingleStage)

if TYPE_CHECKING:
    from vct.stats.design.base import Design as AnyDesign
else:
    AnyDesign = one_of(DESIGNS)

__all__ = [
    "DESIGNS",
    "AnyDesign",
    "Design",
    "ExactSingleStage",
    "Fixed",
    "GroupSequential",
    "Look",
    "Operating",
    "SimonTwoStage",
    "Verdict",
]
