"""Every example and every shipped protocol runs, and says what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vct import trial
from vct.engine.base import Engine
from vct.protocol import load
from vct.report import write
from vct.shipped import shipped_names

SHIPPED = shipped_names("protocols")
EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short_and_run(example: Path, tmp_path: Path) -> None:
    assert len(example.read_text().splitlines()) <= 60
    done = subprocess.run([sys.executable, str(example)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_there_are_at_least_three() -> None:
    assert len(EXAMPLES) >= 3


MOST_SCANS = 8
"""Scans of one protocol by default: the phase III with its seven visits is then run with two patients."""


@pytest.mark.parametrize("most", [MOST_SCANS, pytest.param(5 * MOST_SCANS, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_protocols_run_to_a_report(name: str, most: int, coarse: Engine, tmp_path: Path) -> None:
    protocol = load(name)
    small = protocol.model_copy(update={"sample_size": max(2, most // len(protocol.visits))})
    result = trial.run(small, coarse, out=tmp_path / name)
    page = write(result, tmp_path / name, ()).read_text()
    assert small.title.split(":")[0] in page
    assert result.comparisons
