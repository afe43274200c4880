"""The published protocol: a split that keeps patients together, and its table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from vct.errors import InputError
from vct.training.folder import read_table
from vct.training.organs import OrganNumber
from vct.training.paper import paper_table, split_by_patient


def population(n, mean, seed):
    rng = np.random.default_rng(seed)
    return [
        OrganNumber(
            scan=f"S{k}", sex="FM"[k % 2], age_years=50.0 + k % 30, height_cm=170.0, weight_kg=70.0,
            organ="liver", quantity="suv_mean", value=float(rng.normal(mean, 0.3)),
        )
        for k in range(n)
    ]  # fmt: skip


def test_second_implementation_the_table() -> None:
    mine, other = population(80, 2.2, 0), population(90, 2.0, 1)
    found = {row.group: row for row in paper_table(mine, other)}
    assert set(found) == {"all", "sex F", "sex M", "age < 65", "age >= 65"}
    women = [[item.value for item in group if item.sex == "F"] for group in (mine, other)]
    row = found["sex F"]
    assert row.t_p == pytest.approx(stats.ttest_ind(*women, equal_var=False).pvalue)
    assert row.u_p == pytest.approx(stats.mannwhitneyu(*women).pvalue)
    assert (row.mean, row.sd_reference) == pytest.approx((np.mean(women[0]), np.std(women[1], ddof=1)))
    assert found["age < 65"].n + found["age >= 65"].n == 80
    assert found["age < 65"].n == sum(item.age_years < 65.0 for item in mine)


def test_an_organ_in_one_population_only_is_left_out() -> None:
    other = [replace(item, organ="spleen") for item in population(20, 2.0, 1)]
    assert paper_table(population(20, 2.0, 0), other) == []


@pytest.fixture
def folder(tmp_path):
    rows = ["id,sex,age_years,height_cm,weight_kg,patient,diagnosis"]
    for k in range(60):
        (tmp_path / f"S{k}").mkdir()
        (tmp_path / f"S{k}" / "note").write_text(f"S{k}")
        rows.append(f"S{k},F,60,165,70,P{k // 3},")
    (tmp_path / "participants.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_no_patient_is_on_both_sides(folder) -> None:
    assert split_by_patient(folder, 10) == (48, 12)
    train, test = ({patient.id for patient in read_table(folder / side)} for side in ("train", "test"))
    assert not train & test
    assert len(train | test) == 60
    owner = {name: int(name[1:]) // 3 for name in train | test}
    assert not {owner[name] for name in train} & {owner[name] for name in test}
    assert all((folder / "test" / name / "note").read_text() == name for name in test)


def test_the_split_depends_on_the_seed_only(folder) -> None:
    split_by_patient(folder, 10, seed=1)
    first = (folder / "test" / "participants.csv").read_bytes()
    split_by_patient(folder, 10, seed=2)
    assert (folder / "test" / "participants.csv").read_bytes() != first
    split_by_patient(folder, 10, seed=1)
    assert (folder / "test" / "participants.csv").read_bytes() == first
    assert len(list((folder / "test").iterdir())) == 12 + 2


@pytest.mark.parametrize("name", ["../../S9", "/etc/S9", "..", "a/b"])
def test_an_id_that_is_a_path(folder, name) -> None:
    """Twins would be written there."""
    table = folder / "participants.csv"
    table.write_text(table.read_text() + f"{name},F,60,165,70,P9,\n")
    with pytest.raises(InputError, match="is no plain name"):
        split_by_patient(folder, 10)


def test_nothing_left_to_train_on(folder) -> None:
    with pytest.raises(InputError, match="too few to keep 60 for testing"):
        split_by_patient(folder, 60)
