"""Statistics: from outcomes to statements about the arms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.part import one_of, plugins
from vct.stats.agreement import Repeatability
from vct.stats.binary import RiskDifference
from vct.stats.curve import SurvivalCurve, survival_curve
from vct.stats.mixed import MixedModel
from vct.stats.paired import PairedT
from vct.stats.reader_agreement import ReaderAgreement
from vct.stats.regression import Ancova
from vct.stats.run import adjusted, compare_all
from vct.stats.summary import OneSample, Summary
from vct.stats.survival import Cox, KaplanMeier, LogRank
from vct.stats.tables import Cmh, FisherExact
from vct.stats.two_sample import MannWhitney, WelchT

ANALYSES = (
    Summary,
    OneSample,
    WelchT,
    MannWhitney,
    Ancova,
    MixedModel,
    PairedT,
    RiskDifference,
    FisherExact,
    Cmh,
    KaplanMeier,
    LogRank,
    Cox,
    Repeatability,
    ReaderAgreement,
    *plugins("analyses"),
)

if TYPE_CHECKING:
    from vct.stats.base import Analysis as AnyAnalysis
else:
    AnyAnalysis = one_of(ANALYSES)

__all__ = ["ANALYSES", "AnyAnalysis", "SurvivalCurve", "adjusted", "compare_all", "survival_curve"]
