"""The conductor: reproducible whatever the workers, the order and the interruptions."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from vct import trial
from vct.engine import make
from vct.engine.base import Engine
from vct.errors import RunError
from vct.protocol import Protocol, load
from vct.records import Scan, Snapshot
from vct.report import pictures_in, write
from vct.store import RunFolder

Small = Callable[..., Protocol]


def files_of(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if ".vct" not in path.parts}


def test_any_number_of_workers_gives_the_same_bytes(small_trial: Small, coarse: Engine, tmp_path: Path) -> None:
    for workers in (1, 2):
        result = trial.run(small_trial(), coarse, out=tmp_path / str(workers), workers=workers, keep_scans="1")
        write(result, tmp_path / str(workers), ())
    assert files_of(tmp_path / "1") == files_of(tmp_path / "2")


def test_a_resumed_run_ends_in_the_same_bytes(small_trial: Small, coarse: Engine, tmp_path: Path) -> None:
    protocol = small_trial()
    trial.run(protocol, coarse, out=tmp_path / "whole")
    trial.run(protocol, coarse, out=tmp_path / "broken")
    finished = sorted((tmp_path / "broken" / "readings").iterdir())
    finished[0].unlink()
    finished[1].write_bytes(finished[1].read_bytes()[:100])
    trial.run(protocol, coarse, out=tmp_path / "broken", resume=True)
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "broken")


def test_adding_patients_changes_nobody(small_trial: Small, coarse: Engine) -> None:
    few = trial.run(small_trial(sample_size=2), coarse)
    more = trial.run(small_trial(sample_size=4), coarse)
    assert more.readings[: len(few.readings)] == few.readings
    assert more.enrolment.patients[:2] == few.enrolment.patients


def test_another_seed_gives_another_trial(small_trial: Small, coarse: Engine) -> None:
    one, other = (trial.run(small_trial(sample_size=2), coarse, seed=seed) for seed in (1, 2))
    assert one.enrolment.patients != other.enrolment.patients


def test_reopening_gives_the_result_again(small_trial: Small, coarse: Engine, tmp_path: Path) -> None:
    result = trial.run(small_trial(), coarse, out=tmp_path / "run")
    again = trial.reopen(tmp_path / "run")
    assert again.comparisons == result.comparisons
    assert again.readings == result.readings
    assert again.enrolment == result.enrolment


def test_twins_share_everything_but_the_treatment(small_trial: Small, coarse: Engine) -> None:
    result = trial.run(small_trial("counterfactual_twins", 3), coarse)
    first, second = {patient.arm for patient in result.enrolment.patients}
    baseline = result.protocol["visits"][0]["name"]
    for one in result.readings:
        if one.arm == first and one.visit == baseline:
            assert replace(one, arm=second) in result.readings
    changed = [item for item in result.readings if item.visit != baseline]
    assert {item.value for item in changed if item.arm == first} != {
        item.value for item in changed if item.arm == second
    }


def test_a_folder_with_another_run_is_refused(small_trial: Small, coarse: Engine, tmp_path: Path) -> None:
    trial.run(small_trial(sample_size=2), coarse, out=tmp_path / "run")
    with pytest.raises(RunError, match="already holds a run"):
        trial.run(small_trial(sample_size=2), coarse, out=tmp_path / "run")
    with pytest.raises(RunError, match=r"seed: .* there, 99 now"):
        trial.run(small_trial(sample_size=2), coarse, seed=99, out=tmp_path / "run", resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").write_text("precious")
    with pytest.raises(RunError, match="holds no run"):
        trial.run(small_trial(sample_size=2), coarse, out=tmp_path / "other")
    with pytest.raises(RunError, match="holds no run"):
        trial.reopen(tmp_path / "other")


def test_an_unfinished_run_cannot_be_reported(small_trial: Small, coarse: Engine, tmp_path: Path) -> None:
    trial.run(small_trial(sample_size=2), coarse, out=tmp_path / "run")
    next((tmp_path / "run" / "readings").iterdir()).unlink()
    with pytest.raises(RunError, match="1 of 2 patients are not done"):
        trial.reopen(tmp_path / "run")


class Faulty:
    """An engine that fails at the second patient."""

    name = "faulty"

    def __init__(self, inner: Engine) -> None:
        self.inner = inner

    def generate(self, snapshot: Snapshot, seed: int) -> Scan:
        if snapshot.patient.id == "P0002":
            raise ZeroDivisionError("no counts")
        return self.inner.generate(snapshot, seed)


def test_a_failing_patient_is_named_and_the_finished_ones_stay(
    small_trial: Small, coarse: Engine, tmp_path: Path
) -> None:
    result = trial.run(small_trial(), Faulty(coarse), out=tmp_path / "run")
    (failed,) = result.provenance["failed"]
    assert failed["patient"] == "P0002"
    assert "ZeroDivisionError: no counts" in failed["error"]
    assert not any(reading.patient == "P0002" for reading in result.readings)
    assert len({reading.patient for reading in result.readings}) == len(result.enrolment.patients) - 1


def test_scans_are_kept_as_asked(small_trial: Small, coarse: Engine, tmp_path: Path) -> None:
    trial.run(small_trial(sample_size=2), coarse, out=tmp_path / "run", keep_scans="1")
    kept = {path.parent.name for path in (tmp_path / "run" / "scans").rglob("*_pet.nii.gz")}
    assert len(kept) == 1


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    """SIGKILL at three moments, each a while after another patient was done; 20 at any moment: benchmarks/kills.py.

    The killed runs are forked, which saves their imports; the command line finishes.
    """
    quick = Path(__file__).with_name("doubles") / "quick.yaml"
    protocol, engine = tmp_path / "trial.yaml", make("phantom", 16.0)
    protocol.write_text(quick.read_text().replace("sample_size: 12", "sample_size: 6"))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    result = trial.run(load(protocol), engine, out=whole)
    write(result, whole, pictures_in(whole, result.enrolment.patients))
    rng = np.random.default_rng(0)
    for done in (0, 1, 3):
        how = {"out": killed, "resume": True}
        child = get_context("fork").Process(target=trial.run, args=(load(protocol), engine), kwargs=how)
        child.start()
        while child.is_alive() and len(RunFolder(killed).finished()) <= done:
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0.0, 0.2)))
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
    command = [sys.executable, "-m", "vct.cli", "run", str(protocol), "--engine", "phantom", "--resolution", "16"]
    command += ["--workers", "1", "--out", str(killed), "--resume"]
    subprocess.run(command, check=True, capture_output=True)
    assert files_of(killed) == files_of(whole)
