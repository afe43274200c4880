from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import spearmanr

from vct.cohort import Population
from vct.cohort.bodysize import AgeBand, BodySize, Window
from vct.cohort.population import BySex
from vct.distributions import Constant, LogNormal, Normal, Quantiles, Truncated, Uniform
from vct.errors import InputError


def one_band(rank_correlation: float = 0.4, weight: Any = None) -> BodySize:
    band = AgeBand(
        from_age_years=18,
        height_cm=Normal(mean=170, sd=7),
        weight_kg=weight or LogNormal(median=78, geometric_sd=1.2),
        rank_correlation=rank_correlation,
    )
    return BodySize(F=(band,), M=(band,))


def population(**given: Any) -> Population:
    filled = {"title": "x", "source": "x", "female_fraction": 0.5, "age_years": Uniform(low=20, high=80)}
    return Population(**{**filled, "body_size": one_band(), **given})


def changed(base: Population, **given: Any) -> Population:
    return Population(**{**{name: getattr(base, name) for name in Population.model_fields}, **given})


def rank(candidates: Any) -> float:
    return float(spearmanr(candidates.columns["height_cm"], candidates.columns["weight_kg"]).statistic)


@pytest.mark.parametrize("wanted", [-0.7, 0.0, 0.4, 0.9])
def test_rank_correlation_is_recovered_whatever_the_marginals(wanted: float) -> None:
    skewed = Truncated(of=LogNormal(median=60, geometric_sd=1.6), low=30, high=200)
    u = np.random.default_rng(5).random((40_000, 2)) + 1e-12
    height, weight = one_band(wanted, skewed).F[0].draw(u)
    assert spearmanr(height, weight).statistic == pytest.approx(wanted, abs=0.015)
    np.testing.assert_allclose(np.quantile(weight, [0.1, 0.5, 0.9]), skewed.ppf([0.1, 0.5, 0.9]), rtol=0.02)


def test_marginals_are_recovered() -> None:
    drawn = population(
        female_fraction=0.3, age_years=BySex(F=Normal(mean=50, sd=5), M=Normal(mean=65, sd=5))
    ).candidates(1, 6000, seed=2)
    assert drawn.female.mean() == pytest.approx(0.3, abs=0.02)
    assert drawn.columns["age_years"][drawn.female].mean() == pytest.approx(50, abs=0.5)
    assert drawn.columns["age_years"][~drawn.female].mean() == pytest.approx(65, abs=0.5)
    assert drawn.columns["height_cm"].std() == pytest.approx(7, rel=0.04)
    assert np.median(drawn.columns["weight_kg"]) == pytest.approx(78, rel=0.01)
    bmi = drawn.columns["weight_kg"] / (drawn.columns["height_cm"] / 100) ** 2
    np.testing.assert_allclose(drawn.columns["bmi_kg_m2"], bmi)


def test_age_bands_are_obeyed() -> None:
    def band(start: float, height: float) -> AgeBand:
        return AgeBand(
            from_age_years=start, height_cm=Constant(value=height), weight_kg=Constant(value=70), rank_correlation=0
        )

    size = BodySize(F=(band(30, 160), band(50, 150)), M=(band(30, 180),))
    female, age = np.array([True, True, True, True, False]), np.array([20, 49.999, 50, 90, 90])
    height, _ = size.draw(female, age, np.full((5, 2), 0.5))
    np.testing.assert_array_equal(height, [160, 160, 150, 150, 180])


def test_drawing_more_or_from_the_middle_changes_nobody(us_adults: Population) -> None:
    whole = us_adults.candidates(1, 50, seed=4)
    part = us_adults.candidates(21, 10, seed=4)
    assert part.ids == whole.ids[20:30] == tuple(f"C{number:04d}" for number in range(21, 31))
    for name, column in part.columns.items():
        np.testing.assert_array_equal(column, whole.columns[name][20:30])
    assert not np.array_equal(us_adults.candidates(1, 50, seed=5).columns["age_years"], whole.columns["age_years"])


def test_restriction_is_obeyed_and_leaves_the_rest_alone() -> None:
    base = population()
    cut = changed(base, restrict={"age_years": Window(min=50, max=75), "bmi_kg_m2": Window(min=18, max=35)})
    free, bound = base.candidates(1, 4000, 1), cut.candidates(1, 4000, 1)
    age, bmi = bound.columns["age_years"], bound.columns["bmi_kg_m2"]
    assert (age.min() >= 50, age.max() <= 75, bmi.min() >= 18, bmi.max() <= 35) == (True,) * 4
    np.testing.assert_array_equal(free.female, bound.female)
    inside = (free.columns["bmi_kg_m2"] >= 18) & (free.columns["bmi_kg_m2"] <= 35)
    np.testing.assert_array_equal(free.columns["height_cm"][inside], bound.columns["height_cm"][inside])
    np.testing.assert_allclose(age, 50 + 25 * (free.columns["age_years"] - 20) / 60)


def test_overridden_marginals_keep_the_rank_correlation(us_adults: Population) -> None:
    old_women = changed(
        us_adults, female_fraction=1.0, age_years=Normal(mean=65, sd=3), restrict={"age_years": Window(min=60, max=69)}
    )
    wanted = us_adults.body_size.F[4].rank_correlation
    assert rank(old_women.candidates(1, 6000, 1)) == pytest.approx(wanted, abs=0.03)


def test_bodies_stay_plausible() -> None:
    wild = population(body_size=one_band(0.3, Normal(mean=80, sd=60)))
    drawn = wild.candidates(1, 500, 1)
    assert drawn.columns["weight_kg"].min() >= 25
    assert drawn.columns["bmi_kg_m2"].max() <= 90


def test_biomarkers_have_luck_of_their_own() -> None:
    one = population(biomarkers={"glucose": LogNormal(median=5.5, geometric_sd=1.2)})
    two = population(biomarkers={"crp": Constant(value=1), "glucose": LogNormal(median=5.5, geometric_sd=1.2)})
    first, second = one.candidates(1, 2000, 1), two.candidates(1, 2000, 1)
    np.testing.assert_array_equal(first.columns["glucose"], second.columns["glucose"])
    assert np.median(first.columns["glucose"]) == pytest.approx(5.5, rel=0.02)
    assert abs(spearmanr(first.columns["glucose"], first.columns["age_years"]).statistic) < 0.08
    assert two.variables == ("age_years", "height_cm", "weight_kg", "bmi_kg_m2", "crp", "glucose")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"age_years": Constant(value=12)}, "'age_years' of F has no value from 18 to 100 years"),
        ({"age_years": BySex(F=Constant(value=40), M=Constant(value=101))}, "'age_years' of M has no value"),
        ({"restrict": {"age_years": Window(min=90)}}, "has no value from 90 to 100 years"),
        ({"restrict": {"height_cm": Window(min=210)}}, "leaves 0.0% of the bodies of F"),
        ({"biomarkers": {"age_years": Constant(value=1)}}, "must not be called 'age_years'"),
        ({"female_fraction": 1.2}, "less than or equal to 1"),
    ],
)
def test_impossible_populations_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        population(**given)


@pytest.mark.parametrize("window", [{}, {"min": 5, "max": 5}, {"min": 9, "max": 5}, {"min": -1}])
def test_impossible_windows_are_refused(window: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Window(**window)


def test_bands_must_rise() -> None:
    band = one_band().F[0]
    with pytest.raises(ValidationError, match="rising 'from_age_years'"):
        BodySize(F=(band, band), M=(band,))


def test_a_restriction_that_one_age_cannot_meet_is_an_error() -> None:
    def band(start: float, height: float) -> AgeBand:
        return AgeBand(
            from_age_years=start,
            height_cm=Normal(mean=height, sd=1),
            weight_kg=Normal(mean=70, sd=3),
            rank_correlation=0,
        )

    bands = (band(18, 150), band(60, 180))
    part = population(body_size=BodySize(F=bands, M=bands), restrict={"height_cm": Window(max=160)})
    with pytest.raises(InputError, match=r"bodies drawn for a person \([FM], \d\d years\)"):
        part.candidates(1, 40, 1)


def test_population_of_quantiles_prints_and_loads(us_adults: Population) -> None:
    assert isinstance(us_adults.body_size.F[0].height_cm, Quantiles)
    assert Population.model_validate_json(us_adults.model_dump_json(), strict=True) == us_adults
