"""`vct verify`: the anchors hold, and a wrong one is noticed."""

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vct.cli import app
from vct.stats.verify import FOLDER, DesignAnchor, SizeAnchor, anchors, passed, verify

SCRIPT = Path(__file__).parents[2] / "scripts" / "rpact_anchors.R"


@pytest.fixture(scope="module")
def checks():
    return verify()


def test_every_anchored_number_holds(checks):
    assert [check for check in checks if not check.ok] == []
    assert passed(checks)


def test_there_are_enough_anchors_of_every_kind(checks):
    shipped = anchors()
    assert len(shipped) >= 40
    assert len(checks) >= 400
    assert {anchor.kind for anchor in shipped} == {"design", "stopped", "crossing", "sample_size", "multiplicity"}
    assert {check.checked for check in checks} >= {"published table", "published unit test", "rpact 3.3.4"}


def test_tolerances_are_those_that_were_promised(checks):
    """Boundaries within 5e-4, crossing probabilities within 2e-4."""
    for check in checks:
        name = check.quantity.split()[0]
        if name in ("efficacy", "last_efficacy", "futility"):
            assert check.tolerance <= 5e-4
        if name in ("alpha_spent", "rejections", "futility_stops", "above", "below", "nominal_p", "p_value"):
            assert check.tolerance <= 2e-4


def test_every_number_says_where_it_is_from(checks):
    assert all(check.source and check.checked and check.design for check in checks)


def test_a_wrong_number_is_noticed():
    right = next(anchor for anchor in anchors() if isinstance(anchor, DesignAnchor) and anchor.efficacy is not None)
    wrong = right.model_copy(update={"efficacy": tuple(z + 0.01 for z in right.efficacy)})
    assert passed(verify([right]))
    found = verify([wrong])
    assert not passed(found)
    assert [check.quantity for check in found if not check.ok] == [
        f"efficacy {k + 1}" for k in range(len(right.efficacy))
    ]


@pytest.mark.parametrize("off", [0.0, 0.01])
def test_the_verb_prints_every_number_and_fails_if_one_is_off(monkeypatch, off):
    right = next(anchor for anchor in anchors() if isinstance(anchor, DesignAnchor) and anchor.efficacy is not None)
    shown = right.model_copy(update={"efficacy": tuple(z + off for z in right.efficacy)})
    monkeypatch.setattr("vct.stats.verify.verify", lambda: verify([shown]))
    found = CliRunner().invoke(app, ["verify"])
    assert found.exit_code == (1 if off else 0)
    assert found.output.startswith(f"{right.source} ({right.checked})")
    for z in shown.efficacy:
        assert f"{'OFF' if off else 'ok '} {verify([shown])[0].design}" in found.output
        assert f"expected {z:.7g}, is" in found.output
    assert f"numbers, {len(right.efficacy) if off else 0} off" in found.output


def test_a_size_that_is_one_off_is_noticed():
    right = next(a for a in anchors() if isinstance(a, SizeAnchor) and a.function == "percent_change_patients")
    assert not passed(verify([right.model_copy(update={"expect": right.expect + 1})]))


def test_nothing_checked_is_not_passed():
    assert not passed(())


@pytest.mark.slow
def test_second_implementation_rpact_writes_the_same_file():
    rscript = shutil.which("Rscript")
    if rscript is None or subprocess.run([rscript, "-e", "library(rpact)"], capture_output=True).returncode:
        pytest.skip("R with rpact is not here")
    written = subprocess.run([rscript, str(SCRIPT)], capture_output=True, text=True, check=True).stdout
    assert written == (FOLDER / "rpact.yaml").read_text()
