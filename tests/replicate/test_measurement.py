"""The measurement model: known errors are found again in the scans of a pilot, and images are held against it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from vct.cli import app
from vct.course.many import Lesions
from vct.engine import ENGINES
from vct.errors import InputError
from vct.readout.burden import LesionCount
from vct.readout.intensity import SuvMax
from vct.readout.thresholds import FixedThreshold
from vct.replicate.measurement import Fit, MeasurementModel, Pilot, fit_model
from vct.replicate.truth import Bodies, State, truth

DOUBLES = Path(__file__).parents[1] / "doubles"
PATIENTS, VISITS = 400, 3
READOUTS = (SuvMax(name="max"), LesionCount(name="count", threshold=FixedThreshold(suv=2.0)))
FIT: dict[str, Any] = {
    "known_truth": True,
    "centre": (2.0, 3.2),
    "n": 0,
    "scans": 0,
    "bias_percent": 0.0,
    "sd_percent": 0.0,
    "patient_share": 0.0,
    "r_squared": 0.0,
    "skewness": 0.0,
    "detected": 0.0,
    "truth_gap_percent": None,
}
PLANTED = MeasurementModel(
    fits=(
        Fit(
            readout="max", kind="log", from_zero=False, mean=(-0.1, 0.05, 0.0, 0.1), spread=(-2.0, -0.3),
            detection=(2.0, 1.5), **FIT,
        ),
        Fit(
            readout="count", kind="count", from_zero=True, mean=(0.8, 0.5, 0.0, 0.0), spread=(0.0, 0.0),
            detection=(50.0, 0.0), **FIT,
        ),
    ),
    between=((0.6, 0.0), (0.0, 0.0)),
    within=((0.4, 0.0), (0.0, 0.0)),
    made_by="test",
    patients=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def pilot() -> Pilot:
    """Patients with some lesions each, scanned three times, read by the planted model."""
    rng = np.random.default_rng(6)
    owner = np.repeat(np.arange(PATIENTS), rng.integers(1, 9, PATIENTS))
    lesions = Lesions(
        owner=owner,
        number=np.ones(owner.size, dtype=np.intp),
        organ=np.zeros(owner.size, dtype=np.intp),
        diameter_mm=np.exp(3.2 + 0.3 * rng.standard_normal(owner.size)),
        suv=np.exp(1.5 + 0.6 * rng.standard_normal(owner.size)),
        core_share=np.zeros(owner.size),
        core_uptake=np.ones(owner.size),
        is_new=np.zeros(owner.size, dtype=bool),
    )
    everybody = np.ones(PATIENTS)
    bodies = Bodies(female=everybody > 0, weight_kg=70 * everybody, height_cm=170 * everybody)
    state = State(bodies=bodies, lesions=lesions)
    shape = (PATIENTS, len(READOUTS))
    read = PLANTED.read(
        READOUTS,
        [state] * VISITS,
        rng.standard_normal(shape),
        rng.standard_normal((VISITS, *shape)),
        rng.random((VISITS, *shape, 2)),
    )
    scans = State(
        bodies=Bodies(**{name: np.tile(getattr(bodies, name), VISITS) for name in Bodies.__slots__}),
        lesions=Lesions(
            owner=np.concatenate([owner + visit * PATIENTS for visit in range(VISITS)]),
            **{name: np.tile(getattr(lesions, name), VISITS) for name in Lesions.__slots__ if name != "owner"},
        ),
    )
    return Pilot(
        state=scans,
        patient=np.tile(np.arange(PATIENTS, dtype=float), VISITS),
        visit=np.repeat(np.arange(VISITS, dtype=float), PATIENTS),
        readings={name: values.ravel() for name, values in read.items()},
        truths={readout.label: 1.25 * known(readout, scans) for readout in READOUTS},
        made_by="test",
    )


def known(readout: Any, state: State) -> np.ndarray:
    true = truth(readout, state)
    assert true is not None
    return true


def test_planted_errors_are_found_again(pilot: Pilot) -> None:
    found = fit_model(READOUTS, pilot)
    peak, count = found.fits
    # The fit centres where it was read; the planted mean is moved there.
    x, d = peak.centre[0] - 2.0, peak.centre[1] - 3.2
    assert peak.mean[0] == pytest.approx(-0.1 + 0.05 * x + 0.1 * d, abs=0.03)
    assert peak.mean[1] == pytest.approx(0.05, abs=0.05)
    assert peak.mean[3] == pytest.approx(0.1, abs=0.06)
    assert peak.spread[0] == pytest.approx(-2.0 - 0.3 * x, abs=0.1)
    assert peak.spread[1] == pytest.approx(-0.3, abs=0.12)
    assert peak.patient_share == pytest.approx(0.6, abs=0.08)
    assert peak.detection[0] == pytest.approx(2.0 + 1.5 * x, abs=0.5)
    assert peak.detection[1] == pytest.approx(1.5, abs=0.5)
    assert count.mean[:2] == pytest.approx((0.8, 0.5), abs=0.08)
    assert count.patient_share == 0.0
    assert found.patients == PATIENTS
    assert [fit.truth_gap_percent for fit in found.fits] == pytest.approx([20.0, 20.0])


def test_too_small_a_pilot_is_refused(pilot: Pilot) -> None:
    blind = {name: np.where(np.arange(values.size) < 11, values, np.nan) for name, values in pilot.readings.items()}
    with pytest.raises(InputError, match=r"scan more patients \(--pilot\)"):
        fit_model(READOUTS, replace(pilot, readings=blind))


@pytest.fixture
def vct(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line, with an engine that costs nothing."""
    monkeypatch.syspath_prepend(DOUBLES)
    from quick import Quick

    monkeypatch.setitem(ENGINES, "quick", Quick)

    def call(*arguments: Any) -> str:
        result = CliRunner().invoke(app, [str(item) for item in arguments])
        assert result.exit_code == 0, (result.output, result.exception)
        return str(result.output)

    return call


def test_power_scans_a_pilot_fits_it_and_checks_other_patients(vct: Any, tmp_path: Path) -> None:
    given = ("power", DOUBLES / "quick.yaml", "--replicates", 50, "--effect", 0, "--workers", 1, "--engine", "quick")
    check = ("--check", 1, "--check-patients", 8)
    text = vct(*given, "--pilot", 12, *check, "--out", tmp_path / "own")
    assert "Measurement model: 12 patients scanned by quick" in text
    assert "image and model agree" in text
    model = json.loads((tmp_path / "own" / "model.json").read_text())
    assert model["fits"][0]["sd_percent"] < 10
    assert len(pd.read_csv(tmp_path / "own" / "check.csv")) == 2

    model["fits"][0]["mean"][0] += 0.5
    (tmp_path / "biased.json").write_text(json.dumps(model))
    text = vct(*given, "--model", tmp_path / "biased.json", *check, "--out", tmp_path / "other")
    assert "DISAGREES reading liver" in text
    assert not (tmp_path / "other" / "pilot").exists()
