"""Fidelity against known truths: equal populations, known shifts and spreads, published values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vct.errors import InputError
from vct.records import Patient
from vct.training.fidelity import Published, compare, compare_published, read_published
from vct.training.folder import write_table
from vct.training.organs import OrganNumber, measure, measure_folder, read_numbers, write_numbers
from vct.training.violins import save_violins
from vct.volume import Grid, Volume


def population(n: int, mean: float, sd: float, seed: int) -> list[OrganNumber]:
    rng = np.random.default_rng(seed)
    return [
        OrganNumber(
            scan=f"S{k}",
            sex="F" if k % 2 else "M",
            age_years=float(40 + k % 40),
            height_cm=170.0,
            weight_kg=float(60 + k % 45),
            organ="liver",
            quantity="suv_mean",
            value=float(rng.normal(mean, sd)),
        )
        for k in range(n)
    ]


def row(found, subgroup="all"):
    return next(item for item in found if item.subgroup == subgroup)


def test_a_population_equals_itself() -> None:
    numbers = population(120, 2.3, 0.4, 0)
    found = row(compare(numbers, numbers))
    assert (found.mean_percent, found.median_percent, found.spread_ratio) == (0.0, 0.0, 1.0)
    assert (found.wasserstein, found.ks, found.ks_p) == (0.0, 0.0, 1.0)
    assert found.mean_low < 0 < found.mean_high


def test_a_known_shift_and_spread_come_out() -> None:
    base = population(400, 2.0, 0.4, 1)
    shifted = [replace(item, value=1.1 * item.value) for item in base]
    found = row(compare(shifted, base))
    assert found.mean_percent == pytest.approx(10.0)
    assert found.median_percent == pytest.approx(10.0)
    assert found.spread_ratio == pytest.approx(1.1)
    assert found.wasserstein == pytest.approx(0.1 * np.mean([item.value for item in base]), rel=1e-6)
    assert found.ks_p < 0.001
    assert found.mean_low < 10.0 < found.mean_high


def test_intervals_cover_the_truth() -> None:
    """Same distribution, fresh samples: about 95 % of the bootstrap intervals hold zero."""
    held = 0
    for k in range(60):
        found = row(compare(population(60, 2.0, 0.4, 2 * k), population(60, 2.0, 0.4, 2 * k + 1), seed=k))
        held += found.mean_low <= 0.0 <= found.mean_high
    assert 50 <= held <= 60


def test_subgroups_are_by_sex_age_and_bmi() -> None:
    numbers = population(200, 2.0, 0.4, 3)
    names = {item.subgroup for item in compare(numbers, numbers)}
    assert {"all", "sex F", "sex M", "age < 50", "age >= 65", "BMI < 25", "BMI >= 30"} <= names
    found = row(compare(numbers, numbers), "sex F")
    assert found.n == 100


def test_published_values(tmp_path: Path) -> None:
    numbers = population(300, 2.2, 0.4, 4)
    table = tmp_path / "published.csv"
    table.write_text("organ,quantity,sex,mean,sd,p5,p95,source\nliver,suv_mean,all,2.0,0.4,1.342,2.658,made up\n")
    found = compare_published(numbers, read_published(table))[0]
    assert found.mean_percent == pytest.approx(10.0, abs=4.0)
    assert found.spread_ratio == pytest.approx(1.0, abs=0.12)
    assert found.p5_percent == pytest.approx(15.0, abs=10.0)
    with pytest.raises(InputError):
        compare_published(numbers, [Published(organ="spleen", quantity="suv_mean", sex="all", mean=1.0)])


def cube_scan() -> tuple[Volume, Volume]:
    grid = Grid(shape=(8, 8, 8), spacing_mm=(5.0, 5.0, 4.0), origin_mm=(0.0, 0.0, 0.0))
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:4, 2:4, 2:4] = 5
    labels[5, 5, 5] = 2
    labels[6, 6, 6] = 3
    pet = np.ones((8, 8, 8), np.float32)
    pet[2, 2, 2] = 9.0
    return Volume(data=pet, grid=grid, unit="SUVbw"), Volume(data=labels, grid=grid, unit="label")


PATIENT = Patient(id="A", sex="F", age_years=50, height_cm=165, weight_kg=70)


def test_measure_counts_and_averages() -> None:
    found = {(item.organ, item.quantity): item.value for item in measure("A", PATIENT, *cube_scan())}
    assert found[("liver", "volume_ml")] == pytest.approx(0.8)
    assert found[("liver", "suv_mean")] == pytest.approx(2.0)
    assert found[("liver", "suv_max")] == pytest.approx(9.0)
    assert found[("kidneys", "volume_ml")] == pytest.approx(0.2)
    assert found[("whole_body", "volume_ml")] == pytest.approx(1.0)
    assert ("heart", "volume_ml") not in found


def test_folders_of_scans_are_measured(tmp_path: Path) -> None:
    pet, labels = cube_scan()
    write_table(tmp_path, [PATIENT], "a cube")
    (tmp_path / "A").mkdir()
    pet.save(tmp_path / "A" / "pet.nii.gz")
    labels.save(tmp_path / "A" / "labels.nii.gz")
    found = measure_folder(tmp_path)
    write_numbers(tmp_path / "organs.csv", found)
    assert read_numbers(tmp_path / "organs.csv") == measure_folder(tmp_path)
    assert [item.organ for item in found] == [item.organ for item in read_numbers(tmp_path / "organs.csv")]
    with pytest.raises(InputError):
        measure_folder(tmp_path / "absent")


def test_violins_are_drawn(tmp_path: Path) -> None:
    out = tmp_path / "violins.svg"
    save_violins(out, "suv_mean", {"a": population(40, 2.0, 0.3, 5), "b": population(40, 2.2, 0.3, 6)})
    assert out.stat().st_size > 2000
    with pytest.raises(InputError):
        save_violins(out, "volume_ml", {"a": population(40, 2.0, 0.3, 5)})
