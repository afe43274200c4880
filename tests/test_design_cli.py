"""`vct design`, `vct power` and `vct search` on the command line: what they print and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from vct.cli import app
from vct.errors import InputError

QUICK = ("--perfect", "--replicates", 100, "--workers", 1)
RESIZED = """
design:
  rule: {kind: fixed}
  primary: SUVpeak change
  analysis: ancova
  benefit: lower
  reestimation: {kind: blinded_variance, difference: -10, planned_per_arm: 30, maximum_per_arm: 60, power: 0.8}
  reestimate_at: 20
"""


def vct(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [str(item) for item in arguments])


def printed(*arguments: Any) -> str:
    result = vct(*arguments)
    assert result.exit_code == 0, result.output
    return str(result.output)


def refused(*arguments: Any) -> str:
    result = vct(*arguments)
    assert isinstance(result.exception, InputError), result.output
    assert result.exception.exit_code == 2
    return str(result.exception)


def test_a_design_is_shown_with_what_an_interim_result_promises() -> None:
    text = printed("design", "nsclc_group_sequential_pfs", "--information", "0.6", "--z", "1.3")
    assert "2.6686" in text
    assert "0.8000 as planned" in text
    numbers = {line.split(":")[0].strip(): float(line.split()[-1]) for line in text.splitlines()[-4:]}
    assert 0 < numbers["conditional power, trend so far"] < numbers["conditional power, planned effect"] < 1
    assert 0 < numbers["predictive power, flat prior"] < 1
    simon = printed("design", "nsclc_randomised_phase2")
    assert "responders of an arm" in simon
    assert "0.0974 under the null, 0.9049 as planned" in simon


def test_a_new_size_is_shown_for_a_blinded_sd(tmp_path: Path) -> None:
    from vct.protocol import find

    file = tmp_path / "resized.yaml"
    file.write_text(find("null_trial").read_text() + RESIZED)
    assert "37 patients an arm" not in printed("design", file, "--sd", 10)
    assert "30 patients an arm" in printed("design", file, "--sd", 10)
    assert "60 patients an arm, cut to the maximum" in printed("design", file, "--sd", 30)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("null_trial",), "has no `design:`"),
        (("nsclc_group_sequential_pfs", "--z", 1), "go together"),
        (("nsclc_group_sequential_pfs", "--z", 1, "--information", "0.6,0.5"), "must be above 0 and grow"),
        (("nsclc_group_sequential_pfs", "--z", 1, "--information", "half"), "takes numbers"),
        (("nsclc_group_sequential_pfs", "--z", 1, "--information", "1"), "leaves no look to come"),
        (("nsclc_randomised_phase2", "--z", 1, "--information", "0.5"), "is for group sequential designs"),
        (("nsclc_group_sequential_pfs", "--sd", 3), "with `reestimation:`"),
    ],
)
def test_questions_a_design_cannot_answer_are_refused(arguments: tuple[Any, ...], reason: str) -> None:
    assert reason in refused("design", *arguments)


def test_power_takes_lists_of_sizes_and_effects(tmp_path: Path) -> None:
    text = printed("power", "null_trial", *QUICK, "--n", "16,20", "--effect", "0,1", "--out", tmp_path)
    assert "type_i_error" in text
    table = pd.read_csv(tmp_path / "power.csv")
    assert set(zip(table.n, table.effect, strict=True)) == {(16, 0.0), (16, 1.0), (20, 0.0), (20, 1.0)}
    assert (table.mc_se[table.quantity.isin(["power", "type_i_error", "coverage"])] > 0).all()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--n", "20,x"), "--n takes numbers"),
        (("--n", "20.5"), "--n takes whole numbers"),
        (("--n", "20,20"), "each once"),
        (("--effect", "-1"), "--effect takes numbers from 0 on"),
        (("--model", "nowhere.json"), "leave --model out"),
    ],
)
def test_power_refuses_wrong_lists(options: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    assert reason in refused("power", "null_trial", *QUICK, *options, "--out", tmp_path)


def test_search_finds_a_size_and_keeps_what_it_tried(tmp_path: Path) -> None:
    options = ("--power", 0.4, "--low", 8, "--high", 20, "--step", 4, "--out", tmp_path)
    text = printed("search", "nsclc_metabolic_response", *QUICK, *options)
    tried = pd.read_csv(tmp_path / "search.csv").set_index("n")
    (smallest,) = (int(line.split()[-1]) for line in text.splitlines() if line.startswith("smallest n"))
    assert tried.power[smallest] >= 0.4
    assert all(tried.power[n] < 0.4 for n in tried.index if n < smallest)
    assert "surely too few (99 %)" in text
    assert "8 to 20 patients for a power of 0.4 of SUVpeak change, ancova" in text


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--power", 1.5), "--power must lie between 0 and 1"),
        (("--low", 50, "--high", 20), "must not be below --low"),
        (("--endpoint", "SUVpaek change"), "did you mean 'SUVpeak change'"),
        (("--analysis", "t_test"), "is none of that endpoint's"),
        (("--effect", 0, "--low", 8, "--high", 8), "is not reached with 8 patients"),
    ],
)
def test_search_refuses_what_cannot_be(options: tuple[Any, ...], reason: str, tmp_path: Path) -> None:
    assert reason in refused("search", "nsclc_metabolic_response", *QUICK, *options, "--out", tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("nsclc_randomised_phase2", (), "46 patients an arm"),
        ("nsclc_randomised_phase2", ("--endpoint", "SUVpeak change", "--low", 20), "--low: 20 patients: sample_size"),
        ("nsclc_group_sequential_pfs", ("--low", 4), "too few for any test"),
    ],
)
def test_search_refuses_what_the_design_cannot_be_before_it_scans(
    name: str, options: tuple[Any, ...], reason: str, tmp_path: Path
) -> None:
    assert reason in refused("search", name, *options, "--out", tmp_path)
    assert not any(tmp_path.iterdir())
