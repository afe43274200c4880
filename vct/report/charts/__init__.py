"""The report's charts, one a file; each returns None where the trial has nothing for it."""

from vct.report.charts.base import Figure
from vct.report.charts.forest import forest, group_name, subgroup_rows
from vct.report.charts.response import response
from vct.report.charts.spaghetti import spaghetti
from vct.report.charts.survival import survival
from vct.report.charts.truth import truth_panels
from vct.report.charts.waterfall import waterfall

__all__ = [
    "Figure",
    "forest",
    "group_name",
    "response",
    "spaghetti",
    "subgroup_rows",
    "survival",
    "truth_panels",
    "waterfall",
]
