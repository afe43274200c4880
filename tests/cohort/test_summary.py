from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vct.cohort import Population, against_target, draw, load_population
from vct.cohort.summary import STATISTICS

POINTS = ["p5", "p25", "p50", "p75", "p95"]


def deviations(population: Population, n: int, seed: int = 1) -> pd.DataFrame:
    table = against_target(population, draw(population, n, seed))
    return table[table["row"] == "deviation %"].set_index(["variable", "sex"])[list(STATISTICS)].abs()


def test_draw_is_a_table_of_candidates(us_adults: Population) -> None:
    table = draw(us_adults, 20, 3)
    assert list(table.columns) == ["id", "sex", "age_years", "height_cm", "weight_kg", "bmi_kg_m2"]
    assert table["id"].tolist()[:2] == ["C0001", "C0002"]
    assert set(table["sex"]) == {"F", "M"}
    pd.testing.assert_frame_equal(table, draw(us_adults, 30, 3).head(20))


def test_a_large_draw_comes_in_blocks(us_adults: Population, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw(us_adults, 20, 3)
    monkeypatch.setattr("vct.cohort.summary.BLOCK", 7)
    pd.testing.assert_frame_equal(draw(us_adults, 20, 3), whole)


def test_sample_stands_beside_target_and_deviation(us_adults: Population) -> None:
    table = draw(us_adults, 500, 1)
    rows = against_target(us_adults, table).set_index(["variable", "sex", "row"])
    assert len(rows) == 4 * 2 * 3
    women = table.loc[table["sex"] == "F", "height_cm"]
    sample, target = (rows.loc[("height_cm", "F", row)] for row in ("sample", "target"))
    assert sample["n"] == len(women)
    assert sample["mean"] == pytest.approx(women.mean())
    assert sample["p95"] == pytest.approx(np.quantile(women, 0.95))
    assert target["p50"] == 161.2
    assert rows.loc[("height_cm", "F", "deviation %"), "mean"] == pytest.approx(
        100 * (women.mean() / target["mean"] - 1)
    )


def test_without_stated_targets_age_is_held_against_its_own_distribution() -> None:
    rows = against_target(load_population("lymphoma"), draw(load_population("lymphoma"), 300, 1))
    assert rows.groupby("variable")["row"].agg(set).to_dict() == {
        "age_years": {"sample", "target", "deviation %"},
        **{name: {"sample"} for name in ("height_cm", "weight_kg", "bmi_kg_m2")},
    }
    assert rows.loc[(rows["sex"] == "M") & (rows["row"] == "target"), "p50"].item() == pytest.approx(51.3, abs=1)


def test_a_cohort_of_one_sex() -> None:
    women = load_population("negative").model_copy(update={"female_fraction": 1.0})
    rows = against_target(women, draw(women, 50, 1))
    assert set(rows["sex"]) == {"F"}


def test_a_thousand_us_adults_look_like_nhanes(us_adults: Population) -> None:
    found = deviations(us_adults, 4000)
    assert found["mean"].max() < 3
    assert found[POINTS].max().max() < 6


@pytest.mark.slow
def test_us_adults_are_nhanes(us_adults: Population) -> None:
    """Means within 1 %, quantiles within 2 %, from 20,000 candidates; 200,000 for BMI, which is not itself fitted."""
    found = deviations(us_adults, 20_000)
    fitted = found.drop("bmi_kg_m2", level="variable")
    assert found["mean"].max() < 1
    assert fitted[POINTS].max().max() < 2
    assert deviations(us_adults, 200_000)[POINTS].max().max() < 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lung_cancer", "melanoma", "negative"])
def test_oncology_ages_are_those_of_autopet(name: str) -> None:
    found = deviations(load_population(name), 20_000)
    assert found["mean"].max() < 1.5
    assert found[POINTS].max().max() < 2
