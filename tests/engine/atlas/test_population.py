"""Populations: resumable, the same for any number of workers; the draws behind them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from vct.cli import app
from vct.engine.atlas import Atlas
from vct.engine.atlas.composition import composition, fat_fraction
from vct.engine.atlas.demographics import body_size
from vct.engine.atlas.uptake import AUTOPET, draw_uptake, predicted
from vct.errors import InputError
from vct.records import Patient, Snapshot
from vct.rng import stream
from vct.training.folder import read_imaging
from vct.training.organs import measure, read_numbers
from vct.training.population import DAY0, Order, draw_patients, sample


def test_population_resumes_to_the_same_bytes(atlas_folder: Path, tmp_path: Path) -> None:
    patients = draw_patients(atlas_folder, 3, seed=5)
    engine = Atlas(folder=atlas_folder, spacing_mm=8.0)
    order = Order(engine=engine, out=tmp_path / "a", seed=5, keep_scans=False)
    assert list(sample(order, patients)) == ["V00000", "V00001", "V00002"]
    whole = (tmp_path / "a" / "organs.csv").read_bytes()
    (tmp_path / "a" / "numbers" / "V00001.csv").unlink()
    assert list(sample(order, patients)) == ["V00001"]
    assert (tmp_path / "a" / "organs.csv").read_bytes() == whole
    assert draw_patients(atlas_folder, 2, seed=5) == patients[:2]
    assert read_imaging(tmp_path / "a")["noise_cov"] == engine.noise_cov
    with pytest.raises(InputError, match=r"holds scans of atlas.*seed 5 .*seed 6"):
        list(sample(replace(order, seed=6), patients))


def test_what_is_planned_is_what_is_painted(atlas_folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "planned.csv"
    done = CliRunner().invoke(app, ["atlas", "plan", str(atlas_folder), "-n", "3", "--seed", "5", "--out", str(table)])
    assert done.exit_code == 0, done.output
    told = {(item.scan, item.organ, item.quantity): item.value for item in read_numbers(table)}
    engine = Atlas(folder=atlas_folder, spacing_mm=8.0)
    for who in draw_patients(atlas_folder, 3, seed=5):
        scan = engine.generate(Snapshot(patient=who, visit=DAY0), 5)
        numbers = measure(who.id, who, scan.pet, scan.labels)
        found = {item.organ: item.value for item in numbers if item.quantity == "volume_ml"}
        day_sd = 0.06  # of ln SUV: another day of the same person
        assert np.log(told[who.id, "liver", "suv_mean"] / scan.planted_suv["liver"]) == pytest.approx(
            0.0, abs=5.0 * day_sd
        )
        assert told[who.id, "lungs", "volume_ml"] == pytest.approx(found["lungs"], rel=0.15)


def patient(**known) -> Patient:
    return Patient(**{"id": "P", "sex": "M", "age_years": 60, "height_cm": 175, "weight_kg": 80} | known)


def test_golden_fat_fraction_of_gallagher_2000() -> None:
    """Their table's anchor: a man of 30 with BMI 25 has about 20 % fat, a woman about 33 %."""
    height = 175.0
    weight = 25.0 * 1.75**2
    assert fat_fraction(patient(age_years=30, height_cm=height, weight_kg=weight)) == pytest.approx(0.20, abs=0.015)
    assert fat_fraction(patient(sex="F", age_years=30, height_cm=height, weight_kg=weight)) == pytest.approx(
        0.33, abs=0.015
    )


@pytest.mark.parametrize("bmi", [17.0, 25.0, 45.0])
def test_composition_adds_up(bmi: float) -> None:
    who = patient(weight_kg=bmi * 1.75**2)
    target = composition(who, stream(0, "x"))
    inside = 0.92 * (target.subcutaneous_ml + target.visceral_ml) + 1.06 * target.lean_ml
    assert 0.4 < inside / 1000 / who.weight_kg < 0.8
    assert target.visceral_ml < 0.45 * 1000 * who.weight_kg


def test_body_sizes_follow_nhanes() -> None:
    """Weighted NHANES 2017-2023, adults: men 175.2 cm, women 161.2 cm; mean BMI 29.4 and 29.9."""
    for sex, height, bmi in (("M", 175.0, 29.4), ("F", 161.0, 29.9)):
        rng = np.random.default_rng(0)
        drawn = [body_size(rng, sex, age) for age in rng.uniform(25, 75, 4000)]
        heights = np.array([item[0][0] for item in drawn])
        weights = np.array([item[1][0] for item in drawn])
        assert heights.mean() == pytest.approx(height, rel=0.01)
        assert (weights / (heights / 100) ** 2).mean() == pytest.approx(bmi, rel=0.05)


def test_uptake_has_autopets_quantiles_and_hedypets_slopes() -> None:
    rng = np.random.default_rng(1)
    for sex in ("M", "F"):
        rows = []
        for k in range(1500):
            height, weight = body_size(rng, sex, age := float(np.clip(rng.normal(59, 15), 18, 90)))
            who = patient(id=f"U{k}", sex=sex, age_years=age, height_cm=float(height[0]), weight_kg=float(weight[0]))
            drawn = draw_uptake(who, stream(0, who.id, "u"), stream(0, who.id, "d"))
            rows.append((who.bmi_kg_m2, *(drawn.suv[name] for name in ("liver", "kidneys", "heart", "aorta"))))
        table = np.array(rows)
        for column, organ in ((1, "liver"), (2, "kidneys"), (3, "heart")):
            known = AUTOPET[(organ, sex)]
            assert np.median(table[:, column]) == pytest.approx(known[4], rel=0.05), (organ, sex)
            assert np.percentile(table[:, column], 5) == pytest.approx(known[1], rel=0.1), (organ, sex)
            assert np.percentile(table[:, column], 95) == pytest.approx(known[7], rel=0.1), (organ, sex)
        lean = table[(table[:, 0] > 18) & (table[:, 0] < 38)]
        slope = np.polyfit(lean[:, 0] / 5.0, np.log(lean[:, 4]), 1)[0]
        assert slope == pytest.approx(0.10074, rel=0.2)
        assert np.corrcoef(np.log(table[:, 1]), np.log(table[:, 4]))[0, 1] > 0.5


def test_predicted_is_the_log_normal_mean() -> None:
    who = patient(sex="F", age_years=50, height_cm=170, weight_kg=25 * 1.7**2)
    assert predicted("aorta", who) == pytest.approx(np.exp(0.68524 + 0.0874**2 / 2), rel=1e-6)
