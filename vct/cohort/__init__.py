"""Who takes part: candidates of a population, criteria, arms, sites, visits that are kept or missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.cohort.allocation import Counterfactual, PermutedBlocks, Randomisation, Simple, StratifiedBlocks
from vct.cohort.conduct import Conduct, Dropout, Rate, Site
from vct.cohort.criteria import CRITERIA, AnyCriterion, Criterion, Eligibility
from vct.cohort.enrol import enrol
from vct.cohort.load import load_population, resolve
from vct.cohort.minimisation import Minimisation
from vct.cohort.plan import Arm, PlannedVisit
from vct.cohort.population import Population
from vct.cohort.summary import against_target, draw
from vct.part import one_of

RANDOMISATIONS = (Simple, PermutedBlocks, StratifiedBlocks, Minimisation, Counterfactual)

if TYPE_CHECKING:
    from vct.cohort.allocation import Randomisation as AnyRandomisation
else:
    AnyRandomisation = one_of(RANDOMISATIONS)

__all__ = [
    "CRITERIA",
    "RANDOMISATIONS",
    "AnyCriterion",
    "AnyRandomisation",
    "Arm",
    "Conduct",
    "Criterion",
    "Dropout",
    "Eligibility",
    "PlannedVisit",
    "Population",
    "Randomisation",
    "Rate",
    "Site",
    "against_target",
    "draw",
    "enrol",
    "load_population",
    "resolve",
]
