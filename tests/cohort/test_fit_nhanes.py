"""The fitting script, tried on people drawn from its own result: the survey itself does not come with the project."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from vct.cohort import Population, draw, load_population

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fit_nhanes.py"


@pytest.fixture
def refitted(us_adults: Population, tmp_path: Path) -> Population:
    table = draw(us_adults, 12_000, 1).rename(columns={"age_years": "age", "bmi_kg_m2": "bmi"})
    table["age"] = np.minimum(np.floor(table["age"]), 80)
    # Women are sampled at half their share and weigh double, as surveys do; the fit must undo it.
    table = table[(table["sex"] == "M") | (np.arange(len(table)) % 2 == 0)]
    table["mec_weight"] = np.where(table["sex"] == "F", 2.0, 1.0)
    table.to_csv(tmp_path / "survey.csv", index=False)
    runpy.run_path(str(SCRIPT))["main"](str(tmp_path / "survey.csv"), str(tmp_path / "fitted.yaml"))
    return load_population(tmp_path / "fitted.yaml")


def test_the_fit_gives_the_population_back(us_adults: Population, refitted: Population) -> None:
    assert refitted.female_fraction == pytest.approx(us_adults.female_fraction, abs=0.02)
    u = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    for sex in ("F", "M"):
        np.testing.assert_allclose(refitted.age_of(sex).ppf(u), us_adults.age_of(sex).ppf(u), rtol=0.04)
        for ours, theirs in zip(getattr(refitted.body_size, sex), getattr(us_adults.body_size, sex), strict=True):
            np.testing.assert_allclose(ours.height_cm.ppf(u), theirs.height_cm.ppf(u), rtol=0.02)
            np.testing.assert_allclose(ours.weight_kg.ppf(u), theirs.weight_kg.ppf(u), rtol=0.12)
            assert ours.rank_correlation == pytest.approx(theirs.rank_correlation, abs=0.2)
    assert [target.variable for target in refitted.targets] == [target.variable for target in us_adults.targets]
