"""Sample size and power in closed form or by exact enumeration."""

from __future__ import annotations

from vct.stats.power.means import ancova, paired_means, paired_power, two_means, two_means_power
from vct.stats.power.pet import (
    design_effect,
    log_sd,
    mean_change,
    measured_response,
    patients_for_lesions,
    percent_change_arms,
    repeatability_limits,
)
from vct.stats.power.proportions import fisher, fisher_power, two_proportions, two_proportions_power
from vct.stats.power.sizing import Sizing
from vct.stats.power.survival import (
    Conduct,
    Hazard,
    SurvivalSizing,
    event_share,
    logrank_events,
    survival,
    survival_power,
    time_of_events,
)

__all__ = [
    "Conduct",
    "Hazard",
    "Sizing",
    "SurvivalSizing",
    "ancova",
    "design_effect",
    "event_share",
    "fisher",
    "fisher_power",
    "log_sd",
    "logrank_events",
    "mean_change",
    "measured_response",
    "paired_means",
    "paired_power",
    "patients_for_lesions",
    "percent_change_arms",
    "repeatability_limits",
    "survival",
    "survival_power",
    "time_of_events",
    "two_means",
    "two_means_power",
    "two_proportions",
    "two_proportions_power",
]
