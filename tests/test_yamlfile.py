from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from vct.errors import SpecError
from vct.part import ArmName, Part, ReadoutName, one_of, references
from vct.yamlfile import MAX_BYTES, MAX_DEPTH, check, read


class Apple(Part):
    kind: Literal["apple"] = "apple"
    weight_g: float = Field(gt=0)


class Pear(Part):
    kind: Literal["pear"] = "pear"
    lengths_cm: tuple[float, ...]
    readout: ReadoutName | None = None
    by_arm: dict[ArmName, float] = Field(default_factory=dict)


class Basket(Part):
    title: str
    fruits: tuple[one_of((Apple, Pear)), ...]  # type: ignore[misc]
    extra: Apple | None = None


def problems(text: str, folder: Path) -> list[str]:
    file = folder / "basket.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        check(Basket, read(file), folder)
    return [str(problem).removeprefix(str(folder) + "/") for problem in caught.value.problems]


def test_all_errors_at_once_each_with_its_place(tmp_path: Path) -> None:
    text = """\
titel: x
fruits:
  - {kind: apple, weight_g: -1, colour: red}
  - kind: peer
    lengths_cm: [1, 2]
  - kind: pear
    lengths_cm: [1, no]
  - {weight_g: 1}
extra: {weight_g: 12:30}
"""
    assert sorted(problems(text, tmp_path)) == [
        "basket.yaml:1:1: titel: is not a known key here (known: title, fruits, extra) (got 'titel'); "
        "did you mean 'title'?",
        "basket.yaml:1:1: title: is missing",
        "basket.yaml:3:29: fruits[0].weight_g: must be greater than 0 (got -1)",
        "basket.yaml:3:33: fruits[0].colour: is not a known key here (known: kind, weight_g) (got 'colour')",
        "basket.yaml:4:11: fruits[1].kind: must be one of apple, pear (got 'peer'); did you mean 'pear'?",
        "basket.yaml:7:21: fruits[2].lengths_cm[1]: must be a valid number (got 'no')",
        "basket.yaml:8:5: fruits[3]: needs a 'kind'",
        "basket.yaml:9:19: extra.weight_g: must be a valid number (got '12:30')",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x: no", "no"),
        ("x: yes", "yes"),
        ("x: 12:30", "12:30"),
        ("x: 012", 12),
        ("x: 1e-3", 0.001),
        ("x: 2024-01-02", "2024-01-02"),
        ("x: true", True),
        ("x: ~", None),
        ("x: 0x1f", "0x1f"),
        ("x: 1_000", "1_000"),
        ("x: '5'", "5"),
    ],
)
def test_scalars_follow_yaml_1_2(tmp_path: Path, text: str, expected: object) -> None:
    (tmp_path / "x.yaml").write_text(text)
    assert read(tmp_path / "x.yaml").data == {"x": expected}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: 1\na: 2", "stands twice"),
        ("? [1]\n: 2", "must be text"),
        ("a: !!python/object:os.system 1", "tags are not supported"),
        ("a: &x 1\nb: *x", "anchors and aliases"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("a: [1, 2", "not valid YAML"),
        ("a:\n\t- b", "not valid YAML"),
        ("", "is empty"),
        ("a: 1e999", "must be finite"),
        ("a: " + "9" * 5000, "at most 40 characters"),
        ("a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "must not nest deeper"),
        ("a: [" + "1," * 60_000 + "]", "must not hold more"),
        ("a: " + "x" * MAX_BYTES, "at most"),
        ("a: .inf", "must be a valid number"),
    ],
)
def test_traps_are_refused_with_a_place(tmp_path: Path, text: str, rule: str) -> None:
    class Loose(Part):
        a: float

    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(SpecError, match=rule):
        check(Loose, read(file), tmp_path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SpecError, match="UTF-8"):
        read(tmp_path / "x.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        read(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_read_or_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    try:
        data = read(file).data
    except SpecError as error:
        data = str(error)
    assert data is not None or content.strip() in (b"~", b"null")


def test_references_are_found_in_values_keys_and_nested_parts() -> None:
    pear = Pear(lengths_cm=(1.0,), readout="SUVmax", by_arm={"control": 1.0})
    assert list(references(Basket(title="x", fruits=(pear,)))) == [
        (("fruits", 0, "readout"), "readouts", "SUVmax"),
        (("fruits", 0, "by_arm", "control"), "arms", "control"),
    ]
