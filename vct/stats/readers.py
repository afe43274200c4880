"""Agreement between readers: intraclass correlation and kappa. Pure functions of a table of cases by readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def icc(values: NDArray[Any]) -> dict[str, float]:
    """Intraclass correlations of `values` (cases, readers) without gaps, named as in Shrout and Fleiss 1979 (doi
    10.1037/0033-2909.86.2.420): ICC1 one-way; ICC2 two-way, absolute agreement; ICC3 two-way, consistency; of one
    reader and, with k, of the readers' mean.

    All are nan where nothing varies. Raises ValueError with fewer than two cases or readers.
    """
    n, k = values.shape
    if n < 2 or k < 2:
        raise ValueError("needs at least two cases and two readers")
    grand = values.mean()
    between = k * float(((values.mean(axis=1) - grand) ** 2).sum()) / (n - 1)
    readers = n * float(((values.mean(axis=0) - grand) ** 2).sum()) / (k - 1)
    total = float(((values - grand) ** 2).sum())
    within = (total - between * (n - 1)) / (n * (k - 1))
    error = (total - between * (n - 1) - readers * (k - 1)) / ((n - 1) * (k - 1))

    def share(part: float, whole: float) -> float:
        return part / whole if whole > 0.0 else math.nan

    return {
        "ICC1": share(between - within, between + (k - 1) * within),
        "ICC2": share(between - error, between + (k - 1) * error + k * (readers - error) / n),
        "ICC3": share(between - error, between + (k - 1) * error),
        "ICC1k": share(between - within, between),
        "ICC2k": share(between - error, between + (readers - error) / n),
        "ICC3k": share(between - error, between),
    }


def fleiss(categories: Sequence[Sequence[str]]) -> float:
    """Fleiss' kappa of a table (cases, readers) of categories (doi 10.1037/h0031619), by statsmodels; nan where all
    readers give all cases the same category.
    """
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    names = sorted({category for row in categories for category in row})
    if len(names) < 2:
        return math.nan
    numbers = np.array([[names.index(category) for category in row] for row in categories])
    return float(fleiss_kappa(aggregate_raters(numbers)[0], method="fleiss"))


def mean_weighted_kappa(categories: Sequence[Sequence[str]], order: Sequence[str]) -> float:
    """Cohen's kappa with quadratic weights over every pair of readers, averaged (Light 1971, doi 10.1037/h0031643), by
    statsmodels. `order` ranks the categories; pairs without variation are left out, and nan is the answer when all are.
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    ranks = np.array([[order.index(category) for category in row] for row in categories])
    found = []
    for one in range(ranks.shape[1]):
        for other in range(one + 1, ranks.shape[1]):
            table = np.zeros((len(order), len(order)))
            np.add.at(table, (ranks[:, one], ranks[:, other]), 1.0)
            if (table.sum(axis=0) > 0).sum() > 1 or (table.sum(axis=1) > 0).sum() > 1:
                found.append(float(cohens_kappa(table, wt="quadratic", return_results=False)))
    return float(np.mean(found)) if found else math.nan


def all_agree(categories: Sequence[Sequence[str]]) -> float:
    """Share of cases in which every reader gives the same category."""
    return float(np.mean([len(set(row)) == 1 for row in categories]))
