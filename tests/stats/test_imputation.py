"""Multiple imputation: Rubin's rules by hand, the null and the side of the test, and coverage when data are missing at
random.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.imputation.mice import MICE, MICEData

from vct.stats.base import Analysis
from vct.stats.imputation import IMPUTATIONS, imputed, pooled
from vct.stats.missing import fill_missing
from vct.stats.regression import Ancova
from vct.stats.summary import OneSample
from vct.stats.two_sample import WelchT

Make = Callable[..., Any]


def asked(analysis: Analysis, made: Any) -> Any:
    (row,) = imputed(analysis, made.outcomes, made.patients, made.arms)
    return row


def test_golden_rubins_rules_by_hand() -> None:
    """Three estimates 1, 2, 3 with variance 0.25: between 1, total 0.25 + 4/3, share 16/19; complete df 30."""
    pool = pooled(np.array([1.0, 2.0, 3.0]), np.full(3, 0.5), 30.0)
    assert pool is not None
    assert pool.estimate == 2.0
    assert pool.error == pytest.approx(math.sqrt(19.0 / 12.0))
    assert pool.missing == pytest.approx(16.0 / 19.0)
    old, observed = 2.0 / (16.0 / 19.0) ** 2, 31.0 / 33.0 * 30.0 * (3.0 / 19.0)
    assert pool.df == pytest.approx(old * observed / (old + observed))
    assert pooled(np.ones(3), np.zeros(3), 30.0) is None


def test_second_implementation_statsmodels_pools_alike() -> None:
    """statsmodels' own data sets, pooled by its MICE and by ours."""
    import pandas as pd

    rng = np.random.default_rng(3)
    x = rng.standard_normal(80)
    frame = pd.DataFrame({"x": x, "y": x + rng.standard_normal(80)})
    frame.loc[rng.random(80) < 0.3, "y"] = np.nan
    np.random.seed(5)  # noqa: NPY002  (statsmodels draws from the global generator)
    import statsmodels.api as sm

    fits = MICE("y ~ x", sm.OLS, MICEData(frame), n_skip=1)
    theirs = fits.fit(n_burnin=2, n_imputations=12)
    for k, name in enumerate(theirs.exog_names):
        ours = pooled(
            np.array([fit.params[name] for fit in fits.results_list]),
            np.array([fit.bse[name] for fit in fits.results_list]),
            78.0,
        )
        assert ours is not None
        assert ours.estimate == pytest.approx(theirs.params[k])
        assert ours.error == pytest.approx(theirs.bse[k])
        assert ours.missing == pytest.approx(theirs.frac_miss_info[k])


def test_nothing_missing_is_the_analysis_itself(trial: Make) -> None:
    made = trial({"a": [1.0, 2.0, 4.0, 3.0], "b": [2.0, 5.0, 3.0, 6.0]})
    assert asked(WelchT(endpoint="e"), made) == made.row(WelchT(endpoint="e"))


def test_the_pooled_test_is_against_the_null_and_on_its_side(trial: Make) -> None:
    rng = np.random.default_rng(8)
    values: list[Any] = [float(v) for v in rng.normal(5.0, 1.0, 40)]
    made = trial({"a": [None if k % 8 == 0 else v for k, v in enumerate(values)]})
    at, above, below = (
        asked(OneSample(endpoint="e", null_mean=5.0, alternative=side), made)
        for side in ("two_sided", "greater", "less")
    )
    assert at.p_value > 0.05
    assert asked(OneSample(endpoint="e", null_mean=0.0), made).p_value < 1e-12
    assert above.p_value + below.p_value == pytest.approx(1.0)
    assert min(above.p_value, below.p_value) == pytest.approx(at.p_value / 2.0)


def test_imputed_verdicts_are_verdicts_and_draws_depend_on_the_data_only(trial: Make) -> None:
    made = trial({"a": [1, None, 0, 1, 0, None, 1, 1], "b": [0, 0, None, 1, 0, 0, 1, 0]}, "verdicts")
    one, two = (
        asked(OneSample(endpoint="e", null_rate=0.4), trial({"a": [1, None, 0, 1, 0, 1]}, "verdicts")) for _ in "ab"
    )
    assert one == two
    assert 0.0 < one.estimate < 1.0
    assert f"{IMPUTATIONS} imputations" in one.note
    assert fill_missing(made.outcomes, "multiple_imputation") == made.outcomes


def missing_at_random(seed: int, n: int, trial: Make) -> Any:
    """Both arms alike; in one arm patients with a high baseline go missing, the others in the other arm."""
    rng = np.random.default_rng([seed, 31])
    groups, baselines = {}, {}
    for arm, side in (("a", 1.0), ("b", -1.0)):
        base = rng.standard_normal(n)
        value = base + 0.7 * rng.standard_normal(n)
        gone = rng.random(n) < 1.0 / (1.0 + np.exp(1.0 - 2.0 * side * base))
        groups[arm] = [None if g else float(v) for v, g in zip(value, gone, strict=True)]
        baselines[arm] = [float(b) for b in base]
    return trial(groups, baselines=baselines)


def over_trials(analysis: Analysis, trials: int, n: int, trial: Make) -> tuple[np.ndarray, np.ndarray, float]:
    """Estimates with and without imputation over many trials without an effect, and the coverage of the former."""
    estimates, plain, covered = [], [], 0
    for seed in range(trials):
        made = missing_at_random(seed, n, trial)
        row = asked(analysis, made)
        estimates.append(row.estimate)
        plain.append(made.row(analysis).estimate)
        covered += row.ci_low <= 0.0 <= row.ci_high
    return np.array(estimates), np.array(plain), covered / trials


def holds(estimates: np.ndarray, plain: np.ndarray, coverage: float) -> None:
    trials = estimates.size
    error = estimates.std(ddof=1) / math.sqrt(trials)
    assert abs(estimates.mean()) < 4 * error
    assert abs(plain.mean()) > 6 * plain.std(ddof=1) / math.sqrt(trials), "complete cases ought to be biased here"
    low, high = stats.binom.ppf([5e-4, 1 - 5e-4], trials, 0.95) / trials
    assert low <= coverage <= max(high, 0.99)


def test_missing_at_random_is_made_good(trial: Make) -> None:
    holds(*over_trials(WelchT(endpoint="e"), 40, 60, trial))


@pytest.mark.slow
@pytest.mark.parametrize("analysis", [WelchT(endpoint="e"), Ancova(endpoint="e")], ids=lambda item: item.kind)
def test_missing_at_random_is_made_good_over_many_trials(analysis: Analysis, trial: Make) -> None:
    estimates, plain, coverage = over_trials(analysis, 1000, 60, trial)
    assert abs(estimates.mean()) < 4 * estimates.std(ddof=1) / math.sqrt(estimates.size)
    assert coverage == pytest.approx(0.95, abs=4 * math.sqrt(0.0475 / 1000) + 0.01)
    assert isinstance(analysis, Ancova) or abs(plain.mean()) > 0.2
