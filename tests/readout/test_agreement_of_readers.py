"""Readers with the numbers of experts agree as published, over many patients; the fit is `benchmarks/readers.py`'s."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
Agreement = Callable[..., dict[str, float]]


@pytest.fixture(scope="module")
def fitted() -> dict[str, object]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return runpy.run_path(str(BENCHMARKS / "readers.py"))
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_golden_percist_by_eight_readers(fitted: dict[str, object]) -> None:
    """Fledelius: ICC of the percent change 0.96, kappa 0.76, all eight agree in 22 of 35; same target, kappa 1.00."""
    fledelius: Agreement = fitted["fledelius"]  # type: ignore[assignment]
    found = fledelius(60, fitted["CHOICE_SD"])
    assert found["ICC"] == pytest.approx(0.96, abs=0.03)
    assert found["kappa"] == pytest.approx(0.76, abs=0.05)
    assert found["all agree"] == pytest.approx(22 / 35, abs=0.07)
    assert fledelius(60, 0.0)["kappa"] == pytest.approx(1.0)


def test_golden_deauville_by_five_readers(fitted: dict[str, object]) -> None:
    """Kluge 2016: five-point kappa 0.24 and agreement 42 %; 1-3 against 4-5 kappa 0.56 and agreement 86 %."""
    kluge: Agreement = fitted["kluge"]  # type: ignore[assignment]
    found = kluge(400, fitted["GRADE_BIAS_SD"], fitted["GRADE_SD"])
    assert found["five-point kappa"] == pytest.approx(0.24, abs=0.05)
    assert found["five-point agreement"] == pytest.approx(0.42, abs=0.05)
    assert found["1-3 against 4-5 kappa"] == pytest.approx(0.56, abs=0.06)
    assert found["1-3 against 4-5 agreement"] == pytest.approx(0.86, abs=0.04)
