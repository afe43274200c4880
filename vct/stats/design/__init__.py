"""Trial designs: when to look, what stops a trial, and what that does to errors and sample size."""

from vct.stats.design.base import Design, Look, Operating, Verdict
from vct.stats.design.fixed import Fixed
from vct.stats.design.group_sequential import GroupSequential
from vct.stats.design.rules import DESIGNS, AnyDesign
from vct.stats.design.simon import ExactSingleStage, SimonTwoStage

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
