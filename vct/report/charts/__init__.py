"""The report's charts, one a file; each returns None where the trial has nothing for it."""

from vct.report.charts.agreement import agreement_panels
from vct.report.charts.base import Figure
from vct.report.charts.boundary import boundary
from vct.report.charts.forest import forest, group_name, subgroup_rows
from vct.report.charts.power import power
from vct.report.charts.response import response
from vct.report.charts.spaghetti import spaghetti
from vct.report.charts.survival import survival
from vct.report.charts.swimmer import swimmer
from vct.report.charts.truth import truth_panels
from vct.report.charts.variance import variance
from vct.report.charts.violin import violin
from vct.report.charts.waterfall import waterfall

OF_A_TRIAL = (waterfall, spaghetti, response, boundary, survival, swimmer, violin, forest)
"""The charts of a trial's outcomes, in the order of the page."""

__all__ = [
    "OF_A_TRIAL",
    "Figure",
    "agreement_panels",
    "boundary",
    "forest",
    "group_name",
    "power",
    "response",
    "spaghetti",
    "subgroup_rows",
    "survival",
    "swimmer",
    "truth_panels",
    "variance",
    "violin",
    "waterfall",
]
