from __future__ import annotations

from pathlib import Path

import pytest

from vct.cohort import Population, load_population, resolve
from vct.cohort.bodysize import Window
from vct.distributions import Normal, Table, Truncated
from vct.errors import SpecError
from vct.part import Part
from vct.shipped import shipped
from vct.yamlfile import check, read

SHIPPED = ("us_adults", "lung_cancer", "melanoma", "lymphoma", "negative")


class Plan(Part):
    cohort: Population


def plan(folder: Path, text: str) -> Population:
    file = folder / "plan.yaml"
    file.write_text(text, encoding="utf-8")
    tree = read(file)
    resolve(tree, ("cohort",), folder)
    return check(Plan, tree, folder).cohort


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        plan(folder, text)
    return str(caught.value).replace(f"{folder}/", "").replace(f"{shipped('cohorts')}/", "")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_cohorts_load_by_name_and_by_path(name: str) -> None:
    by_name = load_population(name)
    assert load_population(shipped("cohorts") / f"{name}.yaml") == by_name
    assert by_name.source


def test_shipped_cohorts_are_these() -> None:
    assert sorted(file.stem for file in shipped("cohorts").glob("*.yaml")) == sorted(SHIPPED)


def test_a_name_takes_the_cohort_as_it_is(tmp_path: Path) -> None:
    assert plan(tmp_path, "cohort: lung_cancer\n") == load_population("lung_cancer")


def test_keys_replace_those_of_the_other_cohort(tmp_path: Path) -> None:
    found = plan(
        tmp_path,
        "cohort:\n  from: lymphoma\n  age_years: {kind: normal, mean: 60, sd: 8}\n  female_fraction: 0.6\n"
        "  restrict: {age_years: {min: 50, max: 75}, bmi_kg_m2: {min: 18, max: 35}}\n",
    )
    base = load_population("lymphoma")
    assert found.age_years == Normal(mean=60, sd=8)
    assert (found.female_fraction, found.title, found.body_size) == (0.6, base.title, base.body_size)
    assert found.restrict.bmi_kg_m2 == Window(min=18, max=35)


def test_targets_stay_with_their_cohort(tmp_path: Path) -> None:
    assert plan(tmp_path, "cohort: us_adults\n").targets
    assert not plan(tmp_path, "cohort: {from: us_adults, female_fraction: 1}\n").targets


def test_oncology_cohorts_take_body_size_from_us_adults() -> None:
    adults, lymphoma = load_population("us_adults"), load_population("lymphoma")
    assert lymphoma.body_size == adults.body_size
    assert lymphoma.age_of("M").ppf(1e-9) == pytest.approx(18, abs=1e-3)
    assert not lymphoma.targets


def test_a_file_beside_comes_before_a_shipped_one_and_its_tables_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ages.csv").write_text("age\n30\n40\n")
    age = "{kind: truncated, high: 35, of: {kind: table, file: ages.csv, column: age}}"
    (tmp_path / "sub" / "melanoma.yaml").write_text(f"from: lung_cancer\ntitle: Mine\nage_years: {age}\n")
    found = plan(tmp_path, "cohort: {from: sub/melanoma, female_fraction: 0.5}\n")
    assert found.title == "Mine"
    assert isinstance(found.age_years, Truncated)
    assert isinstance(found.age_years.of, Table)
    assert found.age_years.of.values == (30, 40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cohort: us_adult\n", "plan.yaml:1:9: cohort: is neither a cohort file nor a shipped cohort"),
        ("cohort: us_adult\n", "did you mean 'us_adults'?"),
        ("cohort: {from: [us_adults]}\n", "plan.yaml:1:16: cohort.from: must be the name of a cohort"),
        ("cohort: 5\n", "plan.yaml:1:9: cohort: must be"),
        ("cohort: {from: ../elsewhere}\n", "plan.yaml:1:16: cohort.from: is neither"),
        ("cohort: {from: us_adults, agee: 3}\n", "plan.yaml:1:27: cohort.agee: is not a known key"),
        ("cohort:\n  from: us_adults\n  female_fraction: 7\n", "plan.yaml:3:20: cohort.female_fraction: must be less"),
        ("cohort: {from: broken}\n", "broken.yaml:2:18: cohort.female_fraction: must be less"),
        ("cohort: broken\n", "broken.yaml:2:18: cohort.female_fraction: must be less"),
        ("cohort: loop\n", "loop.yaml:1:7: from: this cohort inherits from itself"),
        ("cohort: a\n", "b.yaml:1:7: from: this cohort inherits from itself"),
        ("cohort: list\n", "list.yaml:1:1: must be a mapping"),
        ("cohort: table\n", "table.yaml:2:12: age_years: the file must lie in the YAML file's folder"),
        (f"cohort: {'x' * 300}\n", "plan.yaml:1:9: cohort: is neither"),
        ('cohort: "a\\0b"\n', "plan.yaml:1:9: cohort: is neither"),
        ("cohort: link\n", "plan.yaml:1:9: cohort: the file 'link.yaml' is a link out of"),
        ("cohort: ../folder/broken.yaml\n", "cohort: the file must lie in the YAML file's folder"),
    ],
)
def test_complaints_have_their_place(tmp_path: Path, text: str, expected: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside.yaml").write_text("from: us_adults\n")
    (folder / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    for name, content in {
        "broken": "from: us_adults\nfemale_fraction: 7\n",
        "loop": "from: loop\n",
        "a": "from: b\n",
        "b": "from: a\n",
        "list": "- 1\n",
        "table": "from: us_adults\nage_years: {kind: table, file: ../x.csv, column: a}\n",
    }.items():
        (folder / f"{name}.yaml").write_text(content)
    assert expected in complaint(folder, text)


def test_the_whole_cohort_says_itself_again(tmp_path: Path) -> None:
    found = plan(tmp_path, "cohort: {from: melanoma, restrict: {age_years: {max: 60}}}\n")
    assert Population.model_validate_json(found.model_dump_json(), strict=True) == found


def test_a_name_that_is_none() -> None:
    with pytest.raises(SpecError, match=r"melanomas: is neither a cohort file nor a shipped cohort .*'melanoma'"):
        load_population("melanomas")
